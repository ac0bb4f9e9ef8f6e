"""Identifiers of works: 24 hexadecimal digits that begin with the time, so that a later id is a greater one."""

import os
import secrets
import threading
import time

_COUNT_BITS = 24


class _Generator:
    """Four bytes of seconds, five of this process, three that count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forked()

    def _forked(self) -> None:
        self._process = secrets.token_hex(5)
        self._last = 0

    def __call__(self) -> str:
        with self._lock:
            # Not below the last one, though the clock be set back or a second be used up.
            self._last = max(self._last + 1, int(time.time()) << _COUNT_BITS)
            seconds, count = divmod(self._last, 1 << _COUNT_BITS)
        return f"{seconds:08x}{self._process}{count:06x}"


new_id = _Generator()
os.register_at_fork(after_in_child=new_id._forked)  # noqa: SLF001
