"""Time zones: when their clocks changed, and what their standard time was.

Instants are int64 microseconds since 1970 in UTC, as everywhere.
"""

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from numpy.typing import NDArray

from entrepot.errors import InvalidInput
from entrepot.series.frequency import MINUTE, SECOND

Stamps = NDArray[np.int64]
Mask = NDArray[np.bool_]
#: Of stamps that a clock showed twice: 1 for the first time, 2 for the second, 0 where that is not known.
Passes = NDArray[np.int8]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Three days is less than the shortest time that any zone kept an offset since 1900 (a week, in Brazil in 2000).
_PROBE: Final = 3 * 86_400
_PROBED: Final = (-2_208_988_800, 7_258_118_400)
_YEARS: Final = range(1970, 2200)


class Zone(NamedTuple):
    """The changes of time of a clock, all arrays by change."""

    offsets: Stamps  # before the first change, after the first, ...
    changes: Stamps  # the instants
    earlier: Stamps  # the smaller of the wall times just before and just after
    later: Stamps  # the greater one
    repeats: Mask  # whether the wall time between the two came twice, rather than never


def check_timezone(name: object) -> None:
    """Refuse what is not the name of a known zone, naming the field ``timezone``."""
    try:
        wall_clock(name if isinstance(name, str) else "")
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInput.field("timezone", f"{str(name)[:60]!r} is not the name of a known time zone.") from error


@lru_cache(maxsize=1024)
def wall_clock(name: str | None) -> Zone:
    """Return the changes of a zone's wall clock, from 1900 to 2200."""
    zone = ZoneInfo(name or "")
    probes, at = range(*_PROBED, _PROBE), datetime.fromtimestamp
    found = [at(probe, zone).utcoffset() for probe in probes]
    offsets, changes = [_offset(zone, _PROBED[0])], []
    for probe, before, after in zip(probes, found, found[1:], strict=False):
        if before == after:
            continue
        low, high = probe, probe + _PROBE
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if at(middle, zone).utcoffset() == after else (middle, high)
        offsets.append(_offset(zone, high))
        changes.append(high)
    return _zone(np.array(offsets, np.int64) * SECOND, np.array(changes, np.int64) * SECOND)


@lru_cache(maxsize=1024)
def standard_time(name: str | None) -> Zone:
    """Return the changes of a zone's standard time, from 1970 to 2200.

    The standard time of a year is the smaller of the offsets on 1 January and on 1 July. From one year's to the next
    one's it goes where the wall clock made the same step, or at new year where it never did.
    """
    wall, zone = wall_clock(name), ZoneInfo(name or "")
    of_year = [
        min(_offset(zone, int(datetime(year, month, 1, tzinfo=UTC).timestamp())) for month in (1, 7)) * SECOND
        for year in _YEARS
    ]
    offsets, changes = of_year[:1], list[int]()
    for year, before, after in zip(_YEARS, of_year, of_year[1:], strict=False):
        if after == before:
            continue
        bounds = [_midnight(year, 1), _midnight(year + 1, 7)]
        low, high = np.searchsorted(wall.changes, bounds)
        same = np.flatnonzero(np.diff(wall.offsets)[low:high] == after - before)
        at = int(wall.changes[low + same[-1]]) if same.size else _midnight(year + 1, 1) - before
        if not changes or at > changes[-1]:
            offsets.append(after)
            changes.append(at)
    return _zone(np.array(offsets, np.int64), np.array(changes, np.int64))


def shown_twice_somewhere(stamps: Stamps) -> Mask:
    """Return which stamps the wall clock of some zone showed twice, to a quarter of an hour."""
    slots, where = np.unique(stamps // (15 * MINUTE), return_inverse=True)
    found: Mask = np.array([_shown_twice(slot) for slot in slots.tolist()], bool)[where]
    return found


@lru_cache(maxsize=4096)
def _shown_twice(slot: int) -> bool:
    at = _EPOCH.replace(tzinfo=None) + timedelta(minutes=15 * slot)
    for zone in _changing(slot // 96):
        first, second = (at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        if first is not None and second is not None and first > second:
            return True
    return False


@lru_cache(maxsize=4096)
def _changing(day: int) -> tuple[ZoneInfo, ...]:
    """Return the zones whose clocks change near a day of 1970 and after: three days have one change at most."""
    start = day * 86_400 - _PROBE // 3
    return tuple(zone for zone in _all_zones() if _offset(zone, start) != _offset(zone, start + _PROBE))


@cache
def _all_zones() -> tuple[ZoneInfo, ...]:
    return tuple(ZoneInfo(name) for name in sorted(available_timezones()))


def _offset(zone: ZoneInfo, at: int) -> int:
    found = datetime.fromtimestamp(at, zone).utcoffset()
    assert found is not None
    return round(found.total_seconds())


def _midnight(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * SECOND


def _zone(offsets: Stamps, changes: Stamps) -> Zone:
    before, after = changes + offsets[:-1], changes + offsets[1:]
    return Zone(offsets, changes, np.minimum(before, after), np.maximum(before, after), after < before)
