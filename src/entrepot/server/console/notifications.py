"""What somebody should know or do, and the files that were set aside."""

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot.db import keyset
from entrepot.events import notifications
from entrepot.events.models import Notification
from entrepot.identity import Project
from entrepot.identity.projects import is_kept
from entrepot.pipeline.gates.quarantine import IN_QUARANTINE
from entrepot.pipeline.generators import notices
from entrepot.pipeline.models import Gate, Importer, QuarantinedFile
from entrepot.server.api.nouns import makers, project_names
from entrepot.server.console.listing import Cell, Column, Field, Form, Link, Listing, order
from entrepot.server.console.overview import LATE
from entrepot.server.console.page import Page, form
from entrepot.server.endpoint import Call

_ABOUT = {
    "": "anything",
    "late": "what is late or silent",
    "failing": "what fails",
    "other": "other things",
}


def _list(call: Call) -> Response:
    about, which, resolved = (call.query.get(name, "") for name in ("about", "id", "resolved"))
    query = select(Notification).where(call.principal.within(Notification))
    if which:
        query = query.where(Notification.id == which)
    elif resolved != "too":
        query = query.where(~Notification.resolved)
    if about == "late":
        query = query.where(Notification.name.in_(LATE))
    elif about == "failing":
        query = query.where(Notification.name == notices.RUN_FAILED)
    elif about == "other":
        query = query.where(Notification.name.not_in((*LATE, notices.RUN_FAILED)))
    query = query.order_by(
        order(call, {"since": keyset.along(Notification.number), "what": Notification.name}, "-since")
    )

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        found = call.session.scalars(query.offset(offset).limit(limit)).all()
        known, names = makers(call, (one.generator_id for one in found)), project_names(call, found)
        return [
            (
                one.created_at,
                one.name,
                Link(names[one.project_id].name, f"/console/projects/{one.project_id}")
                if one.project_id in names
                else "",
                Link(f"{of.kind} {of.name}", f"/console/runs?of={of.id}")
                if (of := known.get(one.generator_id or ""))
                else "",
                one.message,
                one.resolved_at
                if one.resolved
                else Form("Resolve", f"/console/notifications/{one.id}/resolve")
                if call.principal.can("write", one.organization_id, one.project_id)
                else "",
            )
            for one in found
        ]

    fields = (
        Field("about", "About", about, list(_ABOUT.items())),
        Field("resolved", "Resolved ones", resolved, (("", "not"), ("too", "too"))),
    )
    columns = (Column("Since", "since"), Column("What", "what"), "Project", "Of", "It says", "Resolved")
    empty = "All is well: nobody needs to do anything."
    return Listing("Notifications", columns, read, fields, empty).shown(call)


def _resolve(call: Call) -> Response:
    notifications.change(call.session, call.principal, call.path["id"], resolved=True)
    return RedirectResponse("/console" if call.query.get("from") == "overview" else "/console/notifications", 303)


def _quarantine(call: Call) -> Response:
    gate = call.query.get("gate", "").strip()
    query = select(QuarantinedFile, Importer, Gate.name, Project.name).select_from(QuarantinedFile)
    query = query.join(Importer, Importer.id == QuarantinedFile.importer_id)
    query = query.join(Gate, Gate.id == QuarantinedFile.gate_id).join(Project, Project.id == Gate.project_id)
    query = query.where(call.principal.within(Importer), is_kept(Importer.project_id), *IN_QUARANTINE)
    if gate:
        query = query.where(Gate.name == gate)
    sorts = {"since": QuarantinedFile.number, "path": QuarantinedFile.path, "bytes": QuarantinedFile.size}
    query = query.order_by(order(call, sorts, "-since"), QuarantinedFile.number)

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return [
            (
                file.created_at,
                Link(project, f"/console/projects/{importer.project_id}"),
                Link(gate_name, f"/console/gates/{file.gate_id}"),
                file.path,
                file.size,
                Link(importer.name, f"/console/runs?of={importer.id}"),
                file.reason,
            )
            for file, importer, gate_name, project in call.session.execute(query.offset(offset).limit(limit))
        ]

    columns = (
        *(Column("Since", "since"), "Project", "Gate", Column("File", "path"), Column("Bytes", "bytes")),
        *("Importer", "Why"),
    )
    empty = "No file is set aside."
    return Listing("Quarantine", columns, read, (Field("gate", "Gate", gate),), empty).shown(call)


PAGES = (
    Page("GET", "/console/notifications", _list, "series", "read"),
    Page("POST", "/console/notifications/{id}/resolve", _resolve, "series", "write", parse=form),
    Page("GET", "/console/quarantine", _quarantine, "series", "read"),
)
