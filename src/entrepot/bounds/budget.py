"""What a long answer may take: rows, bytes and seconds, and whether anybody still waits for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from entrepot.errors import TooLarge


@dataclass
class Budget:
    """Counts what is made; whoever makes something long asks it between two pieces, each of well below a second.

    Attributes
    ----------
    rows, bytes, seconds
        The most that may be made, and how long that may take; None: any number.
    setting
        What the settings that say so begin with, such as ``export``, for messages.
    stop
        Is called in each check, and raises when nobody waits any more.
    """

    rows: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    setting: str = ""
    stop: Callable[[], object] = lambda: None
    _made: dict[str, int] = field(default_factory=lambda: {"rows": 0, "bytes": 0})
    _began: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Raise TooLarge where the time is over, or what :attr:`stop` raises."""
        self.stop()
        if self.seconds is not None and time.monotonic() - self._began > self.seconds:
            raise TooLarge(f"This takes longer than {self.seconds:g} s{self._hint('seconds')}: ask for less at a time.")

    def made(self, rows: int, size: int = 0) -> None:
        """Count rows and bytes that were made; raise TooLarge where they are too many."""
        for name, more, most in (("rows", rows, self.rows), ("bytes", size, self.bytes)):
            self._made[name] += more
            if most is not None and self._made[name] > most:
                raise TooLarge(f"This has more than {most} {name}{self._hint(name)}: ask for less at a time.")
        self.check()

    def _hint(self, name: str) -> str:
        return f" (setting {self.setting}_max_{name})" if self.setting else ""


def unlimited() -> Budget:
    """Return a budget without an end."""
    return Budget()
