"""Files that are attached to parts: the picture of a type of sensors, the datasheet of a calibration.

They are kept in the database, so that they come and go, are saved and restored with the record that they belong to.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session, undefer

from entrepot.errors import InvalidInput, NotFound, TooLarge
from entrepot.identity import Principal, limits
from entrepot.rows import parts, writing
from entrepot.rows.filters import one_of
from entrepot.rows.models import Attachment
from entrepot.rows.parts import Part

_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,49}")
#: The field of a record that is there for a file.
FILE: Final = "file"


def put(
    session: Session, principal: Principal, part: Part, id_: int, field: str, name: str, content: bytes, most: int
) -> Attachment:
    """Attach a file to a record, in place of the one that it has under this field.

    Parameters
    ----------
    name
        The name under which it is downloaded.
    most
        How many bytes it may have.

    Raises
    ------
    InvalidInput, TooLarge
        Name the field: it cannot take a file, or not one of this size.
    """
    principal.require("write")
    writing.take_turns(session, part.model, principal.organization_id)
    parts.get(session, principal, part, id_)
    if not _FIELD.fullmatch(field) or (field != FILE and field in part.taken):
        raise InvalidInput.field(field[:100], "This field takes no file.")
    if not 0 < len(name) <= 255 or "\0" in name:
        raise InvalidInput.field(field, "The file's name has from 1 to 255 characters.")
    if len(content) > most:
        raise TooLarge.field(field, f"A file may have at most {most} bytes here (attachment_max_bytes).")
    there = delete(Attachment).where(*_of(principal, part, [id_]), Attachment.field == field)
    replaced = session.scalar(there.returning(Attachment.size)) or 0
    made = Attachment(
        organization_id=principal.organization_id,
        kind=part.model.__tablename__,
        part_id=id_,
        field=field,
        name=name,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
    )
    session.add(made)
    session.flush()
    limits.grown(session, principal.organization_id, "attachments", len(content) - replaced)
    writing.announce(session, principal, part.name, "updated", {id_: {"attached": field, "sha256": made.sha256}})
    return made


def of(session: Session, principal: Principal, part: Part, ids: Sequence[int]) -> dict[int, list[Attachment]]:
    """Return what is attached to records of a kind, by their ids and in the order of fields."""
    principal.require("read")
    found: dict[int, list[Attachment]] = {}
    for one in session.scalars(select(Attachment).where(*_of(principal, part, ids)).order_by(Attachment.field)):
        found.setdefault(one.part_id, []).append(one)
    return found


def get(session: Session, principal: Principal, part: Part, id_: int, field: str) -> Attachment:
    """Return what is attached to a record under a field, with its bytes; NotFound when there is nothing."""
    principal.require("read")
    query = select(Attachment).where(*_of(principal, part, [id_]), Attachment.field == field)
    found = session.scalar(query.options(undefer(Attachment.content)))
    if found is None:
        raise NotFound("Not found.")
    return found


def remove(session: Session, principal: Principal, part: Part, id_: int, field: str) -> None:
    """Take a file from a record."""
    principal.require("write")
    writing.take_turns(session, part.model, principal.organization_id)
    found = get(session, principal, part, id_, field)
    session.delete(found)
    session.flush()
    writing.announce(session, principal, part.name, "updated", {id_: {"detached": field}})


def _of(principal: Principal, part: Part, ids: Sequence[int]) -> list[ColumnElement[bool]]:
    return [
        Attachment.organization_id == principal.organization_id,
        Attachment.kind == part.model.__tablename__,
        one_of(Attachment.part_id, ids),
    ]


@limits.measured_by("attachments")
def _bytes_of(session: Session, organization_id: str) -> int:
    query = select(func.sum(Attachment.size)).where(Attachment.organization_id == organization_id)
    return int(session.scalar(query) or 0)
