"""The lowest and the highest value of each part of a chunk, kept with it, so that a plot of many points decodes few.

They are stored, and change, with the chunk's points, in the same row: a CRC-32 of all that follows, the lowest values
and the highest ones; NaN of parts without points.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from entrepot.series.points import Points, Times, Values
from entrepot.series.second_pass import SECOND

#: Into how many equal parts a chunk's window is cut.
PARTS = 64
#: Points a part, on average, from which extremes are kept: they take a thirtieth of what points take, and less.
DENSE = 32

_SUM = struct.Struct("<I")
_KEPT = np.dtype([("sum", "<u4"), ("low", "<f8", PARTS), ("high", "<f8", PARTS)])


@dataclass(frozen=True, slots=True)
class Extremes:
    """Extremes in place of points.

    Attributes
    ----------
    times
        When the parts begin in which there are points.
    low, high
        The lowest and the highest value of each.
    points
        How many points all parts have together.
    """

    times: Times
    low: Values
    high: Values
    points: int

    def __len__(self) -> int:
        return self.points


def encode(points: Points, window: int, width: int) -> bytes | None:
    """Return the bytes to keep with the chunk of these points, whose window begins at a time and has a width.

    None where nothing is to be kept: for few points, and for stamps that are not delivered as they are kept.
    """
    if len(points) < DENSE * PARTS or (points.tags is not None and (points.tags == SECOND).any()):
        return None
    positions = points.times.searchsorted(window + np.arange(PARTS) * (width // PARTS))
    held = np.flatnonzero(np.diff(positions, append=len(points)))
    found = np.full((2, PARTS), np.nan)
    for row, rule in zip(found, (np.minimum, np.maximum), strict=True):
        row[held] = rule.reduceat(points.values, positions[held])
    body = found.astype("<f8").tobytes()
    return _SUM.pack(zlib.crc32(body)) + body


def is_whole(data: bytes | None) -> bool:
    """Tell whether extremes are kept, and these are the bytes that were written."""
    return (
        data is not None
        and len(data) == _KEPT.itemsize
        and _SUM.unpack_from(data)[0] == zlib.crc32(memoryview(data)[_SUM.size :])
    )


def decode(kept: Mapping[int, bytes], width: int, points: int) -> Extremes:
    """Return the extremes of chunks by the begin of their windows, in order; each :func:`is_whole`."""
    found = np.frombuffer(b"".join(kept.values()), _KEPT)
    low, high = found["low"].ravel(), found["high"].ravel()
    times = (np.array([*kept], np.int64)[:, None] + np.arange(PARTS) * (width // PARTS)).ravel()
    held = ~np.isnan(low)
    return Extremes(times[held], low[held], high[held], points)
