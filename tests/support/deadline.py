"""Waiting in tests: poll until it is so, or fail at a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


#: Between two questions pass at most so many of the seconds that passed already: after a while nobody asks often.
_SHARE, _LONGEST = 0.1, 0.15


def eventually(
    predicate: Callable[[], T], seconds: float = 30.0, *, every: float = 0.02, message: str | Callable[[], str] = ""
) -> T:
    """Return the first true value of `predicate`, asked again and again; fail once `seconds` have passed."""
    begin = time.monotonic()
    while not (value := predicate()):
        passed = time.monotonic() - begin
        said = message if passed < seconds or isinstance(message, str) else message()
        assert passed < seconds, said or f"not so within {seconds} s: {predicate}"
        time.sleep(max(every, min(_SHARE * passed, _LONGEST)))
    return value
