"""Parts of structures and what measures them: materials, subassemblies, sensors, signals and their history."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from entrepot.errors import NotFound
from entrepot.rows import parts
from entrepot.rows.parts import PARTS, Part
from entrepot.server.api.nouns import Asked, Page, listed
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["rows"])


@router.serve("GET", "/parts/{kind}", area="rows", right="read")
def list_parts(unit: Unit, kind: str, asked: Asked) -> Page[dict[str, Any]]:
    """List the records of a kind, such as `materials`, `sensor` or `signalhistory`, by id."""
    part, own = _kind(kind), unit.principal.organization_id
    unit.principal.require("read")
    model = part.model
    query = select(model).where(model.organization_id == own)

    def show(rows: Sequence[Any]) -> list[dict[str, Any]]:
        return [part.shown({one.key: getattr(row, one.key) for one in model.__table__.columns}) for row in rows]

    return listed(unit, query, (model.id,), asked, show)


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
