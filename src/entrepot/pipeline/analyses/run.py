"""Running an analysis: the intervals whose inputs changed or became complete, through its script, into series."""

import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import Base, now
from entrepot.events import notifications
from entrepot.pipeline.analyses import rows as analysis_rows
from entrepot.pipeline.analyses.windows import (
    LONGEST_SILENCE,
    AnalysisSpec,
    Bounds,
    Input,
    analysis_intervals,
    build_frame,
    read_range,
    touched,
    without_points,
)
from entrepot.pipeline.generators import invalidations
from entrepot.pipeline.generators.finding import alike, clock_of, enqueue_run, series_by_name, series_changed
from entrepot.pipeline.generators.publication import Publishing
from entrepot.pipeline.generators.reports import (
    MOST_ATTEMPTS,
    RUN_FAILED,
    emit_of,
    ended_with_its_job,
    leave_a_count,
    note_old,
    payload_of,
    record_begin,
    record_failure,
    retried_when_series_vanish,
    script_limits,
    spans_of,
    stamps_of,
)
from entrepot.pipeline.intervals import Interval, merge_intervals, subtract_intervals
from entrepot.pipeline.models import Analysis, AnalysisInput, AnalysisOutput, Channel
from entrepot.scripts import ScriptError
from entrepot.series import store
from entrepot.series.clocks import grid, to_utc
from entrepot.series.codec import DamagedChunk
from entrepot.series.frequency import Frequency
from entrepot.series.models import Series
from entrepot.series.stretches import stretches

#: Rows given to the script in one call; more are computed block by block.
_BLOCK_ROWS = 100_000
#: What a run counts of all outputs together.
_TOTALS = ("added", "replaced", "deleted", "unchanged")


@dataclass
class Column:
    """An input, with the series that it reads."""

    input: Input
    series_pk: int
    series_id: str


@dataclass
class Plan:
    """What a run has to compute, seen in one snapshot."""

    configuration: dict[str, Any]
    spec: AnalysisSpec
    columns: list[Column]
    outputs: list[str]
    publishing: Publishing | None
    pending: invalidations.Pending
    bounds: Bounds | None
    todo: list[Interval]
    gone: list[Interval]
    silent: list[Interval] = field(default_factory=list)
    data: list[dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]] = field(default_factory=list)
    rows: pd.DataFrame | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compute."""
        return not self.todo and not self.gone and self.rows is None

    @property
    def script(self) -> str:
        """The analysis' script."""
        return str(self.configuration["config"]["script"])


@dataclass
class Block:
    """What the script gave for an interval: per output, stamps in UTC and values."""

    interval: Interval
    columns: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]


@jobs.task("analysis.run", max_attempts=MOST_ATTEMPTS, pool="runs")
def run(context: jobs.JobContext) -> dict[str, Any]:
    """Compute what has to be, and write all of it in one transaction with the end of the marks and of the job."""
    with ended_with_its_job(context):
        plan = _begin(context, payload_of(context)["id"])
        if isinstance(plan, str):
            if payload_of(context).get("requested"):
                raise jobs.Refused(plan)
            return jobs.Nothing(skipped=plan)
        return _run(context, payload_of(context)["id"], plan)


def _begin(context: jobs.JobContext, analysis_id: str) -> Plan | str:
    """Return what to compute, having recorded that the run began; or why nothing can be."""
    with context.database.read() as session:
        plan = _plan(session, analysis_id)
    if isinstance(plan, str) and not payload_of(context).get("requested"):
        return plan
    with context.unit() as session:
        analysis = _analysis(session, analysis_id)
        record_begin(context, session, analysis, analysis.config.script if analysis.config else None)
    return plan


