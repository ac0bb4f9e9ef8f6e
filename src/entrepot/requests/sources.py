"""Users, and the sources that data is asked of: accounts, devices, and the parts of them that can be asked alone."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeGuard

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock, new_id
from entrepot.errors import Conflict, InvalidInput
from entrepot.identity import Principal
from entrepot.requests.models import DataRequest, RemoteSource, RemoteUser, RequestStep

USER_STATUSES = ("active", "deactivated", "blocked")
SOURCE_STATUSES = ("unvalidated", "active", "deactivated", "blocked", "locked")
LONGEST_TYPE, LONGEST_IDENTIFIER = 100, 300
_USABLE = ("unvalidated", "active")
#: So many parts of a source are taken from one work.
_MOST_FOUND = 1000


def ensure_user(
    session: Session, principal: Principal, identifier: str, key_id: str | None = None
) -> tuple[RemoteUser, bool]:
    """Return the user of an identifier, and whether it was made here.

    Parameters
    ----------
    key_id
        The key that it belongs to; by default the caller's.
    """
    principal.require("write")
    organization_id = principal.organization_id
    advisory_lock(session, "remote user", organization_id, identifier)
    query = select(RemoteUser).where(RemoteUser.organization_id == organization_id, RemoteUser.identifier == identifier)
    if found := session.scalar(query):
        return found, False
    user = RemoteUser(organization_id=organization_id, identifier=identifier, key_id=key_id or principal.key_id)
    session.add(user)
    session.flush()
    return user, True


def change_user(session: Session, user: RemoteUser, changes: Mapping[str, Any]) -> None:
    """Change ``identifier``, ``key_id`` or ``status`` of a user."""
    if "identifier" in changes:
        _rename(session, user, changes["identifier"])
    if "key_id" in changes:
        user.key_id = changes["key_id"]
    if "status" in changes:
        user.status = _switched(changes["status"])
    session.flush()


def _rename(session: Session, user: RemoteUser, identifier: str) -> None:
    """Give a user another identifier, which no other has."""
    advisory_lock(session, "remote user", user.organization_id, identifier)
    query = select(RemoteUser.id).where(
        RemoteUser.organization_id == user.organization_id, RemoteUser.identifier == identifier
    )
    if session.scalar(query) not in (None, user.id):
        raise Conflict("There is a user of this identifier.")
    user.identifier = identifier


def ensure_source(
    session: Session,
    principal: Principal,
    user: RemoteUser,
    type_: str,
    identifier: str | None = None,
    parent: RemoteSource | None = None,
) -> tuple[RemoteSource, bool]:
    """Return the source of a user, type and identifier, and whether it was made here.

    Parameters
    ----------
    identifier
        By default one that no other has: devices are paired by a code, and are called nothing yet.
    parent
        The source that it is a part of.

    Raises
    ------
    InvalidInput
        The parent is a part itself, or one of another user's.
    Conflict
        There is such a source, and it is no part of this parent.
    """
    principal.require("write", user.organization_id)
    return _ensure(session, user, type_, identifier or new_id(), parent)


def _ensure(
    session: Session, user: RemoteUser, type_: str, identifier: str, parent: RemoteSource | None
) -> tuple[RemoteSource, bool]:
    if parent is not None and (parent.parent_id is not None or parent.user_id != user.id):
        raise InvalidInput.field("parent", "A source of the same user that is no part of another.")
    advisory_lock(session, "remote source", user.id, type_, identifier)
    query = select(RemoteSource).where(
        RemoteSource.organization_id == user.organization_id,
        RemoteSource.user_id == user.id,
        RemoteSource.type == type_,
        RemoteSource.identifier == identifier,
    )
    if found := session.scalar(query):
        if parent is not None and found.parent_id != parent.id:
            raise Conflict("There is such a source, which is no part of this parent.")
        return found, False
    source = RemoteSource(
        organization_id=user.organization_id,
        user_id=user.id,
        parent_id=parent.id if parent else None,
        type=type_,
        identifier=identifier,
    )
    session.add(source)
    session.flush()
    return source, True


def children_of(session: Session, ids: Iterable[str]) -> dict[str, list[RemoteSource]]:
    """Return the parts of sources by the ids of these."""
    children: dict[str, list[RemoteSource]] = {id_: [] for id_ in ids}
    query = select(RemoteSource).where(RemoteSource.parent_id.in_(children)).order_by(RemoteSource.number)
    for child in session.scalars(query):
        children[str(child.parent_id)].append(child)
    return children


def validate(session: Session, source: RemoteSource) -> None:
    """Say that a source was used."""
    if source.status == "unvalidated":
        source.status = "active"
        session.flush()


def change_source(session: Session, source: RemoteSource, changes: Mapping[str, Any]) -> None:
    """Change ``status`` of a source; its ``identifier`` may be said, but not changed."""
    if changes.get("identifier", source.identifier) != source.identifier:
        raise Conflict("A source is its identifier: create another.")
    if "status" in changes:
        source.status = _switched(changes["status"])
    session.flush()


def _switched(status: Any) -> str:
    """Return the status of a user or a source that is switched off or on again, as its organization may."""
    if status not in ("active", "deactivated"):
        raise InvalidInput.field("status", "active, or deactivated.")
    return str(status)


def missing(session: Session, principal: Principal, ids: Iterable[str]) -> set[str]:
    """Return those of the ids that are no sources of the caller's organization."""
    wanted = set(ids)
    found = select(RemoteSource.id).where(principal.own(RemoteSource), RemoteSource.id.in_(wanted))
    return wanted - set(session.scalars(found)) if wanted else set()


def why_unusable(session: Session, source: RemoteSource) -> str | None:
    """Return why nothing may be asked of a source: it, its parent or its user is switched off; None when it may."""
    if source.status not in _USABLE:
        return f"It is {source.status}."
    parent = session.scalar(select(RemoteSource.status).where(RemoteSource.id == source.parent_id))
    if parent not in (None, *_USABLE):
        return f"Its parent is {parent}."
    user = session.scalar(select(RemoteUser.status).where(RemoteUser.id == source.user_id))
    return f"Its user is {user}." if user not in (None, "active") else None


def require_usable(session: Session, source: RemoteSource) -> None:
    """Raise InvalidInput, naming ``source``, when nothing may be asked of it."""
    if reason := why_unusable(session, source):
        raise InvalidInput.field("source", reason)


def found_by(session: Session, step: RequestStep, given: Any) -> None:
    """Keep the parts of a source that a step found, objects with ``type`` and ``identifier``; others are passed over.

    That the step found anything says that its source can be used.
    """
    request = session.scalar(select(DataRequest).where(DataRequest.id == step.request_id))
    source = session.scalar(select(RemoteSource).where(RemoteSource.id == request.source_id)) if request else None
    if source is None:
        return
    validate(session, source)
    user = session.scalar(select(RemoteUser).where(RemoteUser.id == source.user_id))
    if user is None or source.parent_id is not None or not isinstance(given, list):
        return
    for one in given[:_MOST_FOUND]:
        type_, identifier = (one.get("type"), one.get("identifier")) if isinstance(one, Mapping) else (None, None)
        if _is_name(type_, LONGEST_TYPE) and _is_name(identifier, LONGEST_IDENTIFIER):
            with suppress(Conflict):
                validate(session, _ensure(session, user, type_, identifier, source)[0])


def _is_name(value: Any, longest: int) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= longest and "\0" not in value
