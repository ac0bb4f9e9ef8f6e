"""Hours that a channel's clock showed twice, and that are over, of which there are points of one time around only."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from entrepot.pipeline.cleaning import reading as raw_reading
from entrepot.pipeline.cleaning.spec import CleaningSpec
from entrepot.pipeline.generators import notices
from entrepot.pipeline.importing.hours_once import WORDS, hours_of, seen
from entrepot.pipeline.importing.open_hours import NEAR, Pass
from entrepot.pipeline.importing.stamps import shown
from entrepot.pipeline.models import Cleaner

#: By the stamp at which they begin.
Hours = dict[int, Pass | None]


def in_raw(session: Session, number: int, spans: Iterable[tuple[int, int]], spec: CleaningSpec) -> Hours:
    """Return of the hours near changed spans of a raw series, by a channel's clock, which were seen once."""
    zone = None if spec.instants else spec.input_clock.zone
    found: Hours = {}
    if zone is None:
        return found
    for start, stop in spans:
        near = zone.repeats & (zone.later + NEAR > start) & (zone.earlier - NEAR < stop)
        for hour in hours_of(zone, near):
            if hour.shown not in found:
                stamps = hour.shown - NEAR, hour.shown + hour.shift + NEAR
                found[hour.shown] = seen(raw_reading.instants(session, number, *stamps, spec), hour)
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