def _run(context: jobs.JobContext, analysis_id: str, plan: Plan) -> dict[str, Any]:
    report: dict[str, Any] = {"intervals": [_iso(interval) for interval in plan.todo], "series": {}}
    if plan.silent:
        report["without_points"] = [_iso(interval) for interval in plan.silent]
    with ExitStack() as files:
        try:
            blocks = list(_compute(context, plan, report))
            rows = None if plan.rows is None else analysis_rows.compute(context, plan.script, plan.rows, report)
            made = [block.columns for block in blocks if any(times.size for times, _ in block.columns.values())]
            stored = files.enter_context(plan.publishing.storing(context, made)) if plan.publishing and made else None
            with retried_when_series_vanish(), context.unit() as session:
                analysis = _analysis(session, analysis_id)
                if _configuration(analysis) != plan.configuration:
                    enqueue_run(session, analysis)
                    report = {"skipped": "The configuration changed while it ran; it runs again."}
                else:
                    if rows is not None:
                        report["rows"] = analysis_rows.store_rows(context, session, analysis, rows)
                    _write(context, session, analysis, plan, blocks, report)
                    if stored is not None:
                        report["file"] = stored.record(session, run_id=context.job.id).id
                    if plan.is_empty and leave_a_count(context, session):
                        return report
                    totals = {name: report[name] for name in _TOTALS}
                    emit_of(session, analysis, "run", {"run": context.job.id, **totals})
                lineage.end_run(session, context.job.id, "finished", report)
                context.finish(session, report)
        except (ScriptError, jobs.Failed, DamagedChunk) as error:
            context.check()
            script_error = error if isinstance(error, ScriptError) else None
            with context.unit() as session:
                analysis = _analysis(session, analysis_id)
                failure = record_failure(context, session, analysis, error.message, script_error, report)
            raise failure from error
    return report


def _plan(session: Session, analysis_id: str) -> Plan | str:
    """Return what to compute, or why nothing can be."""
    analysis = _analysis(session, analysis_id)
    if analysis.config is None:
        return "The analysis has no configuration."
    if not analysis.inputs:
        return "The analysis has no inputs."
    if not analysis.outputs and analysis.rows_analysis_id is None:
        return "The analysis has no outputs."
    configuration = _configuration(analysis)
    spec = AnalysisSpec.of(configuration["config"])
    columns = columns_of(session, analysis)
    if isinstance(columns, str):
        return columns
    inputs = [column.input for column in columns]
    pending = invalidations.pending(session, analysis.id)
    bounds = analysis_intervals(inputs, spec, round(time.time() * 1_000_000))
    since, until = analysis.computed_start, analysis.computed_stop
    computed = [(since, until)] if since is not None and until is not None else []
    outputs = [output.name for output in analysis.outputs]
    publishing = Publishing.of(analysis)
    plan = Plan(configuration, spec, columns, outputs, publishing, pending, bounds, todo=[], gone=[])
    if bounds is None:
        return plan
    silent = _silent(session, columns, spec, bounds)
    if analysis.rows_analysis_id is not None:
        named = [(each.input, each.series_pk) for each in columns]
        frame = analysis_rows.frame_of(session, named, spec, bounds, silent)
        if isinstance(frame, str):
            return frame
        plan.rows = frame
    if not analysis.outputs:
        return plan
    reach = [(bounds.start, bounds.stop)]
    fresh = subtract_intervals(reach, computed)
    wanted = merge_intervals([*touched(bounds, pending.spans, inputs, spec), *fresh])
    plan.todo = subtract_intervals(wanted, silent)
    plan.silent = subtract_intervals(wanted, plan.todo)
    plan.gone = [*subtract_intervals(computed, reach), *plan.silent]
    plan.todo = [block for interval in plan.todo for block in _blocks(interval, spec)]
    for start, stop in plan.todo:
        plan.data.append({})
        for column in columns:
            points = store.read(session, column.series_pk, *read_range(column.input, bounds, spec, start, stop))
            plan.data[-1][column.input.column] = (points.times, points.values)
    return plan


