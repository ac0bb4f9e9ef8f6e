"""Folding in the background: asked for by the clock, and sooner by writers that begin a tail; a worker does it."""

from typing import Any

from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.series import store

HEAL = "series.heal"
_AT_ONCE = 50
_EVERY_SECONDS, _HEAL_SECONDS = 300.0, 3600.0


def schedule(session: Session) -> None:
    """Have tails folded now and then, whatever became of the jobs that were to do it."""
    jobs.schedules.every(session, store.FOLD, _EVERY_SECONDS, store.FOLD, {}, key=store.FOLD)
    jobs.schedules.every(session, HEAL, _HEAL_SECONDS, HEAL, key=HEAL)


@jobs.task(store.FOLD)
def run(context: jobs.JobContext) -> dict[str, Any]:
    """Fold the tails that are due, few at a time, so that writers never wait for long."""
    folded = 0
    while True:
        context.check()
        with context.unit() as session:
            count = store.fold_due(session, _AT_ONCE)
            folded += count
            if count < _AT_ONCE:
                store.fold_later(session)
                return {"folded": folded}


@jobs.task(HEAL)
def heal(context: jobs.JobContext) -> dict[str, int]:
    """Take back damaged series that somebody restored."""
    with context.unit() as session:
        return {"healed": store.heal(session)}
