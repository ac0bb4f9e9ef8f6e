"""What a file of a gate becomes: its columns' stamps and values, as the importer's script reads them."""

import ast
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrepot import jobs
from entrepot.pipeline import folders, gate_files
from entrepot.pipeline.reports import script_limits, stamps_of
from entrepot.scripts import Note, ScriptError
from entrepot.series.catalog import LONGEST_NAME


@dataclass
class ParsedFile:
    """A file that the script understood: its columns' stamps (as delivered, in microseconds) and values."""

    path: str
    size: int
    modified: datetime
    sha256: str
    columns: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    #: Read again though the cursor has passed it; the cursor stays.
    again: bool = False
    #: Why nothing came of it, where there was something to read.
    nothing: str | None = None
    #: What is old in the script.
    notes: list[Note] = field(default_factory=list)

    @property
    def first(self) -> int | None:
        """Its first stamp, as delivered."""
        return min((int(times[0]) for times, _ in self.columns.values() if times.size), default=None)

    @property
    def last(self) -> int | None:
        """Its last stamp, as delivered."""
        return max((int(times[-1]) for times, _ in self.columns.values() if times.size), default=None)


def parse(context: jobs.JobContext, script: str, root: Path, entry: folders.Entry, *, again: bool) -> ParsedFile:
    """Read a file below `root` through the script.

    Raises
    ------
    ScriptError
        The script refuses it.
    """
    content = (root / entry.path).read_bytes()
    parsed = ParsedFile(
        entry.path, len(content), gate_files.instant(entry.modified), hashlib.sha256(content).hexdigest(), again=again
    )
    outcome = context.services["scripts"].parse(
        script, content, entry.path, script_limits(context), cancelled=context.cancelled
    )
    frame, parsed.notes = outcome.value, outcome.notes
    if frame is None:
        require_return(script)
    if frame is None or frame.empty:
        parsed.report = {"path": entry.path, "rows": 0}
        if frame is not None and len(content.split()) > len(content.partition(b"\n")[0].split()):
            parsed.nothing = "the script made no row of it"
        return parsed
    stamps = stamps_of(frame.index)
    last_rows = ~frame.index.duplicated(keep="last")
    empty = 0
    for label in frame.columns:
        if wrong := wrong_label(label):
            raise ScriptError("result", wrong)
        values = frame[label].to_numpy(dtype=np.float64)
        present = ~np.isnan(values) & last_rows
        empty += int(np.isnan(values).sum())
        order = np.argsort(stamps[present], kind="stable")
        parsed.columns[label] = (stamps[present][order], values[present][order])
    if parsed.first is None:
        parsed.nothing = f"every cell of its {len(frame)} rows is empty"
    parsed.report = {
        "path": entry.path,
        "rows": len(frame),
        "duplicate_stamps": int((~last_rows).sum()),
        "empty_cells": empty,
    }
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
