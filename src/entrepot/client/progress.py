"""How far something is, told while it takes long: by a bar of tqdm, where that is installed, else by lines."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: True, or what is called with how much is done and, where that is known, of how much.
Progress = bool | Callable[[int, int | None], object]
Tell = Callable[[int, int | None], object]
_SECONDS = 0.5


@contextmanager
def telling(progress: Progress, name: str, unit: str, *, scale: bool = False) -> Iterator[Tell]:
    """Give what is to be called with how much is done, and of how much."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda _done, _total: None
    else:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            yield _lines(name, unit)
            return
        with tqdm(desc=name, unit=unit, unit_scale=scale) as bar:
            yield _bar(bar)


def _bar(bar: Any) -> Tell:
    def tell(done: int, total: int | None) -> None:
        bar.total, bar.n = total, done
        bar.refresh()

    return tell


def _lines(name: str, unit: str) -> Tell:
    told = 0.0

    def tell(done: int, total: int | None) -> None:
        nonlocal told
        if done == total or time.monotonic() - told > _SECONDS:
            told = time.monotonic()
            of = "" if total is None else f" of {total:,}"
            print(f"{name}: {done:,}{of} {unit}", file=sys.stderr)  # noqa: T201 - it is what was asked for

    return tell
