"""Exports: series as an archive of CSV files, made a part at a time so that memory stays bounded."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import polars as pl
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput
from entrepot.series.archive import Archive
from entrepot.series.catalog import frequency
from entrepot.series.clocks import Kind, floor_to_grid, grid
from entrepot.series.frequency import DAY, Frequency
from entrepot.series.models import Series
from entrepot.series.resample import Rule
from entrepot.series.select import limits_in_utc, output_clock
from entrepot.series.table import NAIVE, Column, frame, has_fractions, slabs

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
    out_freq
        The step of the rows; None for the points as they are.
    clock, timezone
        The clock of the written stamps; None for that of each series. A series whose clock is unknown keeps its own.
    out_mode
        `series` for a file each, `dataframe` for one file with a column each.
    sep, decimal
        The separator and the decimal sign.
    time_grouper
        Split files by this period; None for no split.
    with_tags
        Whether to write, after each column of points, one of their tags.
    in_start_mode
        Where rows of resampled series and of the dataframe start: `right` at the latest of the series' starts, `left`
        at the earliest.
    in_end_mode
        Where they end: `left` at the earliest of the series' ends, `right` at the latest.

    Raises
    ------
    InvalidInput
        Names the field.
    """

    start: datetime | None = None
    end: datetime | None = None
    out_freq: str | None = None
    clock: Kind | None = None
    timezone: str | None = None
    out_mode: Mode = "series"
    sep: str = ","
    decimal: str = "."
    time_grouper: str | None = None
    with_tags: bool = False
    in_start_mode: Side = "right"
    in_end_mode: Side = "left"

    def __post_init__(self) -> None:
        for name, allowed in (("out_mode", Mode), ("in_start_mode", Side), ("in_end_mode", Side)):
            if getattr(self, name) not in get_args(allowed):
                raise InvalidInput.field(name, f"{getattr(self, name)!r} is not one of {', '.join(get_args(allowed))}.")
        if len(self.sep) != 1 or not self.sep.isascii() or self.sep.isalnum() or self.sep in '"\r\n\0-.+':
            raise InvalidInput.field("sep", "is one sign that does not occur in numbers.")
        if self.decimal not in (".", ","):
            raise InvalidInput.field("decimal", "is a point or a comma.")
        if self.decimal == self.sep:
            raise InvalidInput.field("decimal", "must differ from the separator.")
        for name in ("out_freq", "time_grouper"):
            if getattr(self, name) is not None:
                frequency(name, getattr(self, name))


def export(
    session: Session,
    sources: Sequence[Source],
    request: ExportRequest,
    target: Path,
    progress: Progress = lambda _done, _total: None,
) -> int:
    """Write series into a zip archive of CSV files and return how many files it holds: at least one.

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

    Raises
    ------
    InvalidInput
        When there is no series, or a time zone is not known.
    """
    if not sources:
        raise InvalidInput.field("series", "there is no series to export.")
    columns = _columns(sources, request)
    ends = {column.label: column.ends(session) for column in columns}
    window = _window([found for found in ends.values() if found is not None], request)
    with Archive(target, "w") as archive:
        if request.out_mode == "dataframe":
            return _write(session, archive, DATAFRAME, columns, request, window, progress)
        files = 0
        for done, column in enumerate(columns, 1):
            own = ends[column.label]
            if request.out_freq is not None and own is not None and window is not None:
                own = (max(own[0], window[0]), min(own[1], window[1]))
            files += _write(session, archive, column.label, [column], request, own)
            progress(done, len(columns))
        return files


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
    freq = None if request.out_freq is None else frequency("out_freq", request.out_freq)
    ordered = sorted(sources, key=lambda source: source[0].pk)
    columns = []
    for label, (series, _, _) in zip(labels(ordered), ordered, strict=True):
        clock = output_clock(series, request.clock, request.timezone)
        low, high = limits_in_utc(request.start, request.end, "both", clock)
        rule = "sum" if series.unit_type == "delta" else cast("Rule", series.resample_rule)
        step = None if series.freq is None else Frequency.parse(series.freq)
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


def _write(
    session: Session,
    archive: Archive,
    stem: str,
    columns: Sequence[Column],
    request: ExportRequest,
    window: tuple[int, int] | None,
    progress: Progress = lambda _done, _total: None,
) -> int:
    """Write one file, or one for each period that has rows, and return how many."""
    periods = (
        [] if window is None or window[0] > window[1] else _periods(window[0], window[1] + 1, request.time_grouper)
    )
    pieces = [slabs(columns, start, stop) for _, start, stop in periods]
    total = sum(map(len, pieces))
    fraction = has_fractions(session, columns, [piece for some in pieces for piece in some])
    files = done = 0
    for (suffix, _, _), some in zip(periods, pieces, strict=True):
        file = None
        for start, stop in some:
            table = frame(columns, [each.part(session, start, stop) for each in columns], with_tags=request.with_tags)
            if len(table):
                content = _csv(table, request, fraction=fraction, header=file is None)
                file = file or archive.member(f"{stem}{suffix}.csv")
                file.write(content)
            done += 1
            progress(done, total)
        if file is not None:
            file.close()
            files += 1
    if not files:
        nothing = np.empty(0, np.int64), np.empty(0), None
        with archive.member(f"{stem}.csv") as empty:
            table = frame(columns, [nothing] * len(columns), with_tags=request.with_tags)
            empty.write(_csv(table, request, fraction=False, header=True))
    return max(files, 1)


def _periods(start: int, stop: int, grouper: str | None) -> list[tuple[str, int, int]]:
    """Return the periods of [start, stop): what the names of their files end in, and their bounds."""
    if grouper is None:
        return [("", start, stop)]
    freq = frequency("time_grouper", grouper)
    inner = grid(start + 1, stop, freq, NAIVE)
    if inner.size >= MOST_FILES:
        raise InvalidInput.field("time_grouper", f"makes more than {MOST_FILES} files of this range of time.")
    edges = [start, *inner.tolist(), stop]
    starts = floor_to_grid(np.array(edges[:-1]), freq, NAIVE).astype("M8[us]")
    names = np.datetime_as_string(starts, unit="D" if freq.longest >= DAY else "s")
    return [
        (f" {name.replace('T', ' ').replace(':', '-')}", low, high)  # colons may not be in names of files
        for name, (low, high) in zip(names.tolist(), pairwise(edges), strict=True)
    ]


def _csv(table: pl.DataFrame, request: ExportRequest, *, fraction: bool, header: bool) -> bytes:
    buffer = io.BytesIO()
    table.write_csv(
        buffer,
        include_header=header,
        separator=request.sep,
        decimal_comma=request.decimal == ",",
        datetime_format="%Y-%m-%d %H:%M:%S%.6f" if fraction else "%Y-%m-%d %H:%M:%S",
    )
    return buffer.getvalue()
