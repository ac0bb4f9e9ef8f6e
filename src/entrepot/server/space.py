"""The disk of the data folder: whether it takes files, what is free, and for how long at today's rate."""

import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from entrepot.db.faults import naming
from entrepot.server import state

DAY = 86_400.0
_SAMPLE_SECONDS = 60.0
#: A rate that was watched for less is none.
_LEAST_SECONDS = 300.0
#: Below this share a disk is short of space, however slowly it fills.
_LEAST_SHARE = 0.02
_SOME = b"." * 4096


class Space:
    """The disk under a folder.

    What is free is remembered for a day, so that it can be said when nothing will be.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / state.FOLDER
        self._data_dir = data_dir
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=int(DAY / _SAMPLE_SECONDS))
        self._lock = threading.Lock()

    def write(self) -> None:
        """Write a file and remove it; raises what keeps it from being written."""
        with naming():
            self._folder.mkdir(exist_ok=True)
            file = self._folder / f"space.{os.getpid()}.{threading.get_ident()}"
            try:
                file.write_bytes(_SOME)
            finally:
                file.unlink(missing_ok=True)
        self.free()

    def free(self) -> tuple[int, int]:
        """Return the free bytes, and inodes, and remember them."""
        found = os.statvfs(self._data_dir)
        free = found.f_bavail * found.f_frsize, found.f_favail
        with self._lock:
            if not self._samples or time.monotonic() - self._samples[-1][0] >= _SAMPLE_SECONDS:
                self._samples.append((time.monotonic(), *free))
        return free

    def seconds_left(self) -> float | None:
        """Return for how long the space lasts at the rate of the last day; None where it does not shrink."""
        free = self.free()
        with self._lock:
            since, *then = self._samples[0]
        if (watched := time.monotonic() - since) < _LEAST_SECONDS:
            return None
        rates = [(before - left) / watched for before, left in zip(then, free, strict=True)]
        return min((left / rate for left, rate in zip(free, rates, strict=True) if rate > 0), default=None)

    def short(self) -> bool:
        """Tell whether it is time to make room: there is less than a day left, or next to nothing free."""
        found = os.statvfs(self._data_dir)
        shares = [(found.f_bavail, found.f_blocks), (found.f_favail, found.f_files)]
        left = self.seconds_left()
        return (left is not None and left < DAY) or any(free < _LEAST_SHARE * all_ for free, all_ in shares if all_)

    def told(self) -> dict[str, Any]:
        """Return it as health tells it."""
        free_bytes, free_inodes = self.free()
        left = self.seconds_left()
        return {
            "free_bytes": free_bytes,
            "free_inodes": free_inodes,
            "days_left": None if left is None else round(left / DAY, 2),
            "short": self.short(),
        }
