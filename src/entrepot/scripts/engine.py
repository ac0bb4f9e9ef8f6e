"""Where calls of scripts are made."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from . import wire
from .answer import Answer, Cancelled, Printed
from .limits import Limits

Given = TypeVar("Given")
Made = TypeVar("Made")


class Engine(Protocol):
    """Makes calls: on this machine (`Here`), on a cluster, or by workers that ask for them.

    A call is bytes, and so is its answer: whoever makes it needs neither the database nor the store, and what is done
    with the answer stays with whoever asked.
    """

    @property
    def at_once(self) -> int:
        """How many calls of one run are worth making side by side."""

    def start(self) -> None:
        """Have the first call wait for nothing."""

    def make(
        self,
        request: Sequence[wire.Buffer],
        limits: Limits,
        cancelled: Cancelled | None,
        printed: Printed | None = None,
    ) -> Answer:
        """Make a call.

        Parameters
        ----------
        printed
            Told now and then what the script printed so far, by engines that hear it before the answer comes.

        Raises
        ------
        ScriptError
            It was cancelled, or could not begin for what others of its organization run.
        Unavailable
            It cannot be made, though it was tried several times.
        """

    def close(self) -> None:
        """End what is under way."""


def in_order(
    function: Callable[[Given, Cancelled], Made], given: Iterable[Given], at_once: int, cancelled: Cancelled
) -> Iterator[Made]:
    """Yield what a function returns for each of what is given, in order, so many being under way at once.

    Whatever ends it early (the first that raises, or who reads no further) cancels the others and waits for them.
    """
    if at_once <= 1:
        yield from (function(each, cancelled) for each in given)
        return
    over = False

    def stopped() -> bool:
        return over or cancelled()

    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(at_once, "call") as threads:
        try:
            for each in given:
                waiting.append(threads.submit(function, each, stopped))
                if len(waiting) >= at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            over = True
            for each_one in waiting:
                each_one.cancel()
