"""Running an analysis: the intervals whose inputs changed or became complete, through its script, into series."""

import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import Base
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
from entrepot.pipeline.generators import frame, invalidations
from entrepot.pipeline.generators.finding import alike, clock_of, enqueue_run, series_by_name, series_changed
from entrepot.pipeline.generators.frame import Run, Unready
from entrepot.pipeline.generators.publication import Publishing
from entrepot.pipeline.generators.reports import heard_each, note_old, spans_of, stamps_of
from entrepot.pipeline.intervals import Interval, merge_intervals, subtract_intervals
from entrepot.pipeline.models import Analysis, AnalysisInput, AnalysisOutput, Channel
from entrepot.series import store
from entrepot.series.clocks import grid, to_utc
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
    series_number: int
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


def _plan(_run: Run[Analysis], session: Session, analysis: Analysis) -> Plan:
    """Return what to compute."""
    if analysis.config is None:
        raise Unready("The analysis has no configuration.")
    if not analysis.inputs:
        raise Unready("The analysis has no inputs.")
    if not analysis.outputs and analysis.result_set_id is None:
        raise Unready("The analysis has no outputs.")
    configuration = _configuration(analysis)
    spec = AnalysisSpec.of(configuration["config"])
    columns = columns_of(session, analysis)
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
    if analysis.result_set_id is not None:
        named = [(each.input, each.series_number) for each in columns]
        given = analysis_rows.frame_of(session, named, spec, bounds, silent)
        if isinstance(given, str):
            raise Unready(given)
        plan.rows = given
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
            points = store.read(session, column.series_number, *read_range(column.input, bounds, spec, start, stop))
            plan.data[-1][column.input.column] = (points.times, points.values)
    return plan


def _script(analysis: Analysis) -> str | None:
    return None if analysis.config is None else analysis.config.script


@frame.runs("analysis.run", Analysis, plan=_plan, script=_script)
def run(run: Run[Analysis], plan: Plan) -> None:
    """Compute what has to be, and write all of it in one transaction with the end of the marks and of the job."""
    run.report |= {"intervals": [_iso(interval) for interval in plan.todo], "series": {}}
    if plan.silent:
        run.report["without_points"] = [_iso(interval) for interval in plan.silent]
    blocks = list(_compute(run, plan))
    rows = None if plan.rows is None else analysis_rows.compute(run.context, plan.script, plan.rows, run.report)
    made = [block.columns for block in blocks if any(times.size for times, _ in block.columns.values())]
    publishing = plan.publishing.storing(run.context, made) if plan.publishing and made else nullcontext()
    with publishing as stored, run.unit() as (session, analysis):
        if _configuration(analysis) != plan.configuration:
            enqueue_run(session, analysis)
            run.report = {"skipped": "The configuration changed while it ran; it runs again."}
            run.end(session)
            return
        if rows is not None:
            run.report["rows"] = analysis_rows.store_rows(run.context, session, analysis, rows)
        _write(run, session, analysis, plan, blocks)
        if stored is not None:
            run.report["file"] = stored.record(session, run_id=run.id).id
        run.finish(session, analysis, news=not plan.is_empty, **{name: run.report[name] for name in _TOTALS})


def _silent(session: Session, columns: Iterable[Column], spec: AnalysisSpec, bounds: Bounds) -> list[Interval]:
    """Return the intervals of which nothing is computed, because no input has had a point for very long."""
    if bounds.rows_stop - bounds.rows_start <= LONGEST_SILENCE:
        return []
    found = [each for column in columns for each in stretches(session, column.series_number, LONGEST_SILENCE)]
    return without_points(found, [column.input for column in columns], spec)


def columns_of(session: Session, analysis: Analysis) -> list[Column]:
    """Return an analysis' inputs with their series.

    Raises
    ------
    Unready
        Says which of them is not there.
    """
    columns = []
    for each in analysis.inputs:
        series = session.scalar(
            select(Series).where(Series.generator_id == each.generator_id, Series.name == each.series_name)
        )
        if series is None:
            like = alike(each.series_name, series_by_name(session, each.generator_id))
            raise Unready(f"The input {each.column} waits for the series {each.series_name}{like}.")
        columns.append(Column(_input(session, each, series), series.number, series.id))
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


