"""Trying a script before it counts: on files, or on a window of an analysis' inputs. Nothing is written.

A trial is a job, since only workers run scripts; its result says what the script made, column by column, and what a run
would refuse of it.
"""

import base64
import binascii
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import Principal
from entrepot.identity.projects import get_project
from entrepot.pipeline.analyses.run import Column, columns_of
from entrepot.pipeline.analyses.windows import AnalysisSpec, analysis_intervals, build_frame, read_range
from entrepot.pipeline.configuration import get
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import folders
from entrepot.pipeline.gates.configuration import gate_home
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.generators.finding import series_by_name
from entrepot.pipeline.generators.reports import note_old, script_limits
from entrepot.pipeline.importing import parsing
from entrepot.pipeline.models import Analysis, Gate, Importer
from entrepot.pipeline.runs import sent_files
from entrepot.scripts import ScriptError
from entrepot.series import store
from entrepot.series.clocks import grid
from entrepot.settings import Settings

MOST_FILES, MOST_BYTES = 20, 64 << 20
_TRY = "importer.try"
#: Steps of an analysis that are tried where nobody says which, and the most.
_USUAL_STEPS, _MOST_STEPS = 100, 20_000


# Files


def start_importer_trial(
    session: Session,
    principal: Principal,
    settings: Settings,
    *,
    project_id: str | None = None,
    importer_id: str | None = None,
    gate_id: str | None = None,
    script: str | None = None,
    paths: Sequence[str] = (),
    files: Sequence[Mapping[str, str]] = (),
) -> jobs.Job:
    """Have a parse script tried, and return the job that does it.

    Parameters
    ----------
    project_id, importer_id
        For which importer it is meant, or in which project.
    gate_id
        Where `paths` are; by default, the importer's gate.
    script
        By default, the importer's.
    paths
        Files of the gate, from the folder that the importer reads.
    files
        Files that are sent along: ``path`` and ``content``, in Base64.
    """
    importer = None if importer_id is None else get(session, principal, Importer, importer_id, "write")
    if importer is None and project_id is None:
        raise InvalidInput.field("importer_id", "Say for which importer it is, or in which project.")
    project = get_project(session, principal, importer.project_id if importer else str(project_id), "write")
    script = script if script is not None else (importer.parse if importer else "")
    if not script.strip():
        raise InvalidInput.field("script", "There is no script.")
    if not 0 < len(paths) + len(files) <= MOST_FILES:
        raise InvalidInput.field("paths", f"Give 1 to {MOST_FILES} files, by paths or files.")
    home, inside = _place(session, principal, settings, project.id, importer, gate_id, paths) if paths else ("", "")
    contents = _decoded(files)
    payload = {
        "importer": importer_id,
        "script": script,
        "home": home,
        "folder": inside,
        "paths": list(paths),
        "sent": [path for path, _ in contents],
    }
    job = jobs.enqueue(
        session,
        _TRY,
        payload,
        organization_id=project.organization_id,
        project_id=project.id,
        user_id=principal.user_id,
    )
    if contents:
        sent_files.keep(session, settings, job, _TRY, [content for _, content in contents])
    return job


def _place(
    session: Session,
    principal: Principal,
    settings: Settings,
    project_id: str,
    importer: Importer | None,
    gate_id: str | None,
    paths: Sequence[str],
) -> tuple[str, str]:
    """Return the home, and the folder in it, from which paths go; all of them are there."""
    gate = get(session, principal, Gate, gate_id, "write") if gate_id else (importer and importer.gate)
    if gate is None or gate.project_id != project_id:
        raise InvalidInput.field("gate_id", "Say on which gate of the project the paths are.")
    inside = importer.folder if importer and importer.gate_id == gate.id else "/"
    home = open_home(settings, session, gate_home(gate.id))
    for path in paths:
        if not gate_files.is_file(home, home.resolve(f"{inside}/{home.resolve(path)}")):
            raise InvalidInput.field("paths", f"There is no {path!r} on the gate {gate.name}.")
    return home.name, inside


@jobs.task(_TRY, pool="runs")
def try_importer(context: jobs.JobContext) -> dict[str, Any]:
    """Run a parse script on files, and describe what it makes of them."""
    payload: Any = context.job.payload
    with context.database.read() as session:
        known = set(series_by_name(session, payload["importer"])) if payload["importer"] else set()
    home = open_home(context.settings, context.database, payload["home"])
    sent = sent_files.of(context.settings, context.job.id)
    sources: list[tuple[str, Callable[[], bytes]]] = [
        (path, partial(gate_files.read, home, home.resolve(f"{payload['folder']}/{path}"))) for path in payload["paths"]
    ]
    sources += [(path, partial(sent.read, number)) for number, path in enumerate(payload["sent"])]
    found: list[dict[str, Any]] = []
    for done, (path, read) in enumerate(sources):
        context.check()
        context.progress(done, len(sources), path)
        try:
            content = read()
        except (FileNotFoundError, NotFound):
            found.append({"path": path, "error": "The file has gone."})
            continue
        found.append({"path": path, "size": len(content), **_tried_file(context, payload["script"], content, path)})
        for column in found[-1].get("columns", ()):
            column["new_series"] = column["name"] not in known
            column["refused"] = column["refused"] or parsing.wrong_label(column["name"])
    with context.unit() as session:
        context.finish(session, {"files": found})
    sent.remove()  # not before the end is certain: cut now, it would be tried again
    return {"files": found}


