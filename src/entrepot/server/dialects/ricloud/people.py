"""Users, sources and sessions: whose data is asked for, and through what."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from entrepot.db import new_id, now
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.events import emit
from entrepot.files import sources
from entrepot.files.models import RemoteSession, RemoteSource, RemoteUser
from entrepot.identity import Right, keys
from entrepot.server.dialects.ricloud import parse, render
from entrepot.server.dialects.ricloud.listing import Listing, Record
from entrepot.server.endpoint import Call, Endpoint, Json


def _records(call: Call, rows: Sequence[RemoteSource]) -> list[Record]:
    return render.sources(call.session, rows)


_USERS = Listing(
    "/users",
    RemoteUser,
    render.each(render.user),
    filters={"identifier": RemoteUser.identifier, "key": RemoteUser.key_id, "state": RemoteUser.state},
    states=sources.USER_STATES,
    instants={"date_created": RemoteUser.created},
)
_SOURCES = Listing(
    "/sources",
    RemoteSource,
    _records,
    filters={
        "user": RemoteSource.user_id,
        "identifier": RemoteSource.identifier,
        "type": RemoteSource.type,
        "parent": RemoteSource.parent_id,
        "state": RemoteSource.state,
    },
    states=sources.SOURCE_STATES,
    instants={"date_created": RemoteSource.created},
)
_SESSIONS = Listing(
    "/sessions",
    RemoteSession,
    lambda call, rows: render.sessions(call.session, rows),
    filters={"source": RemoteSession.source_id, "user": RemoteSession.user_id, "state": RemoteSession.state},
    states=("pending", "active", "failed", "expired"),
    instants={"date_created": RemoteSession.created, "date_expired": RemoteSession.expired},
)


def find(call: Call, model: Any, what: str, id_: str, right: Right = "read") -> Any:
    """Return a resource of the caller's organization."""
    found = call.session.scalar(select(model).where(model.id == id_.replace("\0", "")))
    if found is None:
        raise NotFound(f"{what} not found.")
    call.principal.require(right, found.organization_id, what)
    return found


def named(call: Call, model: Any, name: str, value: Any) -> Any:
    """Return a resource that a parameter names.

    Raises
    ------
    InvalidInput
        There is none of that id in the caller's organization.
    """
    try:
        return find(call, model, name, parse.resource_id(name, value))
    except NotFound:
        raise InvalidInput.field(name, "There is no such resource.") from None


def _create_user(call: Call) -> Any:
    given = parse.fields(call, "key", required=("identifier",))
    identifier = parse.text("identifier", given["identifier"], sources.LONGEST_IDENTIFIER)
    call.principal.require("write")
    key_id = _key(call, given) if given.get("key") is not None else call.principal.key_id
    user, made = sources.ensure_user(call.session, call.principal.organization_id, identifier, key_id)
    return render.user(user) if made else Json(render.user(user))


def _key(call: Call, given: dict[str, Any]) -> str:
    try:
        return keys.get_key(call.session, call.principal, parse.resource_id("key", given["key"])).id
    except NotFound:
        raise InvalidInput.field("key", "There is no such key.") from None


def _get_user(call: Call) -> Record:
    return render.user(find(call, RemoteUser, "User", call.path["id"]))


def _update_user(call: Call) -> Record:
    user = find(call, RemoteUser, "User", call.path["id"], "write")
    given = parse.fields(call, "identifier", "key", "state")
    if "identifier" in given:
        identifier = parse.text("identifier", given["identifier"], sources.LONGEST_IDENTIFIER)
        sources.rename_user(call.session, user, identifier)
    if "key" in given:
        user.key_id = _key(call, given)
    if "state" in given:
        sources.change_state(call.session, user, given["state"])
    call.session.flush()
    return render.user(user)


def _source(call: Call, given: dict[str, Any]) -> tuple[RemoteSource, bool]:
    """Return the source of a user, type and identifier, and whether it was made here."""
    call.principal.require("write")
    parent = named(call, RemoteSource, "parent", given["parent"]) if given.get("parent") is not None else None
    if parent is not None and given.get("user") is None:
        given = given | {"user": parent.user_id}
    user = named(call, RemoteUser, "user", given.get("user"))
    type_ = parse.text("type", given.get("type"), sources.LONGEST_TYPE)
    # Devices are paired by a code, and are called nothing yet.
    identifier = parse.text("identifier", given.get("identifier") or new_id(), sources.LONGEST_IDENTIFIER)
    return sources.ensure_source(call.session, user, type_, identifier, parent)


def _create_source(call: Call) -> Any:
    source, made = _source(call, parse.fields(call, "user", "identifier", "parent", required=("type",)))
    record = _records(call, [source])[0]
    return record if made else Json(record)


def _get_source(call: Call) -> Record:
    return _records(call, [find(call, RemoteSource, "Source", call.path["id"])])[0]


def _update_source(call: Call) -> Record:
    source = find(call, RemoteSource, "Source", call.path["id"], "write")
    given = parse.fields(call, "identifier", "state")
    if "identifier" in given and parse.text("identifier", given["identifier"], 300) != source.identifier:
        raise Conflict("A source is its identifier: create another.")
    if "state" in given:
        sources.change_state(call.session, source, given["state"])
    return _records(call, [source])[0]


def _create_session(call: Call) -> Record:
    # The payload holds passwords: it is neither looked at nor kept. Whoever fulfils polls has access of its own.
    given = parse.fields(call, "payload", required=("source",))
    if isinstance(given["source"], str):
        source = named(call, RemoteSource, "source", given["source"])
    else:
        source, _ = _source(call, parse.mapping("source", given["source"]))
    call.principal.require("write")
    sources.require_usable(call.session, source)
    sources.validate(call.session, source)
    session = RemoteSession(
        organization_id=source.organization_id,
        key_id=call.principal.key_id,
        user_id=source.user_id,
        source_id=source.id,
        state="active",
    )
    call.session.add(session)
    call.session.flush()
    return render.sessions(call.session, [session])[0]


def _get_session(call: Call) -> Record:
    return render.sessions(call.session, [find(call, RemoteSession, "Session", call.path["id"])])[0]


def _delete_session(call: Call) -> Record:
    session = find(call, RemoteSession, "Session", call.path["id"], "write")
    if session.state != "expired":
        session.state, session.expired = "expired", now()
        call.session.flush()
        data = {"key": session.key_id}
        emit(call.session, "session", "expired", session.id, organization_id=session.organization_id, data=data)
    return render.sessions(call.session, [session])[0]


ENDPOINTS = [
    Endpoint("GET", "/users", _USERS.answer, "files", "read"),
    Endpoint("POST", "/users", _create_user, "files", "write", status=201),
    Endpoint("GET", "/users/{id}", _get_user, "files", "read"),
    Endpoint("POST", "/users/{id}", _update_user, "files", "write"),
    Endpoint("GET", "/sources", _SOURCES.answer, "files", "read"),
    Endpoint("POST", "/sources", _create_source, "files", "write", status=201),
    Endpoint("GET", "/sources/{id}", _get_source, "files", "read"),
    Endpoint("POST", "/sources/{id}", _update_source, "files", "write"),
    Endpoint("GET", "/sessions", _SESSIONS.answer, "files", "read"),
    Endpoint("POST", "/sessions", _create_session, "files", "write", status=201),
    Endpoint("GET", "/sessions/{id}", _get_session, "files", "read"),
    Endpoint("DELETE", "/sessions/{id}", _delete_session, "files", "write"),
]