def _compute(run: Run[Analysis], plan: Plan) -> Iterator[Block]:
    """Yield a block for each interval."""
    context, report = run.context, run.report
    report |= {"rows_in": 0, "rows_out": 0, "rows_outside": 0}
    analyze_each = partial(context.services["scripts"].analyze_each, plan.script, _given(run, plan))
    with closing(heard_each(context, analyze_each)) as outcomes:
        for done, (interval, outcome) in enumerate(zip(plan.todo, outcomes, strict=True), 1):
            note_old(report, outcome.notes)
            yield _block(outcome.value, interval, plan, report)
            context.progress(done, len(plan.todo))


def _given(run: Run[Analysis], plan: Plan) -> Iterator[pd.DataFrame]:
    """Yield the script's input for each interval: none depends on what comes of another."""
    inputs = [column.input for column in plan.columns]
    for interval, data in zip(plan.todo, plan.data, strict=True):
        assert plan.bounds is not None
        run.context.check()
        made = build_frame(inputs, data, plan.spec, plan.bounds, *interval)
        run.report["rows_in"] += len(made.naive)
        yield pd.DataFrame(made.columns, pd.DatetimeIndex(made.naive.astype("datetime64[us]")))


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


def _write(run: Run[Analysis], session: Session, analysis: Analysis, plan: Plan, blocks: list[Block]) -> None:
    report = run.report
    known = series_by_name(session, analysis.id)
    store.lock(session, [series.number for series in known.values()])
    changed: dict[str, NDArray[np.int64]] = {}
    totals = dict.fromkeys(_TOTALS, 0)
    for output in analysis.outputs:
        if output.name not in known:
            if not any(output.name in block.columns and block.columns[output.name][0].size for block in blocks):
                continue
            known[output.name] = _create_series(session, analysis, output)
        number = known[output.name].number
        empty = (np.empty(0, np.int64), np.empty(0))
        written = [store.replace_range(session, number, start, stop, *empty) for start, stop in plan.gone]
        written += [
            store.replace_range(session, number, *block.interval, *block.columns.get(output.name, empty))
            for block in blocks
        ]
        sums = {name: sum(getattr(each, name) for each in written) for name in totals}
        stamps = [each.changed for each in written]
        changed[output.name] = np.sort(np.concatenate(stamps)) if stamps else empty[0]
        report["series"][output.name] = {**sums, "intervals_changed": spans_of(changed[output.name])}
        for name, count in sums.items():
            totals[name] += count
        for start, stop in invalidations.spans(changed[output.name]):
            lineage.made(session, run.id, "series", known[output.name].id, start, stop)
    report |= totals
    _record_inputs(run.id, session, plan)
    if plan.bounds is not None:
        invalidations.settle(session, plan.pending)
        analysis.computed_start, analysis.computed_stop = plan.bounds.start, plan.bounds.stop
        if plan.bounds.due is not None and analysis.active:
            # A late input is given up waiting for then, or a delay has passed.
            enqueue_run(session, analysis, due=plan.bounds.due)
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


def _record_inputs(run_id: str, session: Session, plan: Plan) -> None:
    if plan.bounds is None:
        return
    whole = [(plan.bounds.rows_start, plan.bounds.rows_stop)] if plan.rows is not None else []
    for start, stop in merge_intervals([*plan.todo, *whole]):
        for column in plan.columns:
            low, high = read_range(column.input, plan.bounds, plan.spec, start, stop)
            lineage.read(session, run_id, "series", column.series_id, low, high, column=column.input.column)


def _configuration(analysis: Analysis) -> dict[str, Any]:
    """Return all that decides what the analysis computes, to tell whether it changed meanwhile."""
    assert analysis.config is not None

    def values(record: Base) -> dict[str, Any]:
        return {column.key: getattr(record, column.key) for column in record.__table__.columns}

    return {
        "result_set_id": analysis.result_set_id,
        "config": values(analysis.config),
        "inputs": [values(each) for each in analysis.inputs],
        "outputs": [values(each) for each in analysis.outputs],
    }


def _iso(interval: Interval) -> list[str]:
    return [str(np.datetime64(at, "s")) for at in (interval[0] // 1_000_000, interval[1] // 1_000_000)]
