"""Points in memory: arrays sorted by time, and how two sets of them are merged and compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from entrepot.errors import InvalidInput

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Tags = npt.NDArray[np.object_]

LONGEST_TAG = 255
# What a date of Python can say (years 1 to 9999): what is stored must be readable.
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999


@dataclass(frozen=True, slots=True)
class Points:
    """Points sorted by time, at most one a time.

    Attributes
    ----------
    times
        Microseconds since 1970 in UTC (or the stamps as delivered, where the clock is unknown).
    values
        As many floats, finite.
    tags
        As many texts or Nones; None when no point has one.
    """

    times: Times
    values: Values
    tags: Tags | None = None

    def __len__(self) -> int:
        return self.times.size

    def __getitem__(self, part: slice | npt.NDArray[Any]) -> Self:
        tags = None if self.tags is None else self.tags[part]
        return type(self)(self.times[part], self.values[part], tags)

    def within(self, start: int | None, stop: int | None) -> slice:
        """Return the slice of the points in [start, stop)."""
        return slice(
            None if start is None else int(self.times.searchsorted(start)),
            None if stop is None else int(self.times.searchsorted(stop)),
        )


EMPTY = Points(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, slots=True)
class Difference:
    """What turns one set of points into another: three masks and counts."""

    added: npt.NDArray[np.bool_]  # of the new points
    replaced: npt.NDArray[np.bool_]  # of the new points
    deleted: npt.NDArray[np.bool_]  # of the old points


def tidy(times: npt.ArrayLike, values: npt.ArrayLike, tags: Sequence[str | None] | Tags | None = None) -> Points:
    """Return what was handed in as points: sorted, the last of equal times winning, NaN left out.

    Raises
    ------
    InvalidInput
        When lengths differ, a value is infinite, or a time is not between the years 1 and 9999.
    """
    # SQLite keeps no negative zero; adding zero makes it a plain one everywhere.
    stamps, numbers = np.ascontiguousarray(times, np.int64), np.asarray(values, np.float64) + 0.0
    if stamps.ndim != 1 or numbers.shape != stamps.shape:
        raise InvalidInput.field("values", f"{numbers.size} values for {stamps.size} times")
    texts = None
    if tags is not None:
        texts = np.empty(stamps.size, object)
        if len(tags) != stamps.size:
            raise InvalidInput.field("tags", f"{len(tags)} tags for {stamps.size} times")
        texts[:] = tags
        named = [tag for tag in texts if tag is not None]
        if any(not isinstance(tag, str) or len(tag) > LONGEST_TAG or "\0" in tag for tag in named):
            raise InvalidInput.field("tags", f"a tag is a text of at most {LONGEST_TAG} characters")
        if not named:
            texts = None
    points = Points(stamps, numbers, texts)
    if not np.isfinite(numbers).all():
        if np.isinf(numbers).any():
            raise InvalidInput.field("values", "infinite values are not accepted")
        points = points[~np.isnan(numbers)]
    if len(points) > 1 and not (points.times[1:] > points.times[:-1]).all():
        points = _last_of_each_time(points)
    if len(points) and (points.times[0] < EARLIEST or points.times[-1] > LATEST):
        raise InvalidInput.field("times", "a time is not between the years 1 and 9999")
    return points


def merge(old: Points, new: Points) -> Points:
    """Return the points of both, those of `new` where both have one of the same time."""
    if not len(old) or not len(new):
        return old if len(old) else new
    both = concatenate([old, new])
    return both if new.times[0] > old.times[-1] else _last_of_each_time(both)


def concatenate(parts: Sequence[Points]) -> Points:
    """Return the points of all parts, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    tags = None
    if any(part.tags is not None for part in parts):
        tags = np.concatenate([np.full(len(p), None, object) if p.tags is None else p.tags for p in parts])
    return Points(np.concatenate([p.times for p in parts]), np.concatenate([p.values for p in parts]), tags)


def compare(old: Points, new: Points) -> Difference:
    """Return what turns `old` into `new`; values are the same when their bits are."""
    where, kept = _find(new.times, old.times)
    differs = old.values.view(np.int64)[where] != new.values.view(np.int64)[kept]
    if old.tags is not None or new.tags is not None:
        nothing = np.full(max(len(old), len(new)), None, object)
        before = (nothing if old.tags is None else old.tags)[where]
        after = (nothing if new.tags is None else new.tags[kept])[: before.size]
        differs |= before != after
    added, replaced = np.ones(len(new), bool), np.zeros(len(new), bool)
    added[kept], replaced[kept] = False, differs
    deleted = np.ones(len(old), bool)
    deleted[where] = False
    return Difference(added, replaced, deleted)


def _find(needles: Times, times: Times) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the places in `times` of those `needles` that are there, and the places of these among the needles."""
    at = times.searchsorted(needles)
    inside = np.flatnonzero(at < times.size)
    kept = inside[times[at[inside]] == needles[inside]]
    return at[kept], kept


def _last_of_each_time(points: Points) -> Points:
    order = np.argsort(points.times, kind="stable")
    times = points.times[order]
    return points[order[np.append(times[1:] != times[:-1], True)]]
