"""What a file of a gate becomes: its columns' points, as the importer's script reads them."""

import ast
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from entrepot import jobs
from entrepot.db import now
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import folders
from entrepot.pipeline.generators.reports import heard, script_limits
from entrepot.pipeline.importing.open_hours import OpenHour
from entrepot.pipeline.importing.stamps import StampRules, read_stamps, told_aside
from entrepot.pipeline.models import Importer
from entrepot.scripts import Note, ScriptError
from entrepot.series.catalog import LONGEST_NAME
from entrepot.series.clocks import UNKNOWN_CLOCK, Clock
from entrepot.series.points import Points


@dataclass
class ParsedFile:
    """A file that the script understood: the points of its columns, as they are stored."""

    path: str
    size: int
    modified_at: datetime
    sha256: str
    columns: dict[str, Points] = field(default_factory=dict)
    #: The clock of its points' times, and whether its stamps have a zone; the latter is None where it has no row.
    clock: Clock = UNKNOWN_CLOCK
    zoned: bool | None = None
    #: Hours of which it does not tell which time around they are.
    open: list[OpenHour] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    #: Read again though the cursor has passed it; the cursor stays.
    again: bool = False
    #: Why nothing came of it, where there was something to read.
    nothing: str | None = None
    #: What is old in the script.
    notes: list[Note] = field(default_factory=list)

    @property
    def first(self) -> int | None:
        """The time of its first point."""
        return min((int(points.times[0]) for points in self.columns.values() if len(points)), default=None)

    @property
    def last(self) -> int | None:
        """The time of its last point."""
        return max((int(points.times[-1]) for points in self.columns.values() if len(points)), default=None)


@dataclass(frozen=True)
class Content:
    """A file of the gate that is to be parsed, and what is in it."""

    entry: folders.Entry
    again: bool
    data: bytes


def parse(context: jobs.JobContext, importer: Importer, file: Content, *, again: bool = False) -> ParsedFile:
    """Read a file through the importer's script.

    Parameters
    ----------
    again
        What it prints is in the run's output already.

    Raises
    ------
    ScriptError
        The script refuses it.
    """
    call = partial(context.services["scripts"].parse, importer.parse, file.data, file.entry.path)
    outcome = call(limits=script_limits(context), cancelled=context.cancelled) if again else heard(context, call)
    return understood(importer, file, outcome.value, outcome.notes)


def understood(importer: Importer, file: Content, frame: pd.DataFrame | None, notes: list[Note]) -> ParsedFile:
    """Return what a file becomes of which the importer's script made a frame.

    Raises
    ------
    ScriptError
        Nothing can be made of it.
    """
    entry, content = file.entry, file.data
    parsed = ParsedFile(
        entry.path,
        len(content),
        gate_files.instant(entry.modified),
        hashlib.sha256(content).hexdigest(),
        again=file.again,
        notes=notes,
    )
    if frame is None:
        require_return(importer.parse)
    if frame is None or frame.empty:
        parsed.report = {"path": entry.path, "rows": 0}
        if frame is not None and len(content.split()) > len(content.partition(b"\n")[0].split()):
            parsed.nothing = "the script made no row of it"
        return parsed
    assert isinstance(frame.index, pd.DatetimeIndex)
    stamps = read_stamps(frame.index, StampRules.of(importer, now()))
    parsed.clock, parsed.zoned, parsed.open = stamps.clock, stamps.zoned, stamps.open
    empty = 0
    for label, values in zip(frame.columns.tolist(), frame.to_numpy(np.float64).T, strict=True):
        if wrong := wrong_label(label):
            raise ScriptError("result", wrong)
        empty += int(np.isnan(values).sum())
        parsed.columns[label] = stamps.column(values)
    parsed.report = {"path": entry.path, "rows": len(frame), **stamps.report, "empty_cells": empty}
    if parsed.first is None and stamps.report["rows_set_aside"]:
        parsed.nothing = told_aside(entry.path, stamps.report).partition(": ")[2]
    elif parsed.first is None:
        parsed.nothing = f"every cell of its {len(frame)} rows is empty"
    return parsed


def wrong_label(label: str) -> str | None:
    """Say why no series can have this name, if so."""
    if not label.strip() or "\0" in label or len(label) > LONGEST_NAME:
        return f"a column's label has 1 to {LONGEST_NAME} characters, unlike {label[:40]!r}"
    return None


def require_return(script: str, function: str = "parse") -> None:
    """Raise ScriptError if a function that returned None never returns anything: its `return` was forgotten."""
    for found in ast.walk(ast.parse(script)):
        if isinstance(found, ast.FunctionDef) and found.name == function:
            if not any(isinstance(part, ast.Return) for part in ast.walk(found)):
                raise ScriptError("result", f"{function}() returns nothing: end it with `return df`")
            return