def _silent(session: Session, columns: Iterable[Column], spec: AnalysisSpec, bounds: Bounds) -> list[Interval]:
    """Return the intervals of which nothing is computed, because no input has had a point for very long."""
    if bounds.rows_stop - bounds.rows_start <= LONGEST_SILENCE:
        return []
    found = [each for column in columns for each in stretches(session, column.series_pk, LONGEST_SILENCE)]
    return without_points(found, [column.input for column in columns], spec)


def columns_of(session: Session, analysis: Analysis) -> list[Column] | str:
    """Return an analysis' inputs with their series, or which of them is not there."""
    columns = []
    for each in analysis.inputs:
        series = session.scalar(
            select(Series).where(Series.generator_id == each.generator_id, Series.name == each.series_name)
        )
        if series is None:
            like = alike(each.series_name, series_by_name(session, each.generator_id))
            return f"The input {each.column} waits for the series {each.series_name}{like}."
        columns.append(Column(_input(session, each, series), series.pk, series.id))
    return columns


def _input(session: Session, each: AnalysisInput, series: Series) -> Input:
    patience = session.scalar(
        select(Channel.patience).where(Channel.cleaner_id == each.generator_id, Channel.name == each.series_name)
    )
    return Input(
        column=each.column,
        first=series.first,
        last=series.last,
        freq=Frequency.parse(series.step) if series.step else None,
        clock=clock_of(series.clock, series.timezone, series.day_begins),
        rule=series.rule,  # type: ignore[arg-type]
        patience=Frequency.parse(patience, zero=True) if patience else None,
    )


