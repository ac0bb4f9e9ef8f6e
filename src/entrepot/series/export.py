"""Exports: series as an archive of CSV files, made a part at a time so that memory stays bounded."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from sqlalchemy.orm import Session

from entrepot.bounds.budget import Budget, unlimited
from entrepot.bounds.cells import guarded
from entrepot.errors import InvalidInput
from entrepot.series.archive import Archive
from entrepot.series.catalog import frequency
from entrepot.series.clocks import Kind, floor_to_grid, grid
from entrepot.series.frequency import DAY, Frequency
from entrepot.series.models import Series
from entrepot.series.points import Times
from entrepot.series.resample import Rule
from entrepot.series.select import limits_in_utc, output_clock
from entrepot.series.table import NAIVE, Axis, Column, frames, has_fractions, pieces, read

if TYPE_CHECKING:
    import polars as pl

LONGEST_LABEL = 200  # bytes: the name of a file has at most 255
MOST_FILES = 10_000  # of a series
DATAFRAME = "export"
_ILLEGAL = re.compile(r'[-\\/:*?"<>|\x00-\x1f\x7f]')

Source = tuple[Series, str, str]
Progress = Callable[[int, int], object]
Mode = Literal["series", "dataframe"]
Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """How to export.

    Attributes
    ----------
    start, end
        Inclusive bounds of the rows; aware, or naive on the output clock.
    step
        The step of the rows; None for the points as they are.
    clock, timezone
        The clock of the written stamps; None for that of each series. A series whose clock is unknown keeps its own.
    layout
        `series` for a file each, `dataframe` for one file with a column each.
    separator, decimal
        The separator and the decimal sign.
    time_grouper
        Split files by this period; None for no split.
    tags
        Whether to write, after each column of points, one of their tags.
    in_start_mode
        Where rows of resampled series and of the dataframe start: `right` at the latest of the series' starts, `left`
        at the earliest.
    in_end_mode
        Where they end: `left` at the earliest of the series' ends, `right` at the latest.
    offsets
        Whether stamps carry their offset from UTC, as ``2022-10-30T02:00:00+01:00``; those of an unknown clock do not.
    bom
        Whether files begin with a byte order mark, by which spreadsheets know that they are UTF-8.
    formula_guard
        Whether texts that a spreadsheet would execute stand behind an apostrophe: names of columns, and tags.

    Raises
    ------
    InvalidInput
        Names the field.
    """

    start: datetime | None = None
    end: datetime | None = None
    step: str | None = None
    clock: Kind | None = None
    timezone: str | None = None
    layout: Mode = "series"
    separator: str = ","
    decimal: str = "."
    time_grouper: str | None = None
    tags: bool = False
    in_start_mode: Side = "right"
    in_end_mode: Side = "left"
    offsets: bool = False
    bom: bool = False
    formula_guard: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("layout", Mode), ("in_start_mode", Side), ("in_end_mode", Side)):
            if getattr(self, name) not in get_args(allowed):
                raise InvalidInput.field(name, f"{getattr(self, name)!r} is not one of {', '.join(get_args(allowed))}.")
        sign = self.separator
        if len(sign) != 1 or not sign.isascii() or sign.isalnum() or sign in '"\r\n\0-.+':
            raise InvalidInput.field("separator", "is one sign that does not occur in numbers.")
        if self.decimal not in (".", ","):
            raise InvalidInput.field("decimal", "is a point or a comma.")
        if self.decimal == self.separator:
            raise InvalidInput.field("decimal", "must differ from the separator.")
        for name in ("step", "time_grouper"):
            if getattr(self, name) is not None:
                frequency(name, getattr(self, name))


def export(
    session: Session,
    sources: Sequence[Source],
    request: ExportRequest,
    target: Path,
    progress: Progress = lambda _done, _total: None,
    budget: Budget | None = None,
) -> int:
    """Write series into a zip archive of CSV files and return how many files it holds: at least one.

    Every point is in it: the hour that a clock shows twice, too.

    Parameters
    ----------
    session
        A snapshot (`Database.read`).
    sources
        Each series with the model (`importer`, ...) and the name of what writes it.
    request
        How to export.
    target
        The file to write; the caller gives it its public name once it is whole.
    progress
        Called with how many of how many parts are done.
    budget
        What it may take; by default, anything.

    Raises
    ------
    InvalidInput
        When there is no series, or a time zone is not known.
    TooLarge
        It would take more than the budget.
    """
    if not sources:
        raise InvalidInput.field("series", "there is no series to export.")
    budget = budget or unlimited()
    columns = _columns(sources, request)
    axis = Axis.of(columns)
    ends = {column.label: _ends(session, axis, column, budget) for column in columns}
    window = _window([found for found in ends.values() if found is not None], request)
    with Archive(target, "w") as archive:
        if request.layout == "dataframe":
            return _Writer(session, archive, request, budget, progress).write(DATAFRAME, axis, columns, window)
        writer = _Writer(session, archive, request, budget)
        files = 0
        for done, column in enumerate(columns, 1):
            own = ends[column.label]
            if request.step is not None and own is not None and window is not None:
                own = (max(own[0], window[0]), min(own[1], window[1]))
            if own is not None:
                first, last = own
                own = axis.instant(first, column.clock), axis.instant(last, column.clock, last=True)
            files += writer.write(column.label, Axis(column.clock), [column], own)
            progress(done, len(columns))
        return files


def check_offsets(series: Sequence[Series], request: ExportRequest) -> None:
    """Raise InvalidInput where rows of one frame would have several offsets."""
    if request.offsets and request.layout == "dataframe":
        clocks = {output_clock(one, request.clock, request.timezone) for one in series}
        if len(clocks) > 1:
            raise InvalidInput.field(
                "offsets", "The series of this frame are on several clocks: give `clock` and `timezone`."
            )


def labels(sources: Sequence[Source]) -> list[str]:
    """Return the label of each series: unique, also where case does not count, and fit to name a file."""
    used: set[str] = set()
    found = []
    for series, model, generator in sources:
        text = f"{series.name} [{model}={generator}]" if generator else f"{series.name} [{model}]"
        cleaned = _ILLEGAL.sub(" ", text).strip()
        base = label = cleaned.encode()[:LONGEST_LABEL].decode(errors="ignore").rstrip()
        number = 1
        while label.casefold() in used:
            number += 1
            label = f"{base} ({number})"
        used.add(label.casefold())
        found.append(label)
    return found


def _columns(sources: Sequence[Source], request: ExportRequest) -> list[Column]:
    """Return the columns in the order of their labels; numbers against clashes are given in the order of the keys."""
    freq = None if request.step is None else frequency("step", request.step)
    ordered = sorted(sources, key=lambda source: source[0].number)
    columns = []
    for label, (series, _, _) in zip(labels(ordered), ordered, strict=True):
        clock = output_clock(series, request.clock, request.timezone)
        low, high = limits_in_utc(request.start, request.end, "both", clock)
        rule = "sum" if series.kind == "amount" else cast("Rule", series.rule)
        step = None if series.step is None else Frequency.parse(series.step)
        columns.append(Column(label, series, clock, rule, step, freq, low, high))
    return sorted(columns, key=lambda column: column.label)


def _window(ends: Sequence[tuple[int, int]], request: ExportRequest) -> tuple[int, int] | None:
    """Return the stamps between which all rows lie, both included; None when there are no rows."""
    if not ends:
        return None
    starts, stops = zip(*ends, strict=True)
    return (
        (max if request.in_start_mode == "right" else min)(starts),
        (min if request.in_end_mode == "left" else max)(stops),
    )


def _ends(session: Session, axis: Axis, column: Column, budget: Budget) -> tuple[int, int] | None:
    """Return the positions of the first and of the last row of a column; None when there is none."""
    budget.check()
    found = column.ends(session)
    if found is None:
        return None
    places = axis.positions(np.array(found), column.clock).tolist()
    return min(places), max(places)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes files into an archive."""

    session: Session
    archive: Archive
    request: ExportRequest
    budget: Budget
    progress: Progress = lambda _done, _total: None

    def write(self, stem: str, axis: Axis, columns: Sequence[Column], window: tuple[int, int] | None) -> int:
        """Write one file, or one for each period that has rows, and return how many."""
        files = 0
        if window is not None and window[0] <= window[1]:
            start, stop = window[0], window[1] + 1
            fraction = has_fractions(self.session, axis, columns, start, stop, self.budget)
            for suffix, low, high in _periods(axis, start, stop, self.request.time_grouper):
                files += self._file(f"{stem}{suffix}.csv", axis, columns, (low, high, start, stop), fraction=fraction)
        if not files:
            nothing = np.empty(0, np.int64), np.empty(0), None
            with self.archive.member(f"{stem}.csv") as empty:
                for keys, table in frames(axis, columns, [nothing] * len(columns), tagged=self.request.tags):
                    empty.write(_csv(axis, keys, table, self.request, fraction=False, header=True))
        return max(files, 1)

    def _file(
        self, name: str, axis: Axis, columns: Sequence[Column], range_: tuple[int, int, int, int], *, fraction: bool
    ) -> bool:
        """Write the rows of a period as a file, and return whether there are any."""
        low, high, start, stop = range_
        file = None
        with ExitStack() as opened:
            for begin, end in pieces(self.session, axis, columns, low, high, self.budget):
                parts = read(self.session, axis, columns, begin, end, self.budget, last=end == stop)
                for keys, table in frames(axis, columns, parts, tagged=self.request.tags):
                    if not keys.size:
                        continue
                    content = _csv(axis, keys, table, self.request, fraction=fraction, header=file is None)
                    self.budget.made(len(keys), len(content))
                    file = file or opened.enter_context(self.archive.member(name))
                    file.write(content)
                # A thousandth is fine enough for a bar.
                self.progress((end - start) * 1000 // (stop - start), 1000)
        return file is not None


def _periods(axis: Axis, start: int, stop: int, grouper: str | None) -> Iterator[tuple[str, int, int]]:
    """Yield the periods of the positions [start, stop): what the names of their files end in, and their bounds."""
    if grouper is None:
        yield "", start, stop
        return
    freq = frequency("time_grouper", grouper)
    first, end = axis.naive(start), axis.naive(stop - 1) + 1
    inner = grid(first + 1, end, freq, NAIVE)
    if inner.size >= MOST_FILES:
        raise InvalidInput.field("time_grouper", f"makes more than {MOST_FILES} files of this range of time.")
    begins = floor_to_grid(np.array([first, *inner.tolist()]), freq, NAIVE).astype("M8[us]")
    names = np.datetime_as_string(begins, unit="D" if freq.longest >= DAY else "s")
    edges = [start, *axis.at(inner).tolist(), stop]
    for name, low, high in zip(names.tolist(), edges[:-1], edges[1:], strict=True):
        if low < high:
            yield f" {name.replace('T', ' ').replace(':', '-')}", low, high  # colons may not be in names of files


def _csv(
    axis: Axis, keys: Times, table: "pl.DataFrame", request: ExportRequest, *, fraction: bool, header: bool
) -> bytes:
    import polars as pl

    buffer = io.BytesIO()
    if header and request.bom:
        buffer.write(b"\xef\xbb\xbf")
    digits = "%.6f" if fraction else ""
    if request.offsets:
        table = table.with_columns(_with_offsets(axis, keys, table["time"], f"%Y-%m-%dT%H:%M:%S{digits}"))
    if request.formula_guard:
        table = table.with_columns(
            table[name].map_elements(guarded, return_dtype=pl.String)
            for name, kind in table.schema.items()
            if kind == pl.String and name != "time"
        ).rename(guarded)
    table.write_csv(
        buffer,
        include_header=header,
        separator=request.separator,
        decimal_comma=request.decimal == ",",
        datetime_format=f"%Y-%m-%d %H:%M:%S{digits}",
    )
    return buffer.getvalue()


def _with_offsets(axis: Axis, keys: Times, stamps: "pl.Series", form: str) -> "pl.Series":
    import polars as pl

    texts = stamps.dt.strftime(form)
    if axis.clock is None or axis.clock.kind is None:
        return texts
    found, which = np.unique(axis.stamps(keys) - keys, return_inverse=True)
    zones = [timezone(timedelta(microseconds=one)) for one in found.tolist()]
    names = [datetime(2000, 1, 1, tzinfo=zone).isoformat()[19:] for zone in zones]
    return (texts + pl.Series(names, dtype=pl.String).gather(which)).rename("time")
