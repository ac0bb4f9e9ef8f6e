"""Locks: what keeps a result from being changed, through whichever door, until somebody unlocks it or its time is over.

Each kind of results registers how one of it is locked (:func:`of_kind`): it finds the thing, checks the right, sets the
flag that all verbs of its own look at, and tells of it. What is kept here is who locked it, why and until when.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Integer, String, Text, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from entrepot import jobs
from entrepot.db import Base, Instant, new_id, now
from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import Principal, Role
from entrepot.identity.reach import Right
from entrepot.identity.records import by_number

END: Final = "locks.end"
#: What a key must be scoped to, by the kind of what is locked.
AREAS: Final = {"series": "series", "result_set": "rows", "row": "rows", "work": "works", "file": "files"}


class Lock(Base):
    """That something is locked."""

    __tablename__ = "lock"
    __table_args__ = (by_number("lock"), UniqueConstraint("organization_id", "kind", "target"))

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36))
    project_id: Mapped[str | None] = mapped_column(String(36), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    #: Id of what is locked; of works, with their pipeline before it.
    target: Mapped[str] = mapped_column(Text)
    until: Mapped[datetime | None] = mapped_column(Instant)
    why: Mapped[str] = mapped_column(Text, default="")
    user_id: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


@dataclass(frozen=True)
class Target:
    """What was locked or unlocked, by its full id, and whose it is."""

    id: str
    organization_id: str
    project_id: str | None = None


#: Locks or unlocks the thing of an id, which the caller may change.
Locker = Callable[[Session, Principal, str, bool], Target]
_lockers: dict[str, Locker] = {}


def of_kind(kind: str) -> Callable[[Locker], Locker]:
    """Register the decorated function as the one that locks and unlocks results of a kind."""

    def register(locker: Locker) -> Locker:
        _lockers[kind] = locker
        return locker

    return register


def lock(
    session: Session, principal: Principal, kind: str, target_id: str, until: datetime | None = None, why: str = ""
) -> Lock:
    """Lock something; what is locked already is from now on for this reason, until this instant.

    Raises
    ------
    InvalidInput
        There is no such kind, or the instant is over.
    NotFound
        There is nothing of this id within the caller's reach.
    """
    principal.require_scope(_area(kind), "write")
    if until is not None and until <= now():
        raise InvalidInput.field("until", "This is over already.")
    target = _lockers[kind](session, principal, target_id, True)
    found = session.scalar(select(Lock).where(*_of(target, kind)))
    if found is None:
        found = Lock(organization_id=target.organization_id, project_id=target.project_id, kind=kind, target=target.id)
        session.add(found)
    found.until, found.why, found.user_id = until, why, principal.user_id or None
    session.flush()
    if until is not None:
        jobs.enqueue(session, END, {"id": found.id}, organization_id=target.organization_id, run_at=until)
    return found


def get(session: Session, principal: Principal, lock_id: str, right: Right = "read") -> Lock:
    """Return a lock within the caller's reach."""
    found = session.scalar(select(Lock).where(Lock.id == lock_id))
    if found is None:
        raise NotFound("Lock not found.")
    principal.require(right, found.organization_id, "Lock", found.project_id)
    principal.require_scope(AREAS[found.kind], right)
    return found


def unlock(session: Session, principal: Principal, lock_id: str) -> None:
    """End a lock."""
    _end(session, principal, get(session, principal, lock_id, "write"))


def forget(session: Session, kind: str, organization_id: str, targets: Iterable[str]) -> None:
    """Forget the locks of what was unlocked otherwise, or is gone."""
    gone = list(targets)
    if gone:
        mine = Lock.organization_id == organization_id, Lock.kind == kind, Lock.target.in_(gone)
        session.execute(delete(Lock).where(*mine))


def kinds_for(principal: Principal) -> list[str]:
    """Return the kinds of which the caller's key may read."""
    return [kind for kind, area in AREAS.items() if principal.reach.allows(area, "read")]


@jobs.task(END)
def run(context: jobs.JobContext) -> dict[str, int]:
    """End a lock whose time is over."""
    payload = context.job.payload
    assert isinstance(payload, dict)
    with context.unit() as session:
        found = session.scalar(select(Lock).where(Lock.id == payload["id"]))
        if found is None or found.until is None or found.until > now():
            return {"ended": 0}
        # Whoever locked it had the right; here the server acts for the organization.
        principal = Principal("", "", found.organization_id, {found.organization_id: Role.WRITER})
        _end(session, principal, found)
    return {"ended": 1}


def _end(session: Session, principal: Principal, found: Lock) -> None:
    with suppress(NotFound):  # it went with its project
        _lockers[found.kind](session, principal, found.target, False)
    session.delete(found)
    session.flush()


def _of(target: Target, kind: str) -> tuple[ColumnElement[bool], ...]:
    return Lock.organization_id == target.organization_id, Lock.kind == kind, Lock.target == target.id


def _area(kind: str) -> str:
    if kind not in AREAS:
        raise InvalidInput.field("kind", f"One of {', '.join(AREAS)}.")
    return AREAS[kind]