def _blocks(interval: Interval, spec: AnalysisSpec) -> list[Interval]:
    """Cut a long interval on the grid into blocks that are computed one by one."""
    edges = grid(*interval, spec.longer_step, spec.clock)
    each = max(1, _BLOCK_ROWS * spec.input_step.longest // spec.longer_step.longest)
    cuts = [*edges[::each].tolist(), interval[1]]
    return list(itertools.pairwise(cuts))


def _compute(context: jobs.JobContext, plan: Plan, report: dict[str, Any]) -> Iterator[Block]:
    """Yield a block for each interval."""
    inputs = [column.input for column in plan.columns]
    report |= {"rows_in": 0, "rows_out": 0, "rows_outside": 0}
    for done, (interval, data) in enumerate(zip(plan.todo, plan.data, strict=True)):
        assert plan.bounds is not None
        context.check()
        context.progress(done, len(plan.todo))
        frame = build_frame(inputs, data, plan.spec, plan.bounds, *interval)
        given = pd.DataFrame(frame.columns, pd.DatetimeIndex(frame.naive.astype("datetime64[us]")))
        outcome = context.services["scripts"].analyze(
            plan.script, given, script_limits(context), cancelled=context.cancelled
        )
        if outcome.output:
            context.log(outcome.output)
        note_old(report, outcome.notes)
        report["rows_in"] += len(given)
        yield _block(outcome.value, interval, plan, report)


def _block(result: pd.DataFrame | None, interval: Interval, plan: Plan, report: dict[str, Any]) -> Block:
    block = Block(interval, {})
    if result is None or result.empty:
        return block
    missing = [name for name in plan.outputs if name not in result.columns]
    if missing:
        raise jobs.Failed(f"The script returned no column {', '.join(missing)}.")
    assert isinstance(result.index, pd.DatetimeIndex)
    stamps = stamps_of(result.index)
    times = stamps if result.index.tz is not None else to_utc(stamps, plan.spec.clock)
    inside = (times >= interval[0]) & (times < interval[1])
    last_rows = ~pd.Index(times).duplicated(keep="last")
    report["rows_out"] += int(inside.sum())
    report["rows_outside"] += int((~inside).sum())
    for name in plan.outputs:
        values = result[name].to_numpy(dtype=np.float64)
        kept = inside & last_rows & ~np.isnan(values)
        order = np.argsort(times[kept], kind="stable")
        block.columns[name] = (times[kept][order], values[kept][order])
    return block


def _write(
    context: jobs.JobContext,
    session: Session,
    analysis: Analysis,
    plan: Plan,
    blocks: list[Block],
    report: dict[str, Any],
) -> None:
    known = series_by_name(session, analysis.id)
    store.lock(session, [series.pk for series in known.values()])
    changed: dict[str, NDArray[np.int64]] = {}
    totals = dict.fromkeys(_TOTALS, 0)
    for output in analysis.outputs:
        if output.name not in known:
            if not any(output.name in block.columns and block.columns[output.name][0].size for block in blocks):
                continue
            known[output.name] = _create_series(session, analysis, output)
        pk = known[output.name].pk
        empty = (np.empty(0, np.int64), np.empty(0))
        written = [store.replace_range(session, pk, start, stop, *empty) for start, stop in plan.gone]
        written += [
            store.replace_range(session, pk, *block.interval, *block.columns.get(output.name, empty))
            for block in blocks
        ]
        sums = {name: sum(getattr(each, name) for each in written) for name in totals}
        stamps = [each.changed for each in written]
        changed[output.name] = np.sort(np.concatenate(stamps)) if stamps else empty[0]
        report["series"][output.name] = {**sums, "intervals_changed": spans_of(changed[output.name])}
        for name, count in sums.items():
            totals[name] += count
        for start, stop in invalidations.spans(changed[output.name]):
            lineage.made(session, context.job.id, "series", known[output.name].id, start, stop)
    report |= totals
    _record_inputs(context, session, plan)
    if plan.bounds is not None:
        invalidations.settle(session, plan.pending)
        analysis.computed_start, analysis.computed_stop = plan.bounds.start, plan.bounds.stop
        if plan.bounds.due is not None and analysis.active:
            # A late input is given up waiting for then, or a delay has passed.
            enqueue_run(session, analysis, due=plan.bounds.due)
    analysis.last_run_at = now()
    notifications.resolve(session, analysis.id, RUN_FAILED)
    series_changed(session, analysis, changed)


def _create_series(session: Session, analysis: Analysis, output: AnalysisOutput) -> Series:
    assert analysis.config is not None
    return store.create_series(
        session,
        organization_id=analysis.organization_id,
        project_id=analysis.project_id,
        generator_kind=analysis.kind,
        generator_id=analysis.id,
        name=output.name,
        unit=output.unit,
        title=output.title,
        # The grid is that of the analysis' clock; presented, it is standard time, which has no gaps.
        clock="utc" if analysis.config.clock == "utc" else "standard",
        timezone=analysis.config.timezone,
        step=analysis.config.step,
        rule=output.rule,
    )


def _record_inputs(context: jobs.JobContext, session: Session, plan: Plan) -> None:
    if plan.bounds is None:
        return
    whole = [(plan.bounds.rows_start, plan.bounds.rows_stop)] if plan.rows is not None else []
    for start, stop in merge_intervals([*plan.todo, *whole]):
        for column in plan.columns:
            low, high = read_range(column.input, plan.bounds, plan.spec, start, stop)
            lineage.read(session, context.job.id, "series", column.series_id, low, high, column=column.input.column)


def _analysis(session: Session, analysis_id: str) -> Analysis:
    analysis: Analysis | None = session.scalar(select(Analysis).where(Analysis.id == analysis_id))
    if analysis is None:
        raise jobs.Refused("The analysis was deleted.")
    return analysis


def _configuration(analysis: Analysis) -> dict[str, Any]:
    """Return all that decides what the analysis computes, to tell whether it changed meanwhile."""
    assert analysis.config is not None

    def values(record: Base) -> dict[str, Any]:
        return {column.key: getattr(record, column.key) for column in record.__table__.columns}

    return {
        "rows_analysis_id": analysis.rows_analysis_id,
        "config": values(analysis.config),
        "inputs": [values(each) for each in analysis.inputs],
        "outputs": [values(each) for each in analysis.outputs],
    }


def _iso(interval: Interval) -> list[str]:
    return [str(np.datetime64(at, "s")) for at in (interval[0] // 1_000_000, interval[1] // 1_000_000)]
