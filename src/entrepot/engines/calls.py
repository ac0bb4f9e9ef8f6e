"""Calls on their way to remote workers and back: asked, claimed, renewed, answered."""

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, update
from sqlalchemy.orm import Session

from entrepot.db import Database, clock
from entrepot.db.claim import claim, hold
from entrepot.engines.models import RemoteCall, RemoteCallPart
from entrepot.errors import Conflict
from entrepot.scripts import Limits
from entrepot.scripts.wire import Buffer

#: How often a call is given to a worker, the first time included.
TRIES = 3
PART_BYTES = 4 * 2**20
#: What a worker may take beside the script: to fetch, to wait for the organization's memory, to send.
_EXTRA_SECONDS = 600.0
_table = RemoteCall.__table__
_STALE = "This call is not yours any more: it was given to another worker, or nobody waits for it."


def ask(database: Database, request: Sequence[Buffer], limits: Limits, seconds: float) -> RemoteCall:
    """Have a call wait for a worker; nobody else keeps it for longer than so many seconds."""
    assert limits.organization is not None, "a call is of an organization, whose workers may make it"
    message = memoryview(b"".join(request))
    parts = [message[start : start + PART_BYTES] for start in range(0, len(message), PART_BYTES)]
    with database.write() as session:
        call = RemoteCall(
            organization_id=limits.organization, limits=dataclasses.asdict(limits), size=len(message),
            kept_until=clock.read(session) + timedelta(seconds=seconds),
            status="waiting" if len(parts) == 1 else "coming",
        )  # fmt: skip
        session.add(call)
        session.flush()
        _add(session, call, 0, 0, parts[0])
    for place, part in enumerate(parts[1:], 1):
        with database.write() as session:
            _add(session, call, 0, place, part)
            if place == len(parts) - 1:
                session.execute(update(RemoteCall).where(RemoteCall.number == call.number).values(status="waiting"))
    return call


def keep(session: Session, call: RemoteCall, seconds: float) -> None:
    """Say that somebody still waits for a call."""
    until = clock.read(session) + timedelta(seconds=seconds)
    session.execute(update(RemoteCall).where(RemoteCall.number == call.number).values(kept_until=until))


def sweep(session: Session) -> int:
    """Remove the calls that those who waited for them left when they were killed, and return how many there were."""
    left = delete(RemoteCall).where(RemoteCall.kept_until < clock.current(session)).returning(RemoteCall.number)
    return len(session.scalars(left, execution_options={"synchronize_session": False}).all())


def drop(session: Session, call: RemoteCall) -> None:
    """Remove a call, whose worker learns that nobody waits for it any more."""
    session.execute(delete(RemoteCall).where(RemoteCall.number == call.number))


def any_worked_on(session: Session, organization_id: str) -> bool:
    """Tell whether a worker has a call of an organization."""
    works = and_(
        RemoteCall.organization_id == organization_id,
        RemoteCall.status == "claimed",
        RemoteCall.lease_until > clock.current(session),
    )
    return session.scalar(select(RemoteCall.number).where(works).limit(1)) is not None


def standing(session: Session, call: RemoteCall) -> tuple[str, int, int] | None:
    """Return a call's status, its fence and the size of its answer; None where it was removed.

    The status is ``lost`` once the last of the workers that it is given to fell silent, too.
    """
    silent = and_(
        RemoteCall.status == "claimed", RemoteCall.fence >= TRIES, RemoteCall.lease_until < clock.current(session)
    )
    query = select(
        case((silent, "lost"), else_=RemoteCall.status), RemoteCall.fence, func.coalesce(RemoteCall.answer_size, 0)
    ).where(RemoteCall.number == call.number)
    found = session.execute(query).first()
    return None if found is None else (found[0], found[1], found[2])


# ------------------------------------------------------------------------------------------------ for the worker's door


def claimable(session: Session, organization_id: str) -> ColumnElement[bool]:
    """Return the condition that a worker may have a call: nobody has it, or who had it fell silent."""
    instant = clock.current(session)
    silent = and_(RemoteCall.status == "claimed", RemoteCall.lease_until < instant, RemoteCall.fence < TRIES)
    return and_(
        RemoteCall.organization_id == organization_id,
        RemoteCall.kept_until > instant,
        or_(RemoteCall.status == "waiting", silent),
    )


def any_waiting(session: Session, organization_id: str) -> bool:
    """Tell whether there is a call for a worker."""
    return session.scalar(select(RemoteCall.number).where(claimable(session, organization_id)).limit(1)) is not None


def take(session: Session, organization_id: str, worker: str, seconds: float) -> dict[str, Any] | None:
    """Give the oldest call that waits to a worker, for so many seconds; None if none does."""
    candidates = select(RemoteCall.number).where(claimable(session, organization_id)).order_by(RemoteCall.number)
    values = {"status": "claimed", "worker": worker, "lease_until": clock.current(session)}
    found = claim(session, _table, candidates, values)  # type: ignore[arg-type]
    if not found:
        return None
    call = found[0]
    limits = Limits(**call["limits"])
    instant = clock.read(session)
    ends_at = instant + timedelta(seconds=2 * limits.wall + _EXTRA_SECONDS)
    values = {"ends_at": ends_at, "lease_until": instant + timedelta(seconds=seconds)}
    session.execute(update(RemoteCall).where(RemoteCall.number == call["number"]).values(values))
    return {**{name: call[name] for name in ("id", "fence", "limits", "size")}, "lease_seconds": seconds}


def renew(session: Session, call: RemoteCall, fence: int, seconds: float, **values: Any) -> None:
    """Prolong a worker's lease of a call, and change what else is to be changed.

    Raises
    ------
    Conflict
        The worker has it no more; nothing is changed.
    """
    instant = clock.read(session)
    condition = and_(RemoteCall.status == "claimed", RemoteCall.lease_until > instant)
    until = instant + timedelta(seconds=seconds)
    values = {"lease_until": min(until, call.ends_at or until), **values}
    if not hold(session, _table, call.number, fence, condition, values):  # type: ignore[arg-type]
        raise Conflict(_STALE)


def add_part(session: Session, call: RemoteCall, fence: int, place: int, data: Buffer) -> None:
    """Keep a piece of the answer of whoever has a call; the first takes the place of what came before."""
    if not place:
        pieces = and_(RemoteCallPart.call == call.number, RemoteCallPart.fence == fence)
        session.execute(delete(RemoteCallPart).where(pieces))
    _add(session, call, fence, place, data)


def parts(database: Database, call: RemoteCall, fence: int = 0) -> Iterator[bytes]:
    """Yield the bytes of a call's request, or of the answer that came with a fence."""
    place = 0
    while True:
        with database.read() as session:
            part = session.get(RemoteCallPart, (call.number, fence, place))
        if part is None:
            return
        yield part.data
        place += 1


def _add(session: Session, call: RemoteCall, fence: int, place: int, data: Buffer) -> None:
    session.add(RemoteCallPart(call=call.number, fence=fence, place=place, data=bytes(data)))
    session.flush()
