"""One run: its progress and output as they come, its report in words, its error beside the script's line."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot import jobs
from entrepot.errors import NotFound
from entrepot.identity import Project, Right
from entrepot.jobs import Idle, Job
from entrepot.lineage import Run
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import KINDS, find_generator, get_generator
from entrepot.pipeline.models import Analysis, Importer
from entrepot.server.api.nouns import Maker, makers
from entrepot.server.console import reports, versions
from entrepot.server.console.listing import Link, asks_csv
from entrepot.server.console.page import Page, form, render
from entrepot.server.console.places import page_of
from entrepot.server.console.thing import Table, table_as_csv
from entrepot.server.endpoint import Call

#: Where a traceback names a line of a script.
LINE = re.compile(r"line (\d+)")
_AROUND = 4


@dataclass(frozen=True)
class Line:
    """A line of a script, and whether it is the one at which it went wrong."""

    number: int
    text: str
    is_wrong: bool


@dataclass(frozen=True)
class RunView:
    """What the page of a run shows.

    Attributes
    ----------
    title
        What it did, of what.
    job
        Its record, with status, progress, output and error.
    facts
        Names and values, instants as such.
    report
        What it says of itself, in words and tables.
    traceback, lines
        What a script raised, and its lines around that one, where it still is the script that ran.
    is_under_way
        Whether it goes on, or waits: the page listens to it.
    may_cancel, may_repeat
        Whether the caller may, and it makes sense.
    archive
        Where what an export of the caller made is had; empty where it is none.
    """

    title: str
    job: Job
    facts: Sequence[tuple[str, Any]]
    report: reports.Report
    traceback: str
    lines: Sequence[Line]
    is_under_way: bool
    may_cancel: bool
    may_repeat: bool
    archive: str


def _show(call: Call) -> Response:
    job = _job(call, "read")
    run = call.session.get(Run, job.id)
    if run is not None and run.organization_id != job.organization_id:
        run = None
    idle = call.session.scalar(select(Idle).where(Idle.id == job.id))
    of = makers(call, [maker_of(job)]).get(maker_of(job))
    report = run.report if run is not None else job.result
    if asks_csv(call):
        return table_as_csv(call, [Table(one.name, one.columns, one.rows) for one in reports.of(report).tables])
    told = report if isinstance(report, dict) else {}
    traceback = str(told.get("traceback") or (job.error_details or {}).get("traceback", ""))
    project = call.session.get(Project, job.project_id) if job.project_id else None
    facts = (
        ("Status", said_of(idle.count, idle.since) if idle is not None else ""),
        ("Project", Link(project.name, f"/console/projects/{project.id}") if project is not None else ""),
        ("Of", Link(f"{of.kind} {of.name}", page_of(of)) if of is not None else ""),
        ("Attempt", job.attempt),
        ("Asked for", job.created_at),
        ("Started", job.started_at),
        ("Ended", job.ended_at),
        ("Script's SHA-256", _script(call, run) if run is not None else ""),
    )
    writes = call.principal.can("write", job.organization_id, job.project_id)
    under_way = job.status in ("pending", "running")
    view = RunView(
        title=title_of(job.kind, of),
        job=job,
        facts=[(name, value) for name, value in facts if value not in ("", None)],
        report=reports.of(report),
        traceback=traceback,
        lines=_lines(call, run, traceback),
        is_under_way=under_way,
        may_cancel=writes and under_way and not job.cancel_requested,
        archive=f"/console/exports/{job.id}" if _is_own_export(call, job) else "",
        may_repeat=writes and not under_way and of is not None and of.kind in KINDS,
    )
    return render(call, "run.html", view=view)


def _script(call: Call, run: Run) -> Link | str:
    sha256 = run.script_sha256 or ""
    found = versions.of_runs(call, [(run.generator_kind, run.generator_id, sha256)]).get((run.generator_id, sha256))
    return Link(f"{sha256} (version {found[0]})", found[1]) if found else sha256


def _is_own_export(call: Call, job: Job) -> bool:
    return job.kind == "series.export" and job.status == "finished" and job.user_id == call.principal.user_id


def _cancel(call: Call) -> Response:
    job = jobs.cancel(call.session, _job(call, "write").id)
    return RedirectResponse(f"/console/runs/{job.id}", 303)


def _again(call: Call) -> Response:
    generator = get_generator(call.session, call.principal, maker_of(_job(call, "write")), "write")
    job = actions.start(call.session, generator, "run", user_id=call.principal.user_id)
    call.session.flush()
    return RedirectResponse(f"/console/runs/{job.id}", 303)


def _lines(call: Call, run: Run | None, traceback: str) -> list[Line]:
    """Return the lines of a script around the one that raised, where the script is still the one that ran."""
    numbers = LINE.findall(traceback)
    generator = find_generator(call.session, run.generator_id) if run is not None and numbers else None
    script = generator.parse if isinstance(generator, Importer) else ""
    if isinstance(generator, Analysis) and generator.config is not None:
        script = generator.config.script
    if run is None or not script or hashlib.sha256(script.encode()).hexdigest() != run.script_sha256:
        return []
    wrong = int(numbers[-1])
    lines = script.splitlines()
    shown = range(max(1, wrong - _AROUND), min(len(lines), wrong + _AROUND) + 1)
    return [Line(number, lines[number - 1], number == wrong) for number in shown]


def said_of(count: int, since: datetime) -> str:
    """Return what is said of jobs that found nothing."""
    return f"checked {count:,} times since {since:%Y-%m-%d %H:%M:%S} UTC, nothing new"


def _job(call: Call, right: Right) -> Job:
    job = jobs.get(call.session, call.path["id"])
    if job.organization_id is None:
        raise NotFound("Run not found.")
    call.principal.require(right, job.organization_id, "Run", job.project_id)
    return job


def title_of(kind: str, of: Maker | None) -> str:
    """Return what a job does, of what, in words."""
    what, _, action = kind.partition(".")
    return f"{action or 'run'} {of.kind} {of.name}" if of is not None else f"{what} {action}".strip()


def maker_of(job: Job) -> str:
    """Return the id of what a job is of; empty where it is of nothing."""
    payload = job.payload if isinstance(job.payload, dict) else {}
    return str(payload.get("id", ""))


PAGES = (
    Page("GET", "/console/runs/{id}", _show, "series", "read"),
    Page("POST", "/console/runs/{id}/cancel", _cancel, "series", "write", parse=form),
    Page("POST", "/console/runs/{id}/again", _again, "series", "write", parse=form),
)
