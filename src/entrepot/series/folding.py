"""Folding in the background: writers that begin a tail ask for it, a worker does it."""

from typing import Any

from entrepot import jobs
from entrepot.series import store

_AT_ONCE = 50


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
