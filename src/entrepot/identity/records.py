"""Records that organizations own: what they have in common, and how they are found and listed for whoever asks.

Callers say what they want in names of attributes; the statements are made here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Index, Integer, String, func, select
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from entrepot.db import Instant, keyset, new_id, now
from entrepot.errors import NotFound
from entrepot.identity.principal import Principal
from entrepot.identity.reach import Right

RecordT = TypeVar("RecordT")
Comparison = Literal["gt", "gte", "lt", "lte"]
#: What a list may be narrowed by that is no attribute: the condition that each makes of its values.
Conditions = Mapping[str, Callable[[Sequence[str]], ColumnElement[bool]]]

_COMPARED: dict[Comparison, Callable[[Any, datetime], Any]] = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}


def by_number(table: str) -> Index:
    """Return the index that gives a page of an organization's list by the order of creation, however long it is."""
    return keyset.listed(table, "organization_id", "number")


class Owned:
    """What they have in common: an order of creation, an id, an owner and a date."""

    __tablename__: str

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, sort_order=-1)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        return (by_number(cls.__tablename__),)


@dataclass(frozen=True)
class Wanted:
    """Which records of a list are wanted.

    Attributes
    ----------
    values
        By attribute, what it may be.
    instants
        Attributes with what they are compared to.
    above, below
        Numbers in the order of creation between which they lie.
    limit
        How many at most.
    """

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    instants: Sequence[tuple[str, Comparison, datetime]] = ()
    above: int | None = None
    below: int | None = None
    limit: int = 1000


@dataclass(frozen=True)
class Page(Generic[RecordT]):
    """A part of a list, newest first, with how many records the whole has."""

    records: Sequence[RecordT]
    total: int
    has_more: bool


def page(
    session: Session,
    principal: Principal,
    model: Any,
    wanted: Wanted,
    *,
    conditions: Conditions | None = None,
) -> Page[Any]:
    """Return the wanted records of the caller's organization, newest first.

    Parameters
    ----------
    conditions
        What else than attributes may be named in ``wanted.values``.
    """
    known, made = conditions or {}, keyset.along(model.number)
    where = [principal.own(model)]
    for name, values in wanted.values.items():
        where.append(known[name](values) if name in known else getattr(model, name).in_(values))
    where += [_COMPARED[how](getattr(model, name), value) for name, how, value in wanted.instants]
    total = session.scalar(select(func.count()).select_from(model).where(*where)) or 0
    if wanted.above is not None:
        where.append(made > wanted.above)
    if wanted.below is not None:
        where.append(made < wanted.below)
    found = session.scalars(select(model).where(*where).order_by(made.desc()).limit(wanted.limit + 1)).all()
    return Page(found[: wanted.limit], total, len(found) > wanted.limit)


def number_of(session: Session, principal: Principal, model: Any, id_: str) -> int | None:
    """Return the number of a record of the caller's organization in the order of creation; None when it has none."""
    query = select(model.number).where(principal.own(model), model.id == id_.replace("\0", ""))
    return session.scalar(query)


def find(session: Session, principal: Principal, model: Any, what: str, id_: str, right: Right = "read") -> Any:
    """Return a record of the caller's organizations.

    Parameters
    ----------
    what
        What it is called, where it is not found.

    Raises
    ------
    NotFound
        There is none of this id within the caller's reach.
    Forbidden
        The caller may not do that to it.
    """
    found = by_id(session, model, id_)
    if found is None:
        raise NotFound(f"{what} not found.")
    principal.require(right, found.organization_id, what)
    return found


def assign(record: Any, fields: Mapping[str, Any]) -> set[str]:
    """Give a record its new values and return the names of those that differ; what is `kept` comes piece by piece."""
    if "kept" in fields:
        fields = {**fields, "kept": record.kept | fields["kept"]}
    changed = {name for name, value in fields.items() if getattr(record, name) != value}
    for name in changed:
        setattr(record, name, fields[name])
    return changed


def by_id(session: Session, model: Any, id_: str | None) -> Any:
    """Return a record, whosever it is; None when it is gone."""
    return session.scalar(select(model).where(model.id == (id_ or "").replace("\0", "")))


def by_ids(session: Session, model: Any, ids: Iterable[str]) -> dict[str, Any]:
    """Return records by their ids, whosever they are."""
    return {record.id: record for record in session.scalars(select(model).where(model.id.in_(set(ids))))}
