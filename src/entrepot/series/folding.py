"""Folding in the background: writers ask for it, a worker does it."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.series import store

_KIND = "series.fold"
_DELAY = store.IDLE + timedelta(seconds=5)
_AT_ONCE = 50


def request(session: Session) -> None:
    """Have tails folded soon; many requests become one job.

    It is enough to ask when a tail begins: the job asks again for as long as there are any.
    """
    jobs.enqueue(session, _KIND, {}, key=_KIND, coalesce=_KIND, run_at=now() + _DELAY)


@jobs.task(_KIND)
def run(context: jobs.JobContext) -> dict[str, Any]:
    """Fold the tails that are due, few at a time, so that writers never wait for long."""
    folded = 0
    while True:
        context.check()
        with context.unit() as session:
            count = store.fold_due(session, _AT_ONCE)
        folded += count
        if count < _AT_ONCE:
            with context.unit() as session:
                if store.has_tails(session):  # still being written; who writes to a tail need not ask again
                    request(session)
            return {"folded": folded}
