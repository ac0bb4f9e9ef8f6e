"""Hours that a clock showed twice, and that are over, of which there are points of one time around only.

Where the clock is known at import, the files are looked at; where a channel alone knows it, what the channel reads. A
file of the other time around may be missing; or what there is was taken for the wrong one, and nothing else will tell.
"""

from collections.abc import Iterator

import numpy as np

from entrepot.pipeline.importing.open_hours import NEAR, Around, OpenHour, Pass
from entrepot.series.points import Points
from entrepot.series.zones import Mask, Zone

WORDS = ("first", "second")


def over(zone: Zone, first: int, last: int) -> Iterator[OpenHour]:
    """Yield the hours that a clock showed twice, and that were over between two instants, or not long before."""
    ends = zone.changes + zone.later - zone.earlier
    yield from hours_of(zone, zone.repeats & (ends >= first - NEAR) & (ends <= last))


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


def hours_of(zone: Zone, which: Mask) -> Iterator[OpenHour]:
    """Yield the hours that the clock showed twice at some of its changes."""
    for change in np.flatnonzero(which).tolist():
        start = int(zone.changes[change] + zone.offsets[change + 1])
        yield OpenHour(0, start, int(zone.changes[change]), int(zone.later[change] - zone.earlier[change]))
