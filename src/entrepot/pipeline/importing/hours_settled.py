"""Settling, while a file is written, of which time around the rows are that it leaves open (see `open_hours`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from entrepot.pipeline.generators import notices
from entrepot.pipeline.importing import hours_once, open_hours
from entrepot.pipeline.importing.choice import natural
from entrepot.pipeline.importing.open_hours import Around, OpenHour, Pass
from entrepot.pipeline.importing.parsing import ParsedFile
from entrepot.pipeline.importing.stamps import shown
from entrepot.pipeline.models import ImportedFile, Importer
from entrepot.series import second_pass, store
from entrepot.series.clocks import Clock, Stamps
from entrepot.series.models import Series
from entrepot.series.points import Points

#: By series, the points that a file leaves open, and what is stored around them.
Stretch = dict[str, tuple[Points, Around]]


@dataclass
class Settled:
    """What settling the open hours of a file came to.

    Attributes
    ----------
    kept
        What is to be remembered of the file: by shown stamp, the pass and whether it was a guess; None if nothing.
    written
        What was written besides the file's points, by series.
    left
        Times that the file brought when it was taken for the other time around, by series.
    """

    kept: dict[str, dict[str, Any]] | None = None
    written: list[tuple[str, store.Written]] = field(default_factory=list)
    left: dict[str, Stamps] = field(default_factory=dict)


def settle(session: Session, importer: Importer, parsed: ParsedFile, known: Mapping[str, Series]) -> Settled:
    """Decide of each open hour of a file, move its points where they belong, and tell what was decided."""
    settled = Settled()
    file = session.get(ImportedFile, (importer.id, parsed.path))
    remembered = (file.open_hours or {}) if file is not None else {}
    for hour in parsed.open:
        was = remembered.get(shown(hour.shown))
        own: Pass | None = was["pass"] if was is not None else None
        around = _around(session, parsed, known, hour, own if was is not None and was["guess"] else None)
        which: Pass | None
        if was is not None and not was["guess"]:
            which, why = was["pass"], "as when it was read before"
        else:
            which, why = _decided(session, importer, parsed, hour, around)
        guess = which is None
        if which is None:
            chosen = {"first": 1, "second": 2}.get(importer.repeated_hour)
            which, why = (
                (chosen, "as repeated_hour says")  # type: ignore[assignment]
                if chosen is not None
                else (open_hours.guessed(list(around.values())), "nothing tells")
            )
        assert which is not None
        if own is not None and own != which:
            _leave(session, importer, parsed, known, hour, own, settled)
        if which == 2:
            settled.written += _second(session, parsed, known, hour, around)
        at = shown(hour.shown)
        settled.kept = {**(settled.kept or {}), at: {"pass": which, "guess": guess}}
        parsed.report.setdefault("open_hours", []).append({"stamp": at, "pass": which, "why": why})
        if guess and importer.repeated_hour not in ("first", "second"):
            _tell(session, importer, parsed.path, at, which)
    return settled


def has_some(importer: Importer, parsed: ParsedFile) -> bool:
    """Tell whether hours of a file are to be settled, or looked at: by what is stored when it is written."""
    return bool(parsed.open) or any(_over(importer, parsed))


def _over(importer: Importer, parsed: ParsedFile) -> Iterator[OpenHour]:
    """Yield the hours that the clock showed twice, and that were over in the time of the file."""
    zone = None if parsed.zoned else Clock(importer.clock, importer.timezone).zone  # type: ignore[arg-type]
    if zone is not None and parsed.first is not None and parsed.last is not None:
        yield from hours_once.over(zone, parsed.first, parsed.last)


def seen_once(session: Session, importer: Importer, parsed: ParsedFile, known: Mapping[str, Series]) -> None:
    """Tell of hours that the clock showed twice, and that are over, of which there are rows of one time only."""
    for hour in _over(importer, parsed):
        assert hour.turn is not None
        low, high = hour.window
        for label, points in parsed.columns.items():
            if not (points.times[points.within(low, high)] >= hour.turn + hour.shift).any():
                continue
            which = hours_once.seen(store.read(session, known[label].number, low, high), hour)
            if which is None:
                continue
            start = shown(hour.shown)
            parsed.report.setdefault("hours_seen_once", []).append({"stamp": start, "pass": which})
            message = (
                f"Importer {importer.name}: {parsed.path}: the clock showed the hour from {start} twice, and there are "
                f"rows of one time only ({label}), taken for the {hours_once.WORDS[which - 1]}. If a file is missing, "
                "put it on the gate; if this is wrong, set repeated_hour, or have the script make instants."
            )
            notices.tell(session, importer, notices.HOURS_OPEN, message)
            break


def read_again(session: Session, importer: Importer) -> None:
    """Have those files read again of whose hours it was guessed which time around they are."""
    notices.clear(session, importer, notices.HOURS_OPEN)
    query = select(ImportedFile).where(ImportedFile.importer_id == importer.id, ImportedFile.open_hours.is_not(None))
    for file in session.scalars(query).all():
        if any(each["guess"] for each in (file.open_hours or {}).values()):
            file.size, file.sha256 = -1, ""


def _around(
    session: Session, parsed: ParsedFile, known: Mapping[str, Series], hour: OpenHour, own: Pass | None
) -> Stretch:
    """Return by series the points that are open, and what is stored around them that the file did not bring."""
    found = {}
    for label, points in parsed.columns.items():
        new = points[points.within(*hour.rows)]
        if not len(new):
            continue
        stored = store.read(session, known[label].number, *hour.window)
        if own is not None:
            stored = stored[~np.isin(stored.times, _own(stored, new, hour, own))]
        found[label] = (new, Around.of(stored, hour))
    return found


def _own(stored: Points, new: Points, hour: OpenHour, own: Pass) -> Stamps:
    """Return the times of stored points that are the new ones, taken for this time around."""
    at = new.times if own == 1 else new.times + (1 if hour.turn is None else hour.shift)
    there, ours, theirs = np.intersect1d(at, stored.times, assume_unique=True, return_indices=True)
    found: Stamps = there[new.values[ours] == stored.values[theirs]]
    return found


def _decided(
    session: Session, importer: Importer, parsed: ParsedFile, hour: OpenHour, around: Stretch
) -> tuple[Pass | None, str]:
    if importer.repeated_hour == "modified" and (which := _by_lag(session, importer, parsed, hour)) is not None:
        return which, "by the times of files"
    disordered = importer.file_order == "name" and _is_late(session, importer, parsed, hour)
    said = {open_hours.told(new, those, hour, out_of_order=disordered) for new, those in around.values()} - {None}
    return (said.pop(), "by what was imported before it") if len(said) == 1 else (None, "")


def _by_lag(session: Session, importer: Importer, parsed: ParsedFile, hour: OpenHour) -> Pass | None:
    query = (
        select(ImportedFile.modified_at, ImportedFile.last)
        .where(ImportedFile.importer_id == importer.id, ImportedFile.last < hour.rows[0] - 1)
        .where(ImportedFile.last >= hour.rows[0] - 12 * open_hours.NEAR, ImportedFile.path != parsed.path)
    )
    before = session.execute(query.order_by(ImportedFile.last.desc()).limit(1)).first()
    last = parsed.last
    if before is None or before.last is None or last is None:
        return None
    if hour.turn is not None and before.last >= hour.turn - hour.shift:
        return None
    if hour.turn is not None and last >= hour.turn:
        last -= hour.shift
    return open_hours.by_lag(_since(parsed.modified_at, last), _since(before.modified_at, before.last), hour.shift)


def _since(modified: datetime, stamp: int) -> int:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (modified - epoch) // timedelta(microseconds=1) - stamp


def _is_late(session: Session, importer: Importer, parsed: ParsedFile, hour: OpenHour) -> bool:
    paths = session.scalars(_near(importer, parsed, hour, ImportedFile.path))
    return any(natural(path) > natural(parsed.path) for path in paths)


def _others(session: Session, importer: Importer, parsed: ParsedFile, hour: OpenHour) -> list[tuple[int, int]]:
    """Return from when to when other files go, near the hour."""
    rows = session.execute(_near(importer, parsed, hour, ImportedFile.first, ImportedFile.last))
    return [(first, last) for first, last in rows if first is not None and last is not None]


def _near(importer: Importer, parsed: ParsedFile, hour: OpenHour, *columns: Any) -> Select[Any]:
    low, high = hour.window
    return select(*columns).where(
        ImportedFile.importer_id == importer.id,
        ImportedFile.path != parsed.path,
        ImportedFile.last >= low,
        ImportedFile.first < high,
    )


def _second(
    session: Session, parsed: ParsedFile, known: Mapping[str, Series], hour: OpenHour, around: Stretch
) -> Iterator[tuple[str, store.Written]]:
    """Take the open points for those of the second time around; yield what else that changes, by series."""
    if hour.turn is not None:
        for label, points in parsed.columns.items():
            part = points.within(*hour.rows)
            times = points.times.copy()
            times[part] += hour.shift
            parsed.columns[label] = Points(times, points.values, points.tags)
        return
    ends = [int(those.first.times[-1]) for _, those in around.values() if len(those.first)]
    come = max(ends, default=hour.rows[1])
    for label, points in parsed.columns.items():
        part = points.within(hour.start, come + 1)
        tags = np.full(len(points), None, object) if points.tags is None else points.tags.copy()
        tags[part] = second_pass.SECOND
        times = points.times.copy()
        times[part] += 1
        parsed.columns[label] = Points(times, points.values, tags)
        if label not in around or not len(points.times[part]):
            continue
        # Of what the first time around alone came to, no later stamp may be taken for the second one's.
        last = int(np.append(around[label][1].second.times[-1:], points.times[part][-1]).max())
        first = around[label][1].first
        late = first[first.times > last]
        if len(late):
            marked = np.full(len(late), second_pass.FIRST, object)
            yield label, store.append(session, known[label].number, late.times, late.values, marked)


def _leave(
    session: Session,
    importer: Importer,
    parsed: ParsedFile,
    known: Mapping[str, Series],
    hour: OpenHour,
    own: Pass,
    settled: Settled,
) -> None:
    """Have go what the file alone brought when it was taken for the other time around."""
    others = _others(session, importer, parsed, hour) if own == 1 or hour.turn is not None else []
    for label, points in parsed.columns.items():
        new = points[points.within(*hour.rows)]
        stored = store.read(session, known[label].number, *hour.window)
        gone = _own(stored, new, hour, own)
        for first, last in others:
            gone = gone[(gone < first) | (gone > last)]
        if gone.size:
            settled.left[label] = np.union1d(settled.left.get(label, gone), gone)


def _tell(session: Session, importer: Importer, path: str, at: str, which: Pass) -> None:
    message = (
        f"Importer {importer.name}: {path} begins at {at}, in an hour that the clock showed twice, and nothing tells "
        f"which time that was: it was taken for the {hours_once.WORDS[which - 1]}. Set the importer's repeated_hour "
        "to first, second or modified (by the times of its files) to have such files read again."
    )
    notices.tell(session, importer, notices.HOURS_OPEN, message)
