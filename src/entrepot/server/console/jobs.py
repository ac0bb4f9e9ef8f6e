"""Jobs, and what each did: its output, its error, and the report of its run."""

import orjson
from sqlalchemy import select
from starlette.responses import Response

from entrepot import jobs
from entrepot.errors import NotFound
from entrepot.jobs import Job
from entrepot.lineage import Run
from entrepot.server.console.listing import Field, Link, Listing, instant, part
from entrepot.server.console.page import Page, render
from entrepot.server.endpoint import Call

_STATUSES = ("pending", "running", "finished", "refused", "failed", "cancelled", "server_error")


def _list(call: Call) -> Response:
    status, kind = call.query.get("status", ""), call.query.get("kind", "").strip()
    query = select(Job).where(call.principal.within(Job))
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
    choices = (("", "any"), *((one, one) for one in _STATUSES))
    fields = (Field("status", "Status", status, choices), Field("kind", "Kind", kind))
    return Listing("Jobs", ("Kind", "Status", "Asked for", "Ended", "Done", "Error"), rows, fields).shown(call)


def _show(call: Call) -> Response:
    job = jobs.get(call.session, call.path["id"])
    if job.organization_id is None:
        raise NotFound("Job not found.")
    call.principal.require("read", job.organization_id, "Job", job.project_id)
    run = call.session.get(Run, job.id)
    report = run.report if run is not None and run.organization_id == job.organization_id else job.result
    facts = (
        ("Status", job.status),
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
