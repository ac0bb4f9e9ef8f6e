"""The memory that all calls of an organization may have together, on one machine, over all its workers."""

import contextlib
import fcntl
import hashlib
import os
import random
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import ScriptError
from .limits import MIB, Limits

_UNIT = 16 * MIB
_PAUSE_SECONDS = 0.05
_FLOCK = "hhqqi4x"


@contextlib.contextmanager
def reserved(folder: Path, limits: Limits, cancelled: Callable[[], bool] | None) -> Iterator[None]:
    """Hold a call's memory out of its organization's while the block runs; wait for it before.

    What is held are locks on single bytes of a file, a byte for a few MiB, so that they end with their process.

    Raises
    ------
    ScriptError
        ``memory`` if others hold it for as long as the call might have run; ``cancelled``.
    """
    if limits.organization is None or not limits.organization_memory:
        yield
        return
    units = max(limits.organization_memory // _UNIT, 1)
    # A call that may have more than all of it waits until nobody else has any.
    wanted = min(-(-limits.memory // _UNIT), units)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / hashlib.sha256(limits.organization.encode()).hexdigest()[:32]
    deadline = time.monotonic() + limits.wall
    while (held := _take(path, units, wanted)) is None:
        if cancelled is not None and cancelled():
            raise ScriptError("cancelled", "the script was cancelled before it began")
        if time.monotonic() > deadline:
            text = f"the organization's other scripts hold the {limits.organization_memory / MIB:g} MiB of memory"
            raise ScriptError("memory", f"{text} that it may use at a time (script_organization_memory_bytes)")
        time.sleep(_PAUSE_SECONDS * (0.5 + random.random()))  # noqa: S311
    try:
        yield
    finally:
        os.close(held)


def _take(path: Path, units: int, wanted: int) -> int | None:
    """Return a descriptor that holds `wanted` of the file's first bytes; None if so many are not free."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # One at a time, or two that each hold a part would both go without.
    _lock(descriptor, units, fcntl.F_OFD_SETLKW)
    taken = 0
    for unit in range(units):
        with contextlib.suppress(BlockingIOError, PermissionError):
            _lock(descriptor, unit, fcntl.F_OFD_SETLK)
            taken += 1
        if taken == wanted:
            _lock(descriptor, units, fcntl.F_OFD_SETLK, fcntl.F_UNLCK)
            return descriptor
    os.close(descriptor)
    return None


def _lock(descriptor: int, byte: int, how: int, kind: int = fcntl.F_WRLCK) -> None:
    fcntl.fcntl(descriptor, how, struct.pack(_FLOCK, kind, os.SEEK_SET, byte, 1, 0))
