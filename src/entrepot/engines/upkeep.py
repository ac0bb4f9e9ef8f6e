"""What is forgotten of calls that nobody waits for any more, whichever engine makes those of today."""

from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.engines import calls

PRUNE = "calls.prune"


def schedule(session: Session) -> None:
    """Have them forgotten, hour by hour: the engine that removes its own may be that of the settings no more."""
    jobs.schedules.every(session, PRUNE, 3600, PRUNE, key=PRUNE)


@jobs.task(PRUNE)
def run(context: jobs.JobContext) -> dict[str, int]:
    """Delete calls that those who waited for them left when they were killed."""
    with context.unit() as session:
        return {"deleted": calls.sweep(session)}
