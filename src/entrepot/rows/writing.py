"""What writing to these tables has in common: ids given out in advance, turns, slugs, events and lineage."""

import functools
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import case, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from entrepot import lineage
from entrepot.db import Base, advisory_lock, new_id
from entrepot.errors import Conflict
from entrepot.events.log import emit_many
from entrepot.identity import Principal
from entrepot.lineage import results
from entrepot.rows.models import LastId, Row
from entrepot.settings import Settings

_NOT_WORD = re.compile(r"[^\w\s-]")
#: Ids are 32 bits wide.
_MOST = 2**31 - 1
_SEPARATORS = re.compile(r"[-\s]+")


def take_turns(session: Session, model: type[Base], organization_id: str) -> None:
    """Make those who add to an organization's table take turns, so that a check for what exists holds until the end."""
    advisory_lock(session, "rows", model.__tablename__, organization_id)


def hold_sets(session: Session, organization_id: str, set_ids: Collection[int]) -> None:
    """Make those who write rows of a result set take turns, until the transaction ends."""
    for set_id in sorted(set_ids):  # in one order, lest two wait for each other
        advisory_lock(session, "rows of", organization_id, set_id)


def new_ids(session: Session, model: type[Any], organization_id: str, count: int) -> list[int]:
    """Return ids that nothing of the organization has or had, rising.

    Raises
    ------
    Conflict
        There are none left.
    """
    last = _last_id(session, model, organization_id, count, LastId.last + count)
    if last > _MOST:
        raise Conflict("The organization has used up its ids; the highest were chosen by whoever made the records.")
    return list(range(last - count + 1, last + 1))


def id_was_given(session: Session, model: type[Any], organization_id: str, id_: int) -> None:
    """Keep the ids that will be given out ahead of one that was chosen by a caller."""
    _last_id(session, model, organization_id, id_, case((LastId.last < id_, id_), else_=LastId.last))


def _last_id(session: Session, model: type[Any], organization_id: str, first: int, next_: Any) -> int:
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"organization_id": organization_id, "table": model.__tablename__, "last": first}
    statement = insert(LastId).values(values)
    statement = statement.on_conflict_do_update(index_elements=["organization_id", "table"], set_={"last": next_})
    return session.execute(statement.returning(LastId.last)).scalar_one()


@functools.lru_cache(maxsize=4096)
def slugify(value: str) -> str:
    """Return a text in lower-case words of ASCII, joined by hyphens."""
    ascii_ = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    return _SEPARATORS.sub("-", _NOT_WORD.sub("", ascii_.lower())).strip("-_")


def announce(
    session: Session, principal: Principal, type_: str, action: str, objects: Mapping[int, dict[str, Any]]
) -> None:
    """Write an event for each object, by id, with its data."""
    emit_many(
        session,
        type_,
        action,
        {str(id_): data for id_, data in objects.items()},
        organization_id=principal.organization_id,
        user_id=principal.user_id or None,
    )


def record_made(
    session: Session, principal: Principal, rows: Mapping[int, Mapping[str, Any]], run_id: str | None
) -> None:
    """Record that a run made rows, each with its detail; without a run, that the caller's upload did."""
    if not rows:
        return
    if run_id is None:
        run_id = new_id()
        lineage.begin_run(
            session,
            run_id,
            "upload",
            principal.key_id or principal.login,
            organization_id=principal.organization_id,
            user_id=principal.user_id or None,
        )
        lineage.end_run(session, run_id, "finished", {"rows": len(rows)})
    lineage.made_many(session, run_id, "row", {str(id_): dict(detail) for id_, detail in rows.items()})


def chunks(ids: Sequence[int], size: int = 2000) -> list[Sequence[int]]:
    """Return the ids in lists that fit into a statement."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]


@results.found_by("row")
def found(session: Session, _settings: Settings, organization_id: str, ids: Sequence[str]) -> list[str]:
    """Return those of an organization's rows that are there."""
    numbers = [int(id_) for id_ in ids if id_.isascii() and id_.isdigit() and int(id_) <= _MOST]
    query = select(Row.id).where(Row.organization_id == organization_id, Row.id.in_(numbers))
    return [str(id_) for id_ in session.scalars(query)]
