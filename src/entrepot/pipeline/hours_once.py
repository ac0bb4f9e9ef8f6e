"""Hours that a clock showed twice, and that are over, of which there are points of one time around only.

Where the clock is known at import, the files are looked at; where a channel alone knows it, what the channel reads. A
file of the other time around may be missing; or what there is was taken for the wrong one, and nothing else will tell.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from entrepot.pipeline import notices, raw_reading
from entrepot.pipeline.models import Cleaner
from entrepot.pipeline.open_hours import NEAR, Around, OpenHour, Pass
from entrepot.pipeline.spec import CleaningSpec
from entrepot.pipeline.stamps import shown
from entrepot.series.points import Points
from entrepot.series.zones import Mask, Zone

#: By the stamp at which they begin.
Hours = dict[int, Pass | None]
WORDS = ("first", "second")


def over(zone: Zone, first: int, last: int) -> Iterator[OpenHour]:
    """Yield the hours that a clock showed twice, and that were over between two instants, or not long before."""
    ends = zone.changes + zone.later - zone.earlier
    yield from _hours(zone, zone.repeats & (ends >= first - NEAR) & (ends <= last))


def seen(stored: Points, hour: OpenHour) -> Pass | None:
    """Return of which time around alone a series has points, if it has some before the hour and after it."""
    assert hour.turn is not None
    around = Around.of(stored, hour)
    first = around.first.times >= hour.turn - hour.shift
    steps = np.diff(stored.times)
    if first.all() or not around.later or not steps.size or np.median(steps) >= hour.shift:
        return None
    if bool(first.any()) == bool(len(around.second)):
        return None
    return 1 if first.any() else 2


def in_raw(session: Session, pk: int, spans: Iterable[tuple[int, int]], spec: CleaningSpec) -> Hours:
    """Return of the hours near changed spans of a raw series, by a channel's clock, which were seen once."""
    zone = None if spec.instants else spec.input_clock.zone
    found: Hours = {}
    if zone is None:
        return found
    for start, stop in spans:
        near = zone.repeats & (zone.later + NEAR > start) & (zone.earlier - NEAR < stop)
        for hour in _hours(zone, near):
            if hour.shown not in found:
                stamps = hour.shown - NEAR, hour.shown + hour.shift + NEAR
                found[hour.shown] = seen(raw_reading.instants(session, pk, *stamps, spec), hour)
    return found


def tell(session: Session, cleaner: Cleaner, by_channel: dict[str, Hours]) -> None:
    """Tell of hours that channels saw once, and clear what was told of those that they saw twice by now."""
    for stamp in sorted({stamp for hours in by_channel.values() for stamp in hours}):
        amiss = [(name, hours[stamp]) for name, hours in by_channel.items() if hours.get(stamp) is not None]
        if not amiss:
            notices.clear(session, cleaner, notices.HOURS_OPEN, subject=shown(stamp))
            continue
        (name, which), more = amiss[0], f" and {len(amiss) - 1} more" if len(amiss) > 1 else ""
        assert which is not None
        message = (
            f"Cleaner {cleaner.name}: by the clock of channel {name}{more}, the hour from {shown(stamp)} was shown "
            f"twice, and there are points of one time only, taken for the {WORDS[which - 1]}. If a file is missing, "
            "put it on the gate; if this is wrong, set the importer's repeated_hour or its clock, or have the script "
            "make instants."
        )
        notices.tell(session, cleaner, notices.HOURS_OPEN, message, subject=shown(stamp))


def report(hours: Hours) -> dict[str, Any]:
    """Return what the report of a run has of hours that were seen once."""
    once = [{"stamp": shown(stamp), "pass": which} for stamp, which in sorted(hours.items()) if which is not None]
    return {"hours_seen_once": once} if once else {}


def _hours(zone: Zone, which: Mask) -> Iterator[OpenHour]:
    for change in np.flatnonzero(which).tolist():
        start = int(zone.changes[change] + zone.offsets[change + 1])
        yield OpenHour(0, start, int(zone.changes[change]), int(zone.later[change] - zone.earlier[change]))
