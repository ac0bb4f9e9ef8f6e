"""Jobs, and what each did: its output, its error, and the report of its run."""

from datetime import datetime

import orjson
from sqlalchemy import select
from starlette.responses import Response

from entrepot import jobs
from entrepot.errors import NotFound
from entrepot.jobs import Idle, Job
from entrepot.lineage import Run
from entrepot.server.console.listing import Field, Link, Listing, instant, part
from entrepot.server.console.page import Page, render
from entrepot.server.endpoint import Call

_STATUSES = ("pending", "running", "finished", "refused", "failed", "cancelled", "server_error")
_IDLE = "idle"


def _list(call: Call) -> Response:
    status, kind = call.query.get("status", ""), call.query.get("kind", "").strip()
    query = select(Job).where(call.principal.within(Job))
    if status == _IDLE:
        return _list_idle(call, kind)
    if status:
        query = query.where(Job.status == status)
    if kind:
        query = query.where(Job.kind == kind)
    offset, limit = part(call)
    found = call.session.scalars(query.order_by(Job.number.desc()).offset(offset).limit(limit))
    rows = [
        (
            Link(job.kind, f"/console/jobs/{job.id}"),
            job.status,
            instant(job.created_at),
            instant(job.ended_at),
            f"{job.progress_done}/{job.progress_total}" if job.progress_total else "",
            (job.error or "")[:200],
        )
        for job in found
    ]
    columns = ("Kind", "Status", "Asked for", "Ended", "Done", "Error")
    return Listing("Jobs", columns, rows, _fields(status, kind)).shown(call)


def _list_idle(call: Call, kind: str) -> Response:
    """Show how often jobs came by themselves and found nothing, of which there are no rows."""
    query = select(Idle).where(call.principal.within(Idle))
    if kind:
        query = query.where(Idle.kind == kind)
    offset, limit = part(call)
    found = call.session.scalars(query.order_by(Idle.number.desc()).offset(offset).limit(limit))
    rows = [
        (Link(idle.kind, f"/console/jobs/{idle.id}"), f"{idle.count:,}", instant(idle.since), instant(idle.ended_at))
        for idle in found
    ]
    columns = ("Kind", "Times in a row", "Since", "Last")
    return Listing("Jobs that found nothing new", columns, rows, _fields(_IDLE, kind)).shown(call)


def said_of(count: int, since: datetime) -> str:
    """Return what is said of jobs that found nothing."""
    return f"checked {count:,} times since {instant(since)}, nothing new"


def _fields(status: str, kind: str) -> tuple[Field, Field]:
    choices = (("", "any"), *((one, one) for one in _STATUSES), (_IDLE, "nothing new"))
    return Field("status", "Status", status, choices), Field("kind", "Kind", kind)


def _show(call: Call) -> Response:
    job = jobs.get(call.session, call.path["id"])
    if job.organization_id is None:
        raise NotFound("Job not found.")
    call.principal.require("read", job.organization_id, "Job", job.project_id)
    run = call.session.get(Run, job.id)
    report = run.report if run is not None and run.organization_id == job.organization_id else job.result
    idle = call.session.scalar(select(Idle).where(Idle.id == job.id))
    facts = (
        ("Status", job.status if idle is None else said_of(idle.count, idle.since)),
        ("Attempt", job.attempt),
        ("Asked for", instant(job.created_at)),
        ("Started", instant(job.started_at)),
        ("Ended", instant(job.ended_at)),
        ("Made by", f"{run.generator_kind} {run.generator_id}" if run is not None else ""),
        ("Script's SHA-256", (run.script_sha256 or "") if run is not None else ""),
    )
    written = orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() if report is not None else ""
    return render(call, "job.html", job=job, facts=facts, report=written)


PAGES = (
    Page("GET", "/console/jobs", _list, "series", "read"),
    Page("GET", "/console/jobs/{id}", _show, "series", "read"),
)
