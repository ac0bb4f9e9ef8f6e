"""Running a cleaner: the intervals of raw series that changed, through each channel, into regular series."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.errors import InvalidInput, Locked
from entrepot.pipeline.cleaning import hours_once
from entrepot.pipeline.cleaning import reading as raw_reading
from entrepot.pipeline.cleaning.clean import Cleaned, clean
from entrepot.pipeline.cleaning.functions import ScriptFunctions
from entrepot.pipeline.cleaning.influence import Influence, influence
from entrepot.pipeline.cleaning.spec import CleaningSpec
from entrepot.pipeline.generators import frame, invalidations, notices
from entrepot.pipeline.generators.finding import alike, enqueue_run, series_by_name, series_changed
from entrepot.pipeline.generators.frame import Run
from entrepot.pipeline.generators.reports import spans_of
from entrepot.pipeline.intervals import EVER, merge_intervals
from entrepot.pipeline.models import Channel, Cleaner
from entrepot.scripts import ScriptError
from entrepot.series import labels, store
from entrepot.series.codec import DamagedChunk
from entrepot.series.models import Series

#: Cleaned points are written together up to so many, so that readers downstream see few, large changes.
_BATCH_POINTS = 2_000_000
_CONFIGURATION = [
    column.key
    for column in inspect(Channel).column_attrs
    if column.key not in {"number", "id", "created_at", "active", "labels", "version", "changed_at"}
]


@dataclass
class Piece:
    """What cleaning one changed stretch of a raw series gave, and where it belongs."""

    influence: Influence
    cleaned: Cleaned


@dataclass
class Result:
    """What became of one channel."""

    channel_id: str
    name: str
    configuration: dict[str, Any]
    pending: invalidations.Pending
    spec: CleaningSpec
    raw_id: str | None
    ends: tuple[int, int] | None
    pieces: list[Piece] = field(default_factory=list)
    hours: hours_once.Hours = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def points(self) -> int:
        """How many points came out."""
        return sum(piece.cleaned.times.size for piece in self.pieces)


Plan = tuple[Cleaner, list[str]]


def _plan(_run: Run[Cleaner], session: Session, cleaner: Cleaner) -> Plan:
    """Return the cleaner, and its channels in the order of their creation."""
    query = select(Channel.id).where(Channel.cleaner_id == cleaner.id, Channel.active.is_(True))
    return cleaner, list(session.scalars(query.order_by(Channel.number)))


@frame.runs("cleaner.run", Cleaner, plan=_plan, script=lambda _: None)
def run(run: Run[Cleaner], plan: Plan) -> None:
    """Clean what changed, channel by channel.

    Each commit holds the cleaned points of some channels, the end of their marks and the marks of what lies
    downstream. One that fails keeps its marks, and does not keep the others from being cleaned.
    """
    context, (cleaner, channel_ids) = run.context, plan
    run.report |= {"series": {}, "added": 0, "replaced": 0, "deleted": 0}
    failures: list[tuple[str, ScriptError | None]] = []
    batch: list[Result] = []
    for done, channel_id in enumerate(channel_ids):
        context.check()
        context.progress(done, len(channel_ids))
        try:
            result = _clean(context, cleaner, channel_id)
        except (ScriptError, InvalidInput, DamagedChunk) as error:
            context.check()
            name = _name(context, channel_id)
            failures.append((f"{name}: {error.message}", error if isinstance(error, ScriptError) else None))
            run.report["series"][name] = {"error": error.message}
            continue
        if result is not None:
            batch.append(result)
        if sum(result.points for result in batch) > _BATCH_POINTS:
            with run.unit() as (session, cleaner):
                _write(run, session, cleaner, batch)
            batch = []
    _end(run, batch, failures)


def _end(run: Run[Cleaner], batch: list[Result], failures: list[tuple[str, ScriptError | None]]) -> None:
    with run.unit() as (session, cleaner):
        _write(run, session, cleaner, batch)
        series = run.report["series"]
        failures += [(f"{name}: {of['error']}", None) for name, of in series.items() if of.get("unwritten")]
        missing = run.report["missing"] = _without_series(session, cleaner)
        if run.requested:
            failures += [(message, None) for message in missing.values()]
        if failures:
            run.fail(session, cleaner, "; ".join(message for message, _ in failures), failures[0][1])
        else:
            counts = {name: run.report[name] for name in ("added", "replaced", "deleted")}
            run.finish(session, cleaner, news=bool(series), **counts)


def _without_series(session: Session, cleaner: Cleaner) -> dict[str, str]:
    """Return what is amiss with channels whose raw series is not there, by name; tell of it."""
    names = series_by_name(session, cleaner.importer_id)
    query = select(Channel).where(Channel.cleaner_id == cleaner.id, Channel.active.is_(True))
    missing = {
        each.name: f"{each.name}: the importer has no series {each.raw}{alike(each.raw, names)}"
        for each in session.scalars(query.order_by(Channel.number))
        if each.raw not in names
    }
    if missing and names:  # else nothing was imported yet
        first, more = next(iter(missing.values())), f", and for {len(missing) - 1} more" if len(missing) > 1 else ""
        notices.tell(
            session, cleaner, notices.NO_SERIES, f"Cleaner {cleaner.name} has nothing to clean for {first}{more}."
        )
    else:
        notices.clear(session, cleaner, notices.NO_SERIES)
    return missing


def _clean(context: jobs.JobContext, cleaner: Cleaner, channel_id: str) -> Result | None:
    """Clean what a channel has to, from one snapshot; None when there is nothing to do."""
    with context.database.read() as session:
        channel = session.scalar(select(Channel).where(Channel.id == channel_id))
        pending = invalidations.pending(session, channel_id)
        if channel is None or not pending:
            return None
        configuration = configuration_of(channel)
        raw = session.scalar(
            select(Series).where(Series.generator_id == cleaner.importer_id, Series.name == channel.raw)
        )
        spec = replace(CleaningSpec.of(configuration), instants=raw is not None and raw.clock is not None)
        ends = (raw.first, raw.last) if raw is not None and raw.first is not None and raw.last is not None else None
        extent = None if raw is None or ends is None else raw_reading.extent(session, raw.number, *ends, spec)
        result = Result(channel_id, channel.name, configuration, pending, spec, raw.id if raw else None, ends)
        stretches = [Influence(*EVER, *EVER)]
        if raw is not None and ends is not None:
            stretches = _stretches(session, raw.number, ends[1], spec, pending)
            spans = [span for found in pending.spans.values() for span in found]
            near = [(max(start, ends[0]), min(stop, ends[1] + 1)) for start, stop in spans]
            result.hours = hours_once.in_raw(session, raw.number, near, spec)
        raw_points = [
            raw_reading.points(session, raw.number, stretch, spec) if raw else raw_reading.NONE for stretch in stretches
        ]
    functions = ScriptFunctions(context, configuration)
    at = round(time.time() * 1_000_000)
    for stretch, points in zip(stretches, raw_points, strict=True):
        window = None if stretch[2:] == EVER else (stretch.write_start, stretch.write_stop)
        stamps, values, passes = points
        cleaned = clean(stamps, values, spec, functions, passes=passes, extent=extent, window=window, now=at)
        result.pieces.append(Piece(stretch, cleaned))
        for name, count in cleaned.report.as_dict().items():
            result.report[name] = result.report.get(name, 0) + count
    if functions.output:
        result.report["output"] = functions.output
    result.report |= functions.old | hours_once.report(result.hours)
    return result


def _stretches(
    session: Session, number: int, end: int, spec: CleaningSpec, pending: invalidations.Pending
) -> list[Influence]:
    """Return what to read and write anew of a raw series whose last time is `end`, without overlaps."""
    whole = [Influence(*EVER, *EVER)]
    spans = merge_intervals(span for found in pending.spans.values() for span in found)
    if spans[0][0] <= invalidations.ALWAYS[0]:
        return whole
    found: list[Influence] = []
    while spans:
        start, stop = spans.pop(0)
        last = stop if stop < invalidations.ALWAYS[1] else max(end, start) + 1
        before, after = raw_reading.neighbours(session, number, start, last, spec)
        if spans and (not after.size or after[0] >= spans[0][0]):
            # No point between them is as it was: to their neighbours they are one change.
            spans[0] = (start, spans[0][1])
            continue
        # Of stamps that a clock showed twice, one is kept a microsecond late.
        late = 0 if spec.input_clock.fixed else 1
        found.append(influence(spec, start - late, last, before, after))
        if found[-1][2:] == EVER:
            return whole
    found.sort(key=lambda stretch: stretch.write_start)
    merged = found[:1]
    for stretch in found[1:]:
        previous = merged[-1]
        if stretch.write_start <= previous.write_stop or stretch.read_start <= previous.read_stop:
            merged[-1] = Influence(
                min(previous.read_start, stretch.read_start),
                max(previous.read_stop, stretch.read_stop),
                previous.write_start,
                max(previous.write_stop, stretch.write_stop),
            )
        else:
            merged.append(stretch)
    return merged


def _write(run: Run[Cleaner], session: Session, cleaner: Cleaner, batch: list[Result]) -> None:
    """Write cleaned points and settle their marks; a channel changed meanwhile is left to its next run."""
    report = run.report
    known = series_by_name(session, cleaner.id)
    store.lock(session, [known[result.name].number for result in batch if result.name in known])
    changed: dict[str, NDArray[np.int64]] = {}
    hours: dict[str, hours_once.Hours] = {}
    for result in batch:
        channel = session.scalar(select(Channel).where(Channel.id == result.channel_id))
        if channel is None or configuration_of(channel) != result.configuration:
            continue
        try:
            sums, stamps = _replace(session, cleaner, channel, result, known)
        except (DamagedChunk, Locked) as error:  # its marks stay: it is cleaned again once that can be
            report["series"][result.name] = {"error": error.message, "unwritten": True}
            continue
        invalidations.settle(session, result.pending)
        hours[result.name] = result.hours
        changed[result.name] = np.concatenate(stamps) if stamps else np.empty(0, np.int64)
        _record(run.id, session, result, known, changed[result.name])
        _wait_for_delayed(session, cleaner, result)
        report["series"][result.name] = {**result.report, **sums, "intervals_changed": spans_of(changed[result.name])}
        for name in ("added", "replaced", "deleted"):
            report[name] += sums[name]
    hours_once.tell(session, cleaner, hours)
    series_changed(session, cleaner, changed)


def _replace(
    session: Session, cleaner: Cleaner, channel: Channel, result: Result, known: dict[str, Series]
) -> tuple[dict[str, int], list[NDArray[np.int64]]]:
    """Write what a channel made; return the numbers of points by what became of them, and the changed stamps."""
    if result.points and result.name not in known:
        known[result.name] = _create_series(session, cleaner, channel)
    sums = {"added": 0, "replaced": 0, "deleted": 0, "unchanged": 0}
    stamps = []
    # One that fails leaves nothing of the others behind.
    with session.begin_nested():
        for piece in result.pieces if result.name in known else []:
            bounds = raw_reading.bounds(piece.influence.write_start, piece.influence.write_stop)
            cleaned = piece.cleaned
            tags = None if cleaned.counts is None else [str(count) for count in cleaned.counts.tolist()]
            number = known[result.name].number
            written = store.replace_range(session, number, *bounds, cleaned.times, cleaned.values, tags)
            stamps.append(written.changed)
            for name in sums:
                sums[name] += getattr(written, name)
    return sums, stamps


def _create_series(session: Session, cleaner: Cleaner, channel: Channel) -> Series:
    clock = CleaningSpec.of(configuration_of(channel)).output_clock
    rules = {"amount": "sum", "instant": channel.rule}
    series = store.create_series(
        session,
        organization_id=cleaner.organization_id,
        project_id=cleaner.project_id,
        generator_kind=cleaner.kind,
        generator_id=cleaner.id,
        name=channel.name,
        unit=channel.unit,
        title=channel.title,
        clock=clock.kind,
        timezone=clock.timezone,
        day_begins=clock.day_begins,
        step=channel.step,
        rule=rules.get(channel.kind, "mean"),
        kind=channel.kind,
    )
    labels.put(session, series, channel.labels)
    return series


def _record(
    run_id: str, session: Session, result: Result, known: dict[str, Series], changed: NDArray[np.int64]
) -> None:
    if not changed.size or result.raw_id is None or result.ends is None:
        return
    for piece in result.pieces:
        start, stop = piece.influence.read_start, piece.influence.read_stop
        read = (max(start, result.ends[0]), min(stop, result.ends[1] + 1))
        lineage.read(session, run_id, "series", result.raw_id, *read)
    for start, stop in invalidations.spans(changed):
        lineage.made(session, run_id, "series", known[result.name].id, start, stop)


def _wait_for_delayed(session: Session, cleaner: Cleaner, result: Result) -> None:
    """Have intervals that must wait (``delay``) computed once they are due."""
    dues = [piece.cleaned.due for piece in result.pieces if piece.cleaned.due is not None]
    if not dues or result.ends is None or result.spec.delay is None:
        return
    reach = result.spec.delay.longest + 2 * result.spec.step.longest
    invalidations.mark(session, result.channel_id, "", [(result.ends[1] - reach, result.ends[1] + 1)])
    enqueue_run(session, cleaner, due=min(dues))


def configuration_of(channel: Channel) -> dict[str, Any]:
    """Return what decides what a channel makes."""
    return {name: getattr(channel, name) for name in _CONFIGURATION}


def _name(context: jobs.JobContext, channel_id: str) -> str:
    with context.database.read() as session:
        return session.scalar(select(Channel.name).where(Channel.id == channel_id)) or channel_id
