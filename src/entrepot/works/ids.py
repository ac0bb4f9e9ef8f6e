"""Identifiers of works: 24 hexadecimal digits that begin with the time, so that a later id is a greater one.

What follows is time as well: a count would tell how many works others deposited meanwhile.
"""

import os
import secrets
import threading
import time

_FRACTION_BITS = 24


class _Generator:
    """Four bytes of seconds, five of this process, three of a second's fraction."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forked()

    def _forked(self) -> None:
        self._process = secrets.token_hex(5)
        self._last = 0

    def __call__(self) -> str:
        with self._lock:
            # Not below the last one, though the clock be set back.
            self._last = max(self._last + 1, (time.time_ns() << _FRACTION_BITS) // 1_000_000_000)
            seconds, fraction = divmod(self._last, 1 << _FRACTION_BITS)
        return f"{seconds:08x}{self._process}{fraction:06x}"


new_id = _Generator()
os.register_at_fork(after_in_child=new_id._forked)  # noqa: SLF001
