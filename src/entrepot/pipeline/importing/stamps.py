"""What the stamps of a file become: instants, where it or its importer tells their clock, else stamps as delivered."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from entrepot.pipeline.generators.reports import stamps_of
from entrepot.pipeline.importing import open_hours
from entrepot.pipeline.importing.open_hours import OpenHour
from entrepot.pipeline.models import Importer
from entrepot.series import second_pass
from entrepot.series.clocks import UNKNOWN_CLOCK, UTC_CLOCK, Clock, Mask, Stamps, to_utc, unusual
from entrepot.series.frequency import HOUR, Frequency
from entrepot.series.points import EARLIEST, LATEST, Points, Tags

_MOST_TOLD = 10
_MOST_AHEAD = 14 * HOUR


@dataclass(frozen=True)
class StampRules:
    """What an importer says of the stamps in its files.

    Attributes
    ----------
    clock
        The clock of stamps without a zone; not known by default.
    earliest, latest
        The first and the last plausible stamp, in microseconds.
    """

    clock: Clock = UNKNOWN_CLOCK
    earliest: int = EARLIEST
    latest: int = LATEST

    @classmethod
    def of(cls, importer: Importer, present: datetime) -> "StampRules":
        """Read an importer's settings."""
        latest = LATEST
        if importer.plausible_ahead is not None:
            ahead = Frequency.parse(importer.plausible_ahead, zero=True).longest
            latest = min(_microseconds(present) + ahead, LATEST)
        earliest = EARLIEST if importer.plausible_from is None else _microseconds(importer.plausible_from)
        return cls(Clock(importer.clock, importer.timezone), earliest, latest)  # type: ignore[arg-type]


@dataclass(frozen=True)
class FileStamps:
    """The stamps of a file, row by row, as they are stored.

    Attributes
    ----------
    clock
        That of the times: UTC, or not known.
    zoned
        Whether they were delivered with a zone.
    times, tags
        What is stored; tags are None where no row has one.
    kept
        Which rows are: those of plausible stamps, and the last of equal ones.
    open
        Hours that the clock showed twice, of whose rows the file does not tell which time around they are.
    report
        First and last stamp as delivered, and the counts of what was remarkable.
    """

    clock: Clock
    zoned: bool
    times: Stamps
    tags: Tags | None
    kept: Mask
    open: list[OpenHour] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    def column(self, values: NDArray[np.float64]) -> Points:
        """Return the points of a column."""
        rows = np.flatnonzero(self.kept & ~np.isnan(values))
        rows = rows[np.argsort(self.times[rows], kind="stable")]
        tags = None if self.tags is None else self.tags[rows]
        return Points(self.times[rows], values[rows], tags)


def read_stamps(index: pd.DatetimeIndex, rules: StampRules) -> FileStamps:
    """Return what the stamps of a file become, by the rules of its importer.

    Stamps with a zone are instants. Others are read by the clock that the importer names; where it names none, they
    stay as they were delivered, with what the order of the rows tells of an hour that was shown twice.
    """
    stamps, zoned = stamps_of(index), index.tz is not None
    # A clock that is not known may be ahead of UTC.
    ahead = 0 if zoned else _MOST_AHEAD
    plausible = (stamps >= rules.earliest) & (stamps <= rules.latest + ahead)
    # Files that have the newest row first are read from their end.
    in_time = np.flatnonzero(plausible)[:: -1 if second_pass.newest_first(stamps[plausible]) else 1]
    times, tags, left_open = stamps.copy(), None, list[OpenHour]()
    known = UTC_CLOCK if zoned else rules.clock
    twice, never = 0, 0
    if zoned:
        pass
    elif known.kind is not None:
        times[in_time] = to_utc(stamps[in_time], known)
        twice, never = (int(found.sum()) for found in unusual(stamps[plausible], known))
        left_open = open_hours.in_known_zone(stamps[in_time], times[in_time], known)
    else:
        found = second_pass.marks(stamps[in_time])
        left_open = open_hours.in_unknown_zone(stamps[in_time], found)
        if found is not None:
            tags = np.full(stamps.size, None, object)
            tags[in_time] = found
            times, twice = second_pass.stored(stamps, tags), second_pass.repeated(stamps[in_time], found)
    last = ~pd.Index(times).duplicated(keep="last")
    aside = np.flatnonzero(~plausible)
    report: dict[str, Any] = {
        "first": shown(stamps.min()),
        "last": shown(stamps.max()),
        "duplicate_stamps": int((~last & plausible).sum()),
        "rows_of_repeated_hours": twice,
        "rows_of_hours_that_never_were": never,
        "rows_set_aside": int(aside.size),
        "set_aside": [{"row": row + 1, "stamp": shown(stamps[row])} for row in aside[:_MOST_TOLD].tolist()],
    }
    clock = UNKNOWN_CLOCK if known.kind is None else UTC_CLOCK
    return FileStamps(clock, zoned, times, tags, plausible & last, left_open, report)


def told_aside(path: str, report: dict[str, Any]) -> str:
    """Return a sentence about the rows of a file that were set aside."""
    shown = ", ".join(f"{one['stamp']} (row {one['row']})" for one in report["set_aside"][:3])
    count = report["rows_set_aside"]
    rows = f"{count} row{'s' if count > 1 else ''}"
    return f"{path}: {rows} with stamps outside of the importer's plausible range set aside: {shown}"


def shown(at: Any) -> str:
    """Return a stamp as people read it."""
    return str(np.datetime_as_string(np.datetime64(int(at), "us"), unit="s")).replace("T", " ")


def _microseconds(instant: datetime) -> int:
    return int(np.datetime64(instant.replace(tzinfo=None), "us").astype(np.int64))
