"""Parts of structures and what measures them: materials, subassemblies, sensors, signals and their history."""

from typing import Any

from pydantic import BaseModel
from sqlalchemy import select

from entrepot.errors import NotFound
from entrepot.rows import parts
from entrepot.rows.parts import PARTS, Part
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["rows"])
_PAGE = 1000


class Page(BaseModel):
    """A page of a list; ``next`` is what to pass as ``after`` for the one that follows."""

    items: list[dict[str, Any]]
    next: int | None


@router.serve("GET", "/parts/{kind}", area="rows", right="read")
def list_parts(unit: Unit, kind: str, after: int = 0) -> Page:
    """List the records of a kind, such as ``materials``, ``sensor`` or ``signalhistory``, by id."""
    part, own = _kind(kind), unit.principal.organization_id
    unit.principal.require("read")
    model = part.model
    query = select(*model.__table__.columns).where(model.organization_id == own, model.id > min(after, 2**31 - 1))
    found = unit.session.execute(query.order_by(model.id).limit(_PAGE + 1)).mappings().all()
    items = [part.shown(dict(one)) for one in found[:_PAGE]]
    return Page(items=items, next=items[-1]["id"] if len(found) > _PAGE else None)


@router.serve("POST", "/parts/{kind}", area="rows", right="write", status=201, body="large")
def create_part(unit: Unit, kind: str, request_: dict[str, Any]) -> dict[str, Any]:
    """Make a record; an ``id`` that is given is kept."""
    part = _kind(kind)
    return part.shown(parts.create(unit.session, unit.principal, part, request_))


@router.serve("GET", "/parts/{kind}/{part_id}", area="rows", right="read")
def get_part(unit: Unit, kind: str, part_id: int) -> dict[str, Any]:
    """Return a record."""
    part = _kind(kind)
    return part.shown(parts.get(unit.session, unit.principal, part, _id(part_id)))


@router.serve("PATCH", "/parts/{kind}/{part_id}", area="rows", right="write", body="large")
def update_part(unit: Unit, kind: str, part_id: int, request_: dict[str, Any]) -> dict[str, Any]:
    """Change fields of a record; null clears one."""
    part = _kind(kind)
    return part.shown(parts.patch(unit.session, unit.principal, part, _id(part_id), request_))


@router.serve("DELETE", "/parts/{kind}/{part_id}", area="rows", right="admin", status=204)
def delete_part(unit: Unit, kind: str, part_id: int) -> None:
    """Delete a record that nothing refers to; for administrators."""
    parts.remove(unit.session, unit.principal, _kind(kind), _id(part_id))


def _kind(name: str) -> Part:
    if name not in PARTS:
        raise NotFound(f"There are no such parts; there are {', '.join(PARTS)}.")
    return PARTS[name]


def _id(number: int) -> int:
    if not 0 < number < 2**31:
        raise NotFound("Not found.")
    return number
