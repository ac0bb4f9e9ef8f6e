"""Waiting in tests: poll until it is so, or fail at a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(predicate: Callable[[], T], seconds: float = 30.0, *, every: float = 0.02, message: str = "") -> T:
    """Return the first true value of `predicate`, asked again and again; fail once `seconds` have passed."""
    end = time.monotonic() + seconds
    while not (value := predicate()):
        assert time.monotonic() < end, message or f"not so within {seconds} s: {predicate}"
        time.sleep(every)
    return value
