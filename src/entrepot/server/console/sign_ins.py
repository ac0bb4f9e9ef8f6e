"""Who is signed in to the console, one's own password, and the audit log."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from anyio.to_thread import run_sync
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from entrepot.db import keyset
from entrepot.errors import EntrepotError, InvalidInput
from entrepot.identity import AuditEntry, ConsoleSession, Principal, User, audit, sessions
from entrepot.server.api import sessions as api
from entrepot.server.api.account import set_own_password
from entrepot.server.bodies import Body
from entrepot.server.console import cookies, forms
from entrepot.server.console.form_page import status_of
from entrepot.server.console.forms import Entry
from entrepot.server.console.listing import Cell, Column, Field, Form, Link, Listing, State, order
from entrepot.server.console.native import PageUnit
from entrepot.server.console.page import Page, form, render
from entrepot.server.console.people import PLACE, lists
from entrepot.server.endpoint import Call
from entrepot.server.streaming import StreamEndpoint

_LIST = f"{PLACE}/sessions"
_LONGEST = 500
_KINDS = ("session", "key", "member", "user", "organization", "project", "webhook", "storage")
_HERE, _AWAY = State("good", "this one"), ""


@dataclass(frozen=True)
class PasswordView:
    """What the page shows by which one gets another password: its fields, the lists beside it, why it was refused."""

    entries: Sequence[Entry]
    others: Sequence[Link]
    refusal: str


def _list(call: Call) -> Response:
    member = call.query.get("member", "").strip()
    query = sessions.under_way(call.session, call.principal, member or None)
    query = query.order_by(order(call, {"seen": ConsoleSession.seen_at, "began": ConsoleSession.created_at}, "-seen"))
    here = sessions.token_sha256(cookies.current(call.request))
    whose = call.session.scalar(select(User.login).where(User.id == (member or call.principal.user_id))) or ""

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return [
            (
                one.created_at,
                one.address,
                one.agent,
                one.seen_at,
                one.expires_at,
                _HERE if one.token_sha256 == here else _AWAY,
                Form("End it", f"{_LIST}/{one.id}/end"),
            )
            for one in call.session.scalars(query.offset(offset).limit(limit))
        ]

    columns = (*(Column("Began", "began"), "From", "With", Column("Last seen", "seen"), "Ends by itself", "", ""),)
    empty = "Nobody is signed in."
    title = f"Sessions of {whose}" if member else "Your sessions"
    return Listing(title, columns, read, (), empty, others=lists(call)).shown(call)


def _end(call: Call) -> Response:
    found = call.session.scalar(select(ConsoleSession).where(ConsoleSession.id == call.path["id"]))
    whose, is_here = (found.user_id, found.token_sha256) if found else ("", "")
    api.end_session(PageUnit(call), call.path["id"])
    if is_here == sessions.token_sha256(cookies.current(call.request)):
        response = RedirectResponse("/console/login", 303)
        cookies.forget(response, call.request)
        return response
    return RedirectResponse(_LIST if whose == call.principal.user_id else f"{_LIST}?member={whose}", 303)


def _audit(call: Call) -> Response:
    asked = {name: call.query.get(name, "").strip()[:300] for name in ("kind", "login", "since")}
    since = _since(asked["since"])
    query = audit.entries(call.principal, kind=asked["kind"], login=asked["login"], since=since)
    query = query.order_by(order(call, {"when": keyset.along(AuditEntry.number)}, "-when"))

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return [_told(one) for one in call.session.scalars(query.offset(offset).limit(limit))]

    fields = (
        Field("kind", "What", asked["kind"], (("", "anything"), *((one, one) for one in _KINDS))),
        Field("login", "Who (login)", asked["login"]),
        Field("since", "Since (UTC)", asked["since"]),
    )
    columns = (Column("When", "when"), "Who", "From", "By", "What", "Name", "Changes")
    return Listing("Audit log", columns, read, fields, others=lists(call)).shown(call)


def _since(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput.field("since", "An ISO 8601 date and time, such as 2014-03-01.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _told(one: AuditEntry) -> tuple[Cell, ...]:
    who = one.login or "the operator or the server"
    by = Link("a key", f"{PLACE}/keys/{one.key_id}") if one.key_id else "password or session" if one.login else ""
    changes = "; ".join(
        f"{name}: {_text(before)} → {_text(after)}" for name, (before, after) in sorted(one.changes.items())
    )
    return one.created_at, who, one.address, by, f"{one.kind} {one.action}", one.name, changes[:_LONGEST]


def _text(value: Any) -> str:
    if value is None or value == "":
        return "none"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


_PASSWORDS: Sequence[tuple[str, str, str]] = (
    ("password", "Password that works now", ""),
    ("new", "New password", "At least 8 characters."),
    ("again", "The new one once more", ""),
)


def _ask(call: Call, error: EntrepotError | None = None) -> Response:
    wrong = forms.wrongs(error)
    view = PasswordView(
        [Entry(name, label, hint=hint, wrong=wrong.get(name, "")) for name, label, hint in _PASSWORDS],
        lists(call),
        error.message if error and not wrong else "",
    )
    return render(call, "new_password.html", status_of(error), view=view)


async def _set(request: Request, principal: Principal) -> Response:
    # Whoever waits for a password to be checked holds nothing that others wait for.
    return await run_sync(_changed, request, principal, await Body.of(request.scope).read("small"))


def _changed(request: Request, principal: Principal, body: bytes) -> Response:
    fields = form(request, body)
    try:
        if fields.get("new", "") != fields.get("again", ""):
            raise InvalidInput.field("again", "This is not the new password.")
        set_own_password(request, principal, fields.get("password", ""), fields.get("new", ""))
    except EntrepotError as error:
        services = request.app.state.services
        with services.database.read() as session:
            return _ask(Call(request, services, principal, session, b""), error)
    response = RedirectResponse("/console/login", 303)
    cookies.forget(response, request)
    return response


@dataclass(frozen=True)
class _Password(Page, StreamEndpoint):
    """Takes a new password from a page, outside of any unit of work."""

    handler: Callable[[Request, Principal], Awaitable[Response]]  # type: ignore[assignment]


PAGES = (
    Page("GET", _LIST, _list, "identity", "read", access="own"),
    Page("POST", f"{_LIST}/{{id}}/end", _end, "identity", "write", access="own", parse=form),
    Page("GET", f"{PLACE}/audit", _audit, "identity", "admin", write=False),
    Page("GET", f"{PLACE}/password", _ask, "identity", "write", access="own", write=False),
    _Password("POST", f"{PLACE}/password", _set, "identity", "write", access="own", body="small"),
)
