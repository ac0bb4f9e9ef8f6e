"""API keys: made for one piece of work with the least that it needs, seen with their last use, rotated, revoked."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from entrepot.db import now
from entrepot.errors import EntrepotError, InvalidInput, NotFound
from entrepot.identity import ApiKey, Project, User, keys, projects
from entrepot.server.api import keys as api
from entrepot.server.api.keys import KeyChanges, KeyMade, KeyRequest
from entrepot.server.console import forms
from entrepot.server.console.form_page import FormPage, refusal
from entrepot.server.console.forms import Entry
from entrepot.server.console.listing import Cell, Column, Field, Form, Link, Listing, State, order
from entrepot.server.console.native import PageUnit, attempted, done
from entrepot.server.console.page import Page, form
from entrepot.server.console.people import PLACE, lists
from entrepot.server.console.thing import Action, Thing
from entrepot.server.endpoint import Call

_LIST = f"{PLACE}/keys"
#: What a key may be for: what is written beside it, and the least that this needs.
PURPOSES: Mapping[str, tuple[str, list[str] | None]] = {
    "points": ("send points of series, and nothing else", ["points:write"]),
    "gate": ("send files to gates, and nothing else", ["gate:write"]),
    "publish": ("publish files, and nothing else", ["files:publish"]),
    "deposit": ("deposit works, and nothing else", ["works:deposit"]),
    "work": ("take works and finish them, and nothing else", ["works:work"]),
    "calls": ("make calls of scripts in remote workers, as an administrator, and nothing else", ["calls:work"]),
    "series": ("read series, pipelines and runs", ["series:read"]),
    "fetch": ("read, fetch and acknowledge published files", ["files:read", "files:write"]),
    "listen": ("read events", ["events:read"]),
    "read": ("read all that I may read", ["*:read"]),
    "write": ("read and change all that I may, but not members, webhooks and storages", ["*:write"]),
    "all": ("do all that I may do", None),
}
_DAYS = {"30": "30 days", "90": "90 days", "365": "a year", "": "never"}
_TOKEN = "Its token, which programs show to be let in"  # noqa: S105 - what is written beside it
_STATES = {"": "usable", "over": "revoked or expired", "any": "any"}


def _list(call: Call) -> Response:
    login, state = call.query.get("login", "").strip()[:300], call.query.get("state", "")
    query = keys.kept_for(call.principal)
    over = ApiKey.revoked_at.is_not(None) | (ApiKey.expires_at.is_not(None) & (ApiKey.expires_at <= now()))
    if state != "any":
        query = query.where(over if state == "over" else ~over)
    if login:
        query = query.where(ApiKey.user_id.in_(select(User.id).where(User.login == login)))
    sorts = {"made": ApiKey.created_at, "used": ApiKey.last_used_at}
    query = query.order_by(order(call, sorts, "-made"), ApiKey.id)

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        found = call.session.scalars(query.offset(offset).limit(limit)).all()
        logins = _logins(call, {one.user_id for one in found})
        return [_row(one, logins) for one in found if keys.is_visible(call.principal, one)]

    fields = (
        Field("login", "Whose (login)", login),
        Field("state", "State", state, list(_STATES.items())),
    )
    columns = (
        *("Name", "Whose", "State", "May", Column("Last used", "used"), "From", "Expires"),
        Column("Made", "made"),
    )
    empty = "There are no keys: programs come with one, made for what they do and nothing more."
    make = Link("New key", f"{_LIST}/new") if call.principal.reach.allows("identity", "write") else None
    return Listing("Keys", columns, read, fields, empty, make=make, others=lists(call)).shown(call)


def _logins(call: Call, ids: set[str]) -> dict[str, str]:
    found = call.session.execute(select(User.id, User.login).where(User.id.in_(ids)))
    return {row.id: row.login for row in found}


def _row(key: ApiKey, logins: Mapping[str, str]) -> tuple[Cell, ...]:
    may = ", ".join(key.scopes) if key.scopes is not None else "all that its user may"
    name = Link(key.name or "(no name)", f"{_LIST}/{key.id}")
    ends = (key.last_used_at, key.last_used_from or "", key.expires_at, key.created_at)
    return name, logins.get(key.user_id, ""), _state(key), may, *ends


def _state(key: ApiKey) -> State:
    if key.revoked_at is not None:
        return State("deactivated", "revoked")
    return State("late", "expired") if key.expires_at and key.expires_at <= now() else State("good", "usable")


def _show(call: Call, error: EntrepotError | None = None, made: KeyMade | None = None, said: str = "") -> Response:
    key = keys.get_key(call.session, call.principal, made.id if made else call.path["id"])
    page, is_over = f"{_LIST}/{key.id}", _state(key).text != "usable"
    may = call.principal.reach.allows("identity", "write")
    is_own = may and key.user_id == call.principal.user_id
    buttons = [Form("Give it a new token", f"{page}/rotate")] if is_own and not is_over else []
    if may and key.revoked_at is None:
        buttons.append(Form("Revoke it", f"{page}/revoke"))
    typed = {"name": key.name} | {one: text for one, text in (call.content or {}).items() if error is not None}
    rename = Action("Name", f"{page}/name", "Give it this name", forms.entries(KeyChanges, ("name",), typed, error))
    return Thing(
        title=f"Key {key.name}" if key.name else "Key",
        said=said,
        back=Link("All keys", _LIST),
        secret=(_TOKEN, made.token) if made else None,
        facts=_facts(call, key),
        buttons=buttons,
        actions=[rename] if is_own else [],
        refusal=refusal(error),
    ).shown(call, error)


def _facts(call: Call, key: ApiKey) -> list[tuple[str, Cell]]:
    query = select(Project.name).where(Project.id.in_(key.projects or ()), call.principal.within(Project))
    names = call.session.scalars(query.order_by(Project.name)).all()
    return [
        ("State", _state(key)),
        ("Whose", _logins(call, {key.user_id}).get(key.user_id, "")),
        ("May", ", ".join(key.scopes) if key.scopes is not None else "all that its user may"),
        ("Projects", ", ".join(names)),
        ("Series", f"{len(key.series)} of them alone" if key.series else ""),
        ("Networks", ", ".join(key.networks or ())),
        ("Last used", key.last_used_at or "not yet"),
        ("From", key.last_used_from),
        ("Expires", key.expires_at or "never"),
        ("The token of before works until", key.previous_expires_at),
        ("Revoked", key.revoked_at),
        ("Made", key.created_at),
    ]


def _new(call: Call, error: EntrepotError | None = None) -> Response:
    typed = {"days": "90"} | (call.content or {})
    wrong = forms.wrongs(error)
    shown = [
        *forms.entries(KeyRequest, ("name",), typed, error),
        Entry(
            "purpose",
            "It is to",
            typed.get("purpose", "points"),
            "choice",
            [(name, text) for name, (text, _) in PURPOSES.items()],
            wrong=wrong.get("purpose", wrong.get("scopes", "")),
        ),
        Entry(
            "projects",
            "Projects",
            typed.get("projects", ""),
            "area",
            hint="Names of the only ones that it reaches, one a line; empty: all.",
            wrong=wrong.get("projects", ""),
        ),
        Entry(
            "networks",
            "Networks",
            typed.get("networks", ""),
            "area",
            hint="Where it may be used from, such as 192.0.2.0/24, one a line; empty: from anywhere.",
            wrong=wrong.get("networks", ""),
        ),
        Entry("days", "It ends after", typed["days"], "choice", list(_DAYS.items()), wrong=wrong.get("expires_at", "")),
    ]
    return FormPage(
        title="New key",
        said="A key acts for you, as far as you say, and never further than you may.",
        back=Link("All keys", _LIST),
        action=f"{_LIST}/new",
        button="Make it",
        entries=shown,
        refusal=refusal(error, [*shown, Entry("scopes", ""), Entry("expires_at", "")]),
    ).shown(call, error)


def _create(call: Call) -> Response:
    made, error = attempted(call.session, lambda: api.create_key(PageUnit(call), _asked(call)))
    return _new(call, error) if made is None else _show(call, made=made, said="It was made.")


def _asked(call: Call) -> KeyRequest:
    typed = call.content
    purpose = typed.get("purpose", "")
    if purpose not in PURPOSES:
        raise InvalidInput.field("purpose", "Say what it is for.")
    fixed: dict[str, Any] = {"scopes": PURPOSES[purpose][1], "expires_at": _end(typed.get("days", ""))}
    for name, find in (("projects", _project(call)), ("networks", str)):
        if lines := [line.strip() for line in typed.get(name, "").splitlines() if line.strip()]:
            fixed[name] = list(map(find, lines))
    return forms.read(KeyRequest, ("name",), typed, **fixed)


def _end(days: str) -> datetime | None:
    if days not in _DAYS:
        raise InvalidInput.field("expires_at", "Say after how many days it ends.")
    return now() + timedelta(days=int(days)) if days else None


def _project(call: Call) -> Callable[[str], str]:
    def find(text: str) -> str:
        try:
            return projects.find_project(call.session, call.principal, text).id
        except NotFound:
            raise InvalidInput.field("projects", f"There is no project {text[:80]!r}.") from None

    return find


def _rotate(call: Call) -> Response:
    made, error = attempted(call.session, lambda: api.rotate_key(PageUnit(call), call.path["id"]))
    said = "It has a new token; the one of before works for a while."
    return _show(call, error) if made is None else _show(call, made=made, said=said)


def _rename(call: Call) -> Response:
    def act(unit: PageUnit, key_id: str) -> object:
        return api.change_key(unit, key_id, forms.read(KeyChanges, ("name",), call.content))

    return done(call, _LIST, act, _show)


def _revoke(call: Call) -> Response:
    return done(call, _LIST, api.revoke_key, _show)


PAGES = (
    Page("GET", _LIST, _list, "identity", "read", access="own"),
    Page("GET", f"{_LIST}/new", _new, "identity", "write", access="own", write=False),
    Page("POST", f"{_LIST}/new", _create, "identity", "write", access="own", parse=form),
    Page("GET", f"{_LIST}/{{id}}", _show, "identity", "read", access="own"),
    Page("POST", f"{_LIST}/{{id}}/name", _rename, "identity", "write", access="own", parse=form),
    Page("POST", f"{_LIST}/{{id}}/rotate", _rotate, "identity", "write", access="own", parse=form),
    Page("POST", f"{_LIST}/{{id}}/revoke", _revoke, "identity", "write", access="own", parse=form),
)
