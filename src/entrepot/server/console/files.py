"""Published files, to be looked for and downloaded."""

from sqlalchemy import select
from starlette.responses import Response

from entrepot.files import lifecycle
from entrepot.files.models import PublishedFile
from entrepot.server.api.files import content
from entrepot.server.console.listing import Field, Link, Listing, instant, part
from entrepot.server.console.page import Page
from entrepot.server.endpoint import Call


def _list(call: Call) -> Response:
    state, identifier = call.query.get("state", "available"), call.query.get("identifier", "").strip()
    query = select(PublishedFile).where(call.principal.within(PublishedFile))
    if state:
        query = query.where(PublishedFile.state == state)
    if identifier:
        query = query.where(PublishedFile.identifier == identifier)
    offset, limit = part(call)
    found = call.session.scalars(query.order_by(PublishedFile.number.desc()).offset(offset).limit(limit))
    rows = [
        (
            Link(file.name, f"/console/files/{file.id}") if file.state != "expired" else file.name,
            file.identifier,
            file.state,
            f"{file.size:,}",
            file.type or "",
            instant(file.created_at),
            file.sha256,
        )
        for file in found
    ]
    choices = (("", "any"), *((one, one) for one in lifecycle.STATES))
    fields = (Field("state", "State", state, choices), Field("identifier", "Identifier", identifier))
    columns = ("Name", "Identifier", "State", "Bytes", "Type", "Published", "SHA-256")
    return Listing("Files", columns, rows, fields).shown(call)


def _download(call: Call) -> Response:
    return content(call, lifecycle.get_file(call.session, call.principal, call.path["id"]))


PAGES = (
    Page("GET", "/console/files", _list, "files", "read"),
    Page("GET", "/console/files/{id}", _download, "files", "read"),
)
