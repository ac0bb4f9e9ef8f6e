"""Counts and sums by the hour that are kept with a chunk, so that means of long ranges need not decode its points.

They are stored, and change, with the chunk's points, in the same row: a CRC-32 of all that follows, the first hour (in
hours since the window's start), the number of hours, the points of each where all hours follow each other and have as
many, else 0; then, in the latter case, hours and counts; and the sums.
"""

import struct
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from entrepot.series.frequency import HOUR
from entrepot.series.points import Points, Times, Values

#: Points an hour, on average, from which sums are kept: of fewer, the points themselves are as few.
DENSE = 8

_SUM = struct.Struct("<I")
_HEAD = struct.Struct("<4xHHI")


class Hours(NamedTuple):
    """The hours in which there are points: when they start, how many points each has, and the sum of their values."""

    starts: Times
    counts: NDArray[np.int64]
    sums: Values


def encode(points: Points, window: int, width: int) -> bytes | None:
    """Return the bytes to keep with the chunk of these points, whose window begins at a time and has a width.

    None where nothing is to be kept: for few points an hour, and for windows of less than an hour.
    """
    first, last = int(points.times[0]) // HOUR, int(points.times[-1]) // HOUR
    if width % HOUR or len(points) < DENSE * (last - first + 1):
        return None
    positions = points.times.searchsorted(np.arange(first, last + 1) * HOUR)
    counts = np.diff(positions, append=len(points))
    held = np.flatnonzero(counts)
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(points.values, positions[held])
    if not np.isfinite(sums).all():
        return None
    counts, begin = counts[held], first - window // HOUR
    if held.size == last - first + 1 and (counts == counts[0]).all():
        body = sums.tobytes()
        head = (begin, held.size, int(counts[0]))
    else:
        body = held.astype("<u2").tobytes() + counts.astype("<u4").tobytes() + sums.tobytes()
        head = (begin, held.size, 0)
    data = _HEAD.pack(*head)[_SUM.size :] + body
    return _SUM.pack(zlib.crc32(data)) + data


def decode(data: bytes | None, window: int) -> Hours | None:
    """Return the hours of a chunk; None where none are kept, or these are not the bytes that were written."""
    if data is None or len(data) < _HEAD.size or _SUM.unpack_from(data)[0] != zlib.crc32(memoryview(data)[4:]):
        return None
    begin, number, each = _HEAD.unpack_from(data)
    at = _HEAD.size
    if each:
        hours, counts = np.arange(number), np.full(number, each)
    else:
        hours = np.frombuffer(data, "<u2", number, at).astype(np.int64)
        counts = np.frombuffer(data, "<u4", number, at + 2 * number).astype(np.int64)
        at += 6 * number
    return Hours((hours + begin) * HOUR + window, counts, np.frombuffer(data, "<f8", number, at))


def agree(data: bytes | None, points: Points, window: int, width: int) -> bool:
    """Tell whether what is kept with a chunk, if anything is, is what its points come to, but for rounding."""
    if data is None:
        return True
    kept, wanted = decode(data, window), decode(encode(points, window, width), window)
    if kept is None or wanted is None or not np.array_equal(kept.starts, wanted.starts):
        return False
    # Processors may add in an order of their own.
    most = 1e-9 * np.abs(points.values).max() * wanted.counts
    return bool(np.array_equal(kept.counts, wanted.counts) and (np.abs(kept.sums - wanted.sums) <= most).all())
