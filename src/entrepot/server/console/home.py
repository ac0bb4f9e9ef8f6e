"""What there is, what ran last, and for administrators how safely."""

from typing import Any

from sqlalchemy import func, select
from starlette.responses import Response

from entrepot.files.models import PublishedFile
from entrepot.jobs import Job
from entrepot.lineage import Run
from entrepot.rows import Row
from entrepot.series.models import Series
from entrepot.server.console.page import Page, render
from entrepot.server.endpoint import Call
from entrepot.works import archive, queue

_LAST = 10


def _home(call: Call) -> Response:
    own = list(call.principal.roles)

    def count(model: Any, *conditions: Any) -> int:
        query = select(func.count()).select_from(model).where(model.organization_id.in_(own), *conditions)
        return call.session.scalar(query) or 0

    counts = (
        ("series", "/console/series", count(Series)),
        ("rows", "/console/rows", count(Row)),
        ("works in the queue", "/console/works", queue.count(call.session, call.principal, {})),
        ("works archived", "/console/works?where=archive", archive.count(call.session, call.principal, {})),
        ("files available", "/console/files", count(PublishedFile, PublishedFile.state == "available")),
        ("jobs under way", "/console/jobs", count(Job, Job.status.in_(("pending", "running")))),
    )
    administers = call.principal.can("admin") and call.principal.reach.allows("identity", "admin")
    runs = select(Run).where(Run.organization_id.in_(own)).order_by(Run.started.desc(), Run.id).limit(_LAST)
    return render(
        call,
        "home.html",
        counts=counts,
        scripts=call.services.script_level() if administers else None,
        runs=call.session.scalars(runs).all(),
    )


PAGES = (Page("GET", "/console", _home, "identity", "read", access="own"),)
