"""Writers wait for their turn outside of the threads that readers need, and not for ever."""

import asyncio
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.requests import Request

from entrepot.db.engine import write_by
from entrepot.errors import Unavailable
from entrepot.server.threads import in_thread

#: Requests that write, at a time; there are forty threads, so that the others are left to those that read.
AT_A_TIME = 16
#: Longest wait of a request for its turn to write, in all.
PATIENCE_SECONDS = 10.0

P = ParamSpec("P")
T = TypeVar("T")


class Writers:
    """The turns of one process' requests that write."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(AT_A_TIME)


async def in_turn(request: Request, writes: bool, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call a function in a thread; one that writes, when there are few others.

    Raises
    ------
    Unavailable
        Its turn did not come in time.
    """
    if not writes:
        return await in_thread(function, *arguments, **named)
    writers: Writers = request.app.state.writers
    deadline = time.monotonic() + PATIENCE_SECONDS
    if writers.free.locked():
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await writers.free.acquire()
        except TimeoutError:
            raise Unavailable("Too many write at this moment; try again.", retry_after=2) from None
    else:
        await writers.free.acquire()
    write_by.set(deadline)
    try:
        return await in_thread(function, *arguments, **named)
    finally:
        writers.free.release()
