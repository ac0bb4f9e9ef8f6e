"""Keys of series: greater ones for later series, and none that tells how many others were made meanwhile."""

import threading
import time


class _Generator:
    """Microseconds since 1970, which JSON's numbers hold until 2255."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> int:
        with self._lock:
            # Not below the last one, though the clock be set back.
            self._last = max(self._last + 1, time.time_ns() // 1000)
            return self._last


new_number = _Generator()
