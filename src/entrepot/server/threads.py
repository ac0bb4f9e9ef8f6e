"""The threads in which requests are answered: what blocks never runs on the event loop.

They take a call from a queue and hand its result to the loop, and nothing else: a request of half a millisecond notices
that anyio's take four times as long for it.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

#: Of a process; requests that come when all are busy wait in the order of their coming.
MOST = 40

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class _Call:
    run: Callable[[], Any]
    result: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class Threads:
    """As many threads as there are calls at once, up to a most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._lock = threading.Lock()
        self._started = self._under_way = 0

    async def run(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return what a function returns in a thread, which is waited for to its end, whoever cancels."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        run = partial(contextvars.copy_context().run, function, *arguments, **named)
        with self._lock:
            self._under_way += 1
            if self._under_way > self._started < self._most:
                self._started += 1
                threading.Thread(target=self._work, daemon=True, name=f"request-{self._started}").start()
        self._calls.put(_Call(run, result, loop))
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            await asyncio.wait([result])
            result.exception()  # nobody asks for it any more
            raise

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            try:
                answer, error = call.run(), None
            except BaseException as raised:  # noqa: BLE001 - it is raised where the call came from
                answer, error = None, raised
            with self._lock:
                self._under_way -= 1
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                call.loop.call_soon_threadsafe(_tell, call.result, answer, error)
            del call, answer, error


def _tell(result: "asyncio.Future[Any]", answer: Any, error: BaseException | None) -> None:
    if result.done():
        return
    if error is None:
        result.set_result(answer)
    else:
        result.set_exception(error)


#: Those of this process.
in_thread = Threads(MOST).run
