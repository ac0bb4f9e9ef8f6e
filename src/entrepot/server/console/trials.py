"""What a trial came to: polled while it runs, then told in words, tables and small plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from entrepot import jobs
from entrepot.errors import EntrepotError, NotFound
from entrepot.jobs import Job
from entrepot.server.api.runs import RunShown
from entrepot.server.console import reports, sketches
from entrepot.server.console.form_page import refusal, status_of
from entrepot.server.console.page import Page, render
from entrepot.server.console.run import LINE
from entrepot.server.console.sketches import Sketch
from entrepot.server.endpoint import Call

_KINDS = ("importer.try", "analysis.try", "channel.try", "feeder.test")
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True)
class Column:
    """A column that a script made: what is told of it, how it looks, and why it would be refused."""

    told: Mapping[str, Any]
    sketch: Sketch | None


@dataclass(frozen=True)
class Part:
    """What a script made of a file, or of a window.

    Attributes
    ----------
    name, told
        Of what, and what the trial tells of it.
    summary
        Rows, columns and stamps, in words.
    refused
        What a run would refuse, in words.
    columns
        What came out, by column.
    wrong_line
        The line of the script that raised; None where none did.
    """

    name: str
    told: Mapping[str, Any]
    summary: str = ""
    refused: Sequence[str] = ()
    columns: Sequence[Column] = ()
    wrong_line: int | None = None


@dataclass(frozen=True)
class Trial:
    """What is shown of a trial.

    Attributes
    ----------
    id, state
        Its run, and ``running``, ``done`` or ``refused``.
    refusal
        Why it was not begun, or did not end well.
    said, printed
        What it does meanwhile, and what its script has printed so far.
    parts
        What came of a script, for each file.
    chart, counts
        Of a channel: raw beside cleaned, and what became of the points.
    listed
        Of a feeder: what it found.
    """

    id: str = ""
    state: str = "running"
    refusal: str = ""
    said: str = ""
    printed: str = ""
    parts: Sequence[Part] = field(default_factory=tuple)
    chart: Sketch | None = None
    counts: Sequence[tuple[str, str]] = ()
    listed: reports.Report | None = None


def begun(call: Call, run: RunShown | None, error: EntrepotError | None) -> Response:
    """Return what takes the trial's place on the page: it asks again by itself until there is an end."""
    if error is not None or run is None:
        return _shown(call, Trial(state="refused", refusal=refusal(error)), error)
    return _shown(call, Trial(run.id, said="It waits for a worker …"))


def _show(call: Call) -> Response:
    job = jobs.get(call.session, call.path["id"])
    if job.organization_id is None or job.kind not in _KINDS:
        raise NotFound("Trial not found.")
    call.principal.require("read", job.organization_id, "Trial", job.project_id)
    return _shown(call, _told(job))


def _told(job: Job) -> Trial:
    if job.status in ("pending", "running"):
        return Trial(job.id, said=job.progress_message or "It runs …", printed=job.output)
    told: Any = job.result
    if job.status != "finished" or not isinstance(told, dict):
        return Trial(job.id, "refused", job.error or f"It was {job.status}.")
    if job.kind == "importer.try":
        return Trial(job.id, "done", parts=[_part(one["path"], one) for one in told["files"]])
    if job.kind == "analysis.try":
        first, last = told["window"]
        name = f"{told['rows_in']:,} steps, {first} to {last}"
        return Trial(job.id, "done", parts=[_part(name, told)])
    if job.kind == "channel.try":
        chart = sketches.large({"raw": told["raw"], "cleaned": told.get("cleaned")})
        counts = [(name.replace("_", " "), f"{count:,}") for name, count in told.get("counts", {}).items() if count]
        parts = [_part("The channel's functions", told)] if told["error"] else ()
        return Trial(job.id, "done", parts=parts, chart=chart, counts=counts)
    return Trial(job.id, "done", listed=reports.of(told))


def _part(name: str, told: Mapping[str, Any]) -> Part:
    lines = LINE.findall(str(told.get("traceback", "")))
    columns = [Column(one, sketches.small(one.get("sketch"))) for one in told.get("columns", ())]
    return Part(
        name=name,
        told=told,
        summary=_summary(told),
        refused=[
            *told.get("refused", ()),
            *(f"{one.told['name']}: {one.told['refused']}" for one in columns if one.told["refused"]),
        ],
        columns=columns,
        wrong_line=int(lines[-1]) if told.get("error") and lines else None,
    )


def _summary(told: Mapping[str, Any]) -> str:
    if told.get("error") or "rows" not in told:
        return ""
    if told.get("passed_over"):
        return "The script returned None: the file is passed over."
    said = [f"{_count(told['rows'], 'row')}, {_count(len(told['columns']), 'column')}"]
    if told.get("first"):
        zone = told.get("zone") or "without a zone"
        said.append(f"{told['first']} to {told['last']} ({zone})")
    if step := told.get("step_seconds"):
        gaps = f", {_count(told['gaps'], 'gap')}" if told["gaps"] else ""
        said.append(f"every {_length(step)}{gaps}")
    if told.get("duplicates"):
        said.append(f"{told['duplicates']:,} stamps repeated")
    return "; ".join(said) + "."


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _length(seconds: float) -> str:
    for length, name in _UNITS:
        if seconds % length == 0:
            count = int(seconds // length)
            return name if count == 1 else _count(count, name)
    return f"{seconds:g} seconds"


def _shown(call: Call, view: Trial, error: EntrepotError | None = None) -> Response:
    return render(call, "trial.html", status_of(error), view=view)


PAGES = (Page("GET", "/console/trials/{id}", _show, "series", "read"),)
