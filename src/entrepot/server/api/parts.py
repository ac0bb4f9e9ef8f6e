"""Parts of structures and what measures them: materials, subassemblies, sensors, signals and their history."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Path
from sqlalchemy import select

from entrepot.errors import NotFound
from entrepot.rows import attachments, parts
from entrepot.rows.models import Attachment
from entrepot.rows.parts import PARTS, Part, Stored
from entrepot.server.api.nouns import Asked, Page, listed
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["rows"])
Kind = Annotated[str, Path(description=f"One of {', '.join(f'`{one}`' for one in PARTS)}.")]


@router.serve("GET", "/parts/{kind}", area="rows", right="read")
def list_parts(unit: Unit, kind: Kind, asked: Asked) -> Page[dict[str, Any]]:
    """List the records of a kind, by id."""
    part, own = kind_of(kind), unit.principal.organization_id
    unit.principal.require("read")
    model = part.model
    query = select(model).where(model.organization_id == own)

    def show(rows: Sequence[Any]) -> list[dict[str, Any]]:
        stored = [{one.key: getattr(row, one.key) for one in model.__table__.columns} for row in rows]
        return _shown(unit, part, stored)

    return listed(unit, query, (model.id,), asked, show)


@router.serve("POST", "/parts/{kind}", area="rows", right="write", status=201, body="large")
def create_part(unit: Unit, kind: Kind, request_: dict[str, Any]) -> dict[str, Any]:
    """Make a record; an ``id`` that is given is kept."""
    part = kind_of(kind)
    return _shown(unit, part, [parts.create(unit.session, unit.principal, part, request_)])[0]


@router.serve("GET", "/parts/{kind}/{part_id}", area="rows", right="read")
def get_part(unit: Unit, kind: Kind, part_id: int) -> dict[str, Any]:
    """Return a record, with what is attached to it."""
    part = kind_of(kind)
    return _shown(unit, part, [parts.get(unit.session, unit.principal, part, _id(part_id))])[0]


@router.serve("PATCH", "/parts/{kind}/{part_id}", area="rows", right="write", body="large")
def update_part(unit: Unit, kind: Kind, part_id: int, request_: dict[str, Any]) -> dict[str, Any]:
    """Change fields of a record; null clears one."""
    part = kind_of(kind)
    return _shown(unit, part, [parts.patch(unit.session, unit.principal, part, _id(part_id), request_)])[0]


@router.serve("DELETE", "/parts/{kind}/{part_id}", area="rows", right="admin", status=204)
def delete_part(unit: Unit, kind: Kind, part_id: int) -> None:
    """Delete a record that nothing refers to; for administrators."""
    parts.remove(unit.session, unit.principal, kind_of(kind), _id(part_id))


def attached(file: Attachment) -> dict[str, Any]:
    """Return a file of a record as the native API tells of it."""
    told = {name: getattr(file, name) for name in ("field", "name", "size", "sha256")}
    return told | {"created_at": file.created_at.isoformat().replace("+00:00", "Z")}


def _shown(unit: Unit, part: Part, stored: list[Stored]) -> list[dict[str, Any]]:
    files = attachments.of(unit.session, unit.principal, part, [one["id"] for one in stored])
    return [part.shown(one) | {"attachments": [attached(file) for file in files.get(one["id"], ())]} for one in stored]


def kind_of(name: str) -> Part:
    """Return the kind of parts of this name; raises NotFound where there is none."""
    if name not in PARTS:
        raise NotFound(f"There are no such parts; there are {', '.join(PARTS)}.")
    return PARTS[name]


def _id(number: int) -> int:
    if not 0 < number < 2**31:
        raise NotFound("Not found.")
    return number
