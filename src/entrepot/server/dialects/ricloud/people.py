"""Users, sources and sessions: whose data is asked for, and through what."""

from collections.abc import Sequence
from typing import Any

from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import Right, keys, records
from entrepot.requests import sessions, sources
from entrepot.requests.models import RemoteSession, RemoteSource, RemoteUser
from entrepot.server.dialects.ricloud import names, parse, render
from entrepot.server.dialects.ricloud.listing import Listing, Record
from entrepot.server.endpoint import Call, Endpoint, Json


def _records(call: Call, rows: Sequence[RemoteSource]) -> list[Record]:
    return render.sources(call.session, rows)


_USERS = Listing(
    "/users",
    RemoteUser,
    render.each(render.user),
    filters=("identifier", "key", "state"),
    known={"state": sources.USER_STATUSES},
)
_SOURCES = Listing(
    "/sources",
    RemoteSource,
    _records,
    filters=("user", "identifier", "type", "parent", "state"),
    known={"state": sources.SOURCE_STATUSES},
)
_SESSIONS = Listing(
    "/sessions",
    RemoteSession,
    lambda call, rows: render.sessions(call.session, rows),
    filters=("source", "user", "state"),
    known={"state": sessions.STATUSES},
    instants=("date_created", "date_expired"),
)


def find(call: Call, model: Any, what: str, id_: str, right: Right = "read") -> Any:
    """Return a resource of the caller's organization."""
    return records.find(call.session, call.principal, model, what, id_, right)


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
    key_id = _key(call, given) if given.get("key") is not None else None
    user, made = sources.ensure_user(call.session, call.principal, identifier, key_id)
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
        parse.text("identifier", given["identifier"], sources.LONGEST_IDENTIFIER)
    if "key" in given:
        _key(call, given)
    sources.change_user(call.session, user, names.received(given))
    return render.user(user)


def _source(call: Call, given: dict[str, Any]) -> tuple[RemoteSource, bool]:
    """Return the source of a user, type and identifier, and whether it was made here."""
    parent = named(call, RemoteSource, "parent", given["parent"]) if given.get("parent") is not None else None
    user_id = parent.user_id if parent is not None and given.get("user") is None else given.get("user")
    user = named(call, RemoteUser, "user", user_id)
    type_ = parse.text("type", given.get("type"), sources.LONGEST_TYPE)
    identifier = given.get("identifier") or None
    if identifier is not None:
        identifier = parse.text("identifier", identifier, sources.LONGEST_IDENTIFIER)
    return sources.ensure_source(call.session, call.principal, user, type_, identifier, parent)


def _create_source(call: Call) -> Any:
    source, made = _source(call, parse.fields(call, "user", "identifier", "parent", required=("type",)))
    record = _records(call, [source])[0]
    return record if made else Json(record)


def _get_source(call: Call) -> Record:
    return _records(call, [find(call, RemoteSource, "Source", call.path["id"])])[0]


def _update_source(call: Call) -> Record:
    source = find(call, RemoteSource, "Source", call.path["id"], "write")
    given = parse.fields(call, "identifier", "state")
    if "identifier" in given:
        parse.text("identifier", given["identifier"], sources.LONGEST_IDENTIFIER)
    sources.change_source(call.session, source, names.received(given))
    return _records(call, [source])[0]


def _create_session(call: Call) -> Record:
    # The payload holds passwords: it is neither looked at nor kept. Whoever fulfils polls has access of its own.
    given = parse.fields(call, "payload", required=("source",))
    if isinstance(given["source"], str):
        source = named(call, RemoteSource, "source", given["source"])
    else:
        source, _ = _source(call, parse.mapping("source", given["source"]))
    return render.sessions(call.session, [sessions.begin(call.session, call.principal, source)])[0]


def _get_session(call: Call) -> Record:
    return render.sessions(call.session, [find(call, RemoteSession, "Session", call.path["id"])])[0]


def _delete_session(call: Call) -> Record:
    remote = find(call, RemoteSession, "Session", call.path["id"], "write")
    sessions.end(call.session, remote)
    return render.sessions(call.session, [remote])[0]


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
