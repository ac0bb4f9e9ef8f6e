"""Runs a command with the clock of it and of all its processes on another day.

``python -m tests.support.another_day "2028-02-29 12:00" pytest -q`` runs the tests on a 29 February. What is measured
between two moments goes on as ever: only the calendar is another.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import libfaketime

LIBRARY = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"


def environment(day: datetime) -> dict[str, str]:
    """Return what puts a process's clock on an instant; it goes on from there for all processes alike."""
    seconds = round((day - datetime.now(UTC)).total_seconds())
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": f"{seconds:+d}",
        # Without this, waiting for an event or a lock would never end.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # And without this, waiting for a condition would end at once: threads would spin for Python's own lock, and who
        # has it would starve, with the lock of the database in its hand.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }


def kept() -> dict[str, str]:
    """Return what keeps a process of this one, which is given nothing else of its environment, on the same day."""
    return {name: value for name, value in os.environ.items() if name == "LD_PRELOAD" or name.startswith("FAKETIME")}


class MovableClock:
    """The clock of processes, which a test sets forward and back of its own while they run.

    Parameters
    ----------
    file
        Says how far the clock is ahead; read again every second.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        """Set the clock so far ahead of the test's own."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{int(os.environ.get('FAKETIME', 0)) + seconds:+d}\n")
        new.replace(self._file)

    @property
    def environment(self) -> dict[str, str | None]:
        """What has processes go by it; None: not in their environment."""
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME": None,  # would have the first word
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }


def main() -> None:
    """Become the command."""
    day, *command = sys.argv[1:]
    os.environ |= environment(datetime.fromisoformat(day).replace(tzinfo=UTC))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
