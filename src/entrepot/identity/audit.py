"""The audit log: who signed in, and who changed members, keys, webhooks and whatever else is watched.

Entries are written where rows are, in the same transaction, whichever door, page or command changed them; who did it is
said once, where a unit of work is opened for somebody (:func:`acting`). A secret is never in one: of what is secret,
the log says that it is another one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, Select, Table, delete, event, insert, inspect, select
from sqlalchemy.orm import Session, object_session

from entrepot.db import now
from entrepot.db.brief import ACTOR
from entrepot.identity.models import (
    ApiKey,
    AuditEntry,
    ConsoleSession,
    Membership,
    Organization,
    Project,
    User,
)
from entrepot.identity.principal import Principal

_LONGEST = 500
_USUAL = {"insert": "created", "update": "changed", "delete": "deleted"}


@dataclass(frozen=True)
class Actor:
    """Who does what a unit of work does, and from where; the operator, on the server's own machine, has no login."""

    user_id: str = ""
    login: str = ""
    key_id: str | None = None
    address: str = ""


@dataclass(frozen=True)
class Watched:
    """How the log tells of rows of one kind.

    Attributes
    ----------
    kind
        What they are called.
    told
        Columns whose change is told with what they were and what they are.
    words
        Columns whose change has a word of its own, by it: of secrets that word alone is told.
    named
        Returns the id and the name of a row.
    owners
        Returns the organizations in whose logs it is told.
    actions
        The word of making, changing and deleting a row.
    """

    kind: str
    told: Sequence[str] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    named: Callable[[Connection, Any], tuple[str, str]] = lambda _, row: (row.id, row.name)
    owners: Callable[[Connection, Any], Iterable[str]] = lambda _, row: (row.organization_id,)
    actions: Mapping[str, str] = field(default_factory=lambda: _USUAL)


def acting(session: Session, principal: Principal, address: str) -> None:
    """Say on whose behalf a unit of work changes what it changes from now on."""
    session.info[ACTOR] = Actor(principal.user_id, principal.login, principal.key_id, address[:50])


def signing_in(session: Session, user: User, address: str) -> None:
    """Say that a unit of work is of a user who proves to be it."""
    session.info[ACTOR] = Actor(user.id, user.login, None, address[:50])


def watch(model: Any, watched: Watched) -> None:
    """Have the log tell of what happens to the rows of a table, through sessions."""

    def created(_mapper: Any, connection: Connection, row: Any) -> None:
        _note(connection, watched, row, watched.actions["insert"], {})

    def changed(_mapper: Any, connection: Connection, row: Any) -> None:
        state, other, action = inspect(row), {}, ""
        for name in (*watched.told, *watched.words):
            history = state.attrs[name].history
            if history.has_changes():
                action = watched.words.get(name, action)
                if name in watched.told:
                    before = history.deleted[0] if history.deleted else None
                    other[name] = [_plain(before), _plain(history.added[0] if history.added else None)]
        if action or other:
            _note(connection, watched, row, action or watched.actions["update"], other)

    def gone(_mapper: Any, connection: Connection, row: Any) -> None:
        _note(connection, watched, row, watched.actions["delete"], {})

    for name, listener in (("after_insert", created), ("after_update", changed), ("after_delete", gone)):
        event.listen(model, name, listener)


def entries(principal: Principal, *, kind: str = "", login: str = "", since: datetime | None = None) -> Select[Any]:
    """Return the query of what an administrator may read of its organization's log."""
    principal.require("admin")
    query = select(AuditEntry).where(AuditEntry.organization_id == principal.organization_id)
    if kind:
        query = query.where(AuditEntry.kind == kind)
    if login:
        query = query.where(AuditEntry.login == login)
    return query if since is None else query.where(AuditEntry.created_at >= since)


def prune(session: Session, before: datetime, limit: int) -> int:
    """Delete entries that are older, at most so many, and return how many."""
    old = select(AuditEntry.number).where(AuditEntry.created_at < before).limit(limit)
    gone = delete(AuditEntry).where(AuditEntry.number.in_(old)).returning(AuditEntry.number)
    return len(session.scalars(gone, execution_options={"synchronize_session": False}).all())


def _note(connection: Connection, watched: Watched, row: Any, action: str, changes: Mapping[str, Any]) -> None:
    session = object_session(row)
    actor: Actor = session.info.get(ACTOR, _OPERATOR) if session is not None else _OPERATOR
    object_id, name = watched.named(connection, row)
    told = {
        "user_id": actor.user_id,
        "login": actor.login,
        "key_id": actor.key_id,
        "address": actor.address,
        "kind": watched.kind,
        "object_id": object_id,
        "name": name[:300],
        "action": action,
        "changes": dict(changes),
        "created_at": now(),
    }
    rows = [{**told, "organization_id": owner} for owner in watched.owners(connection, row)]
    if rows:
        connection.execute(insert(AuditEntry), rows)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [str(one)[:_LONGEST] for one in value[:50]]
    return (value.isoformat() if isinstance(value, datetime) else str(value))[:_LONGEST]


def _login(connection: Connection, user_id: str) -> str:
    return connection.scalar(select(_users.login).where(_users.id == user_id)) or ""


def _organizations(connection: Connection, user_id: str) -> Sequence[str]:
    return connection.scalars(select(_members.organization_id).where(_members.user_id == user_id)).all()


_OPERATOR = Actor()
_users, _members = (cast("Table", model.__table__).c for model in (User, Membership))

watch(
    ApiKey,
    Watched(
        "key",
        told=("name", "scopes", "projects", "series", "networks", "expires_at"),
        words={"token_sha256": "rotated", "revoked_at": "revoked"},
    ),
)
watch(
    Membership,
    Watched(
        "member",
        told=("role",),
        named=lambda _, row: (row.user_id, row.login),
        actions=_USUAL | {"insert": "added", "delete": "removed"},
    ),
)
watch(
    User,
    Watched(
        "user",
        told=("email", "mail_notices", "disabled"),
        words={"password_hash": "new password"},
        named=lambda _, row: (row.id, row.login),
        owners=lambda connection, row: _organizations(connection, row.id),
    ),
)
watch(
    ConsoleSession,
    Watched(
        "session",
        named=lambda connection, row: (row.id, _login(connection, row.user_id)),
        owners=lambda connection, row: _organizations(connection, row.user_id),
        actions=_USUAL | {"insert": "signed in", "delete": "ended"},
    ),
)
watch(Organization, Watched("organization", told=("name", "description", "limits"), owners=lambda _, row: (row.id,)))
watch(Project, Watched("project", told=("name", "description", "mails"), words={"deleting": "deleted"}))