def _tried_file(context: jobs.JobContext, script: str, content: bytes, path: str) -> dict[str, Any]:
    if not content:
        return {"error": "The file has 0 bytes, and is passed over."}
    told = _tried(context, script, "parse", [content, path], "<parse>")
    if told.get("passed_over"):
        try:
            parsing.require_return(script)
        except ScriptError as error:
            return {**told, "error": error.message}
    elif not told.get("error") and not told["rows"] and not told["refused"]:
        told["refused"] = ["the script made no row of it"]
    return told


def _tried(
    context: jobs.JobContext, script: str, function: str, arguments: Sequence[Any], filename: str
) -> dict[str, Any]:
    """Return what a function of the script makes, described; or what it raised."""
    try:
        outcome = context.services["scripts"].call(
            script,
            function,
            arguments,
            filename=filename,
            limits=script_limits(context),
            expects="trial",
            cancelled=context.cancelled,
            printed=context.printed,
        )
    except ScriptError as error:
        context.check()
        told: dict[str, Any] = {"error": error.message, "traceback": error.traceback, "output": error.output}
        note_old(told, error.notes)
        return told
    told = {**outcome.value, "error": None, "output": outcome.output, "seconds": round(outcome.seconds, 3)}
    note_old(told, outcome.notes)
    return told


def _decoded(files: Sequence[Mapping[str, str]]) -> list[tuple[str, bytes]]:
    """Return the paths and contents of files that were sent along."""
    contents = []
    for file in files:
        if not file["path"] or not folders.is_text(file["path"]):
            raise InvalidInput.field("files", "A path may not be empty, nor contain control characters.")
        try:
            contents.append((file["path"], base64.b64decode(file["content"], validate=True)))
        except (binascii.Error, ValueError):
            raise InvalidInput.field("files", f"The content of {file['path']!r} is not Base64.") from None
    if sum(len(content) for _, content in contents) > MOST_BYTES:
        raise InvalidInput.field("files", f"They may have {MOST_BYTES >> 20} MiB together.")
    return contents


# Analyses


def start_analysis_trial(
    session: Session,
    principal: Principal,
    analysis_id: str,
    *,
    script: str | None = None,
    start: int | None = None,
    end: int | None = None,
) -> jobs.Job:
    """Have an analysis' script tried on a window of its inputs, and return the job that does it.

    Parameters
    ----------
    script
        By default, the analysis' own.
    start, end
        Microseconds, UTC; by default, the last steps that can be computed.
    """
    analysis = get(session, principal, Analysis, analysis_id, "write")
    if analysis.config is None:
        raise InvalidInput.field("analysis", "The analysis has no configuration.")
    if script is not None and not script.strip():
        raise InvalidInput.field("script", "There is no script.")
    return jobs.enqueue(
        session,
        "analysis.try",
        {"id": analysis.id, "script": script, "start": start, "end": end},
        organization_id=analysis.organization_id,
        project_id=analysis.project_id,
        user_id=principal.user_id,
    )


@jobs.task("analysis.try", pool="runs")
def try_analysis(context: jobs.JobContext) -> dict[str, Any]:
    """Run an analysis' script on a window of its inputs, and describe what it makes of them."""
    payload: Any = context.job.payload
    with context.database.read() as session:
        analysis = session.scalar(select(Analysis).where(Analysis.id == payload["id"]))
        if analysis is None or analysis.config is None:
            raise jobs.Refused("The analysis was deleted.")
        columns = columns_of(session, analysis)
        config = analysis.config
        fields = {column.key: getattr(config, column.key) for column in config.__table__.columns}
        window, given = _window(session, columns, AnalysisSpec.of(fields), payload["start"], payload["end"])
        outputs = [output.name for output in analysis.outputs]
        known = set(series_by_name(session, analysis.id))
        script = payload["script"] if payload["script"] is not None else config.script
    told = _tried(context, script, "analyze", [given], "<script>")
    made = [column["name"] for column in told.get("columns", ())]
    told.setdefault("refused", []).extend(
        f"the script returned no column {name}" for name in outputs if made and name not in made
    )
    for column in told.get("columns", ()):
        column["new_series"] = column["name"] in outputs and column["name"] not in known
        column["kept"] = column["name"] in outputs
    return {"window": window, "rows_in": len(given), **told}


def _window(
    session: Session, columns: list[Column], spec: AnalysisSpec, start: int | None, end: int | None
) -> tuple[list[str], pd.DataFrame]:
    """Return the bounds of the steps that are tried, and the frame that the script gets for them."""
    inputs = [column.input for column in columns]
    bounds = analysis_intervals(inputs, spec, round(time.time() * 1_000_000))
    if bounds is None:
        raise jobs.Refused("The inputs do not cover a step yet.")
    edges = np.append(grid(bounds.start, bounds.stop, spec.longer_step, spec.clock), bounds.stop)
    chosen = edges[(edges >= (start if start is not None else edges[0])) & (edges <= (end or edges[-1]))]
    if start is None and end is None:
        chosen = chosen[-_USUAL_STEPS - 1 :]
    if chosen.size < 2:
        raise jobs.Refused(f"The window holds no step of those from {' to '.join(_iso(edges))}.")
    first, last = int(chosen[0]), int(chosen[: _MOST_STEPS + 1][-1])
    data: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
    for column in columns:
        points = store.read(session, column.series_number, *read_range(column.input, bounds, spec, first, last))
        data[column.input.column] = (points.times, points.values)
    frame = build_frame(inputs, data, spec, bounds, first, last)
    given = pd.DataFrame(frame.columns, pd.DatetimeIndex(frame.naive.astype("datetime64[us]")))
    return _iso(np.array([first, last])), given


def _iso(ends: NDArray[np.int64]) -> list[str]:
    return [f"{np.datetime64(int(at), 'us').astype('datetime64[s]')}Z" for at in (ends[0], ends[-1])]
