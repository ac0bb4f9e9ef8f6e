"""Work on many rows in small units, so that nobody who writes meanwhile waits for long."""

import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from entrepot.jobs.context import JobContext

_LONGEST_PAUSE_SECONDS = 1.0


def in_units(context: JobContext, part: Callable[[Session], int]) -> int:
    """Do parts of something, each in a unit of work that leaves as much time to others as it took, until one is empty.

    Parameters
    ----------
    part
        Does a part and returns how much it was; 0: there is no more, less: nothing, but there is more.
    """
    total = 0
    while True:
        context.check()
        began = time.monotonic()
        with context.unit() as session:
            done = part(session)
        if not done:
            return total
        total += max(done, 0)
        time.sleep(min(time.monotonic() - began, _LONGEST_PAUSE_SECONDS))
