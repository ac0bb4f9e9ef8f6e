"""Members of the organization: who they are, with which role, and how they are added, changed and taken out."""

from urllib.parse import urlencode

from sqlalchemy import Row, Select, select
from starlette.responses import RedirectResponse, Response

from entrepot.errors import EntrepotError, NotFound
from entrepot.identity import Membership, Role, User
from entrepot.server.api import members as api
from entrepot.server.api.members import MemberChanges, MemberMade, MemberRequest
from entrepot.server.api.nouns import worded
from entrepot.server.console import forms
from entrepot.server.console.form_page import Deletion, FormPage, refusal, require_named
from entrepot.server.console.listing import Cell, Column, Field, Link, Listing, State, order
from entrepot.server.console.native import PageUnit, attempted, done
from entrepot.server.console.page import Page, administers, form
from entrepot.server.console.thing import Action, Thing
from entrepot.server.endpoint import Call

PLACE = "/console/people"
_FIELDS = ("login", "role", "email")
_MEANT = {
    Role.READER: "sees everything of the organization",
    Role.WRITER: "makes and changes things, too",
    Role.ADMIN: "changes members, webhooks and storages, too",
}
_FOLLOWS = "Its keys and sessions reach nothing of the organization any more; what it made stays."
_PASSWORD = "Password of the new member, to be told by a safe way; it gives itself another one"  # noqa: S105 - a label


def lists(call: Call) -> tuple[Link, ...]:
    """Return the lists about people that the caller may see."""
    own = (Link("Keys", f"{PLACE}/keys"), Link("Sessions", f"{PLACE}/sessions"), Link("Password", f"{PLACE}/password"))
    members = (Link("Members", PLACE),)
    return (*members, *own, *([Link("Audit log", f"{PLACE}/audit")] if administers(call) else []))


def role_of(call: Call, user_id: str) -> Row[User, Membership]:
    """Return a member of the caller's organization with its membership."""
    call.principal.require("read")
    found = call.session.execute(_members(call).where(User.id == user_id)).one_or_none()
    if found is None:
        raise NotFound("Member not found.")
    return found


def _members(call: Call) -> Select[User, Membership]:
    query = select(User, Membership).join(Membership, Membership.user_id == User.id)
    return query.where(Membership.organization_id == call.principal.organization_id)


def _list(call: Call) -> Response:
    call.principal.require("read")
    q, role = call.query.get("q", "").strip()[:200], call.query.get("role", "")
    query = _members(call).where(*worded(q, Membership.login))
    if role:
        query = query.where(Membership.role == role)
    query = query.order_by(
        order(call, {"login": Membership.login, "since": Membership.created_at}, "login"), Membership.user_id
    )

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return [
            (
                Link(user.login, f"{PLACE}/{user.id}"),
                str(membership.role),
                user.email,
                State("disabled" if user.disabled else "good", "" if user.disabled else "may sign in"),
                membership.created_at,
            )
            for user, membership in call.session.execute(query.offset(offset).limit(limit))
        ]

    fields = (
        Field("q", "Words of the login", q),
        Field("role", "Role", role, (("", "any"), *((str(one), str(one)) for one in Role))),
    )
    columns = (Column("Login", "login"), "Role", "Mail", "State", Column("Member since", "since"))
    make = Link("Add a member", f"{PLACE}/new") if administers(call) else None
    return Listing("People", columns, read, fields, make=make, others=lists(call)).shown(call)


def _show(call: Call, error: EntrepotError | None = None, made: MemberMade | None = None) -> Response:
    user, membership = role_of(call, made.id if made else call.path["id"])
    page, may = f"{PLACE}/{user.id}", administers(call)
    links = _links(user) if may else _links(user)[:2] if user.id == call.principal.user_id else []
    role = forms.entries(MemberChanges, ("role",), {"role": str(membership.role)} | _again(call), error)
    return Thing(
        title=user.login,
        back=Link("All members", PLACE),
        said="It was added." if made else "",
        secret=(_PASSWORD, made.password) if made else None,
        facts=[
            ("Role", f"{membership.role}: {_MEANT[Role(membership.role)]}"),
            ("Mail", user.email),
            ("State", State("disabled", "disabled: the operator lets it in again") if user.disabled else None),
            ("Member since", membership.created_at),
        ],
        links=links,
        actions=[Action("Role", f"{page}/role", "Give it this role", role)] if may else [],
        deletion=Deletion(f"{page}/remove", "member", user.login, _FOLLOWS) if may else None,
        refusal=refusal(error),
    ).shown(call, error)


def _links(user: User) -> list[Link]:
    of = urlencode({"login": user.login})
    return [
        Link("Keys", f"{PLACE}/keys?{of}"),
        Link("Sessions", f"{PLACE}/sessions?{urlencode({'member': user.id})}"),
        Link("What it did", f"{PLACE}/audit?{of}"),
    ]


def _again(call: Call) -> dict[str, str]:
    """Return the role that was typed, where it was refused."""
    typed = call.content or {}
    return {"role": typed["role"]} if "id" in call.path and "role" in typed else {}


def _new(call: Call, error: EntrepotError | None = None) -> Response:
    call.principal.require("admin")
    typed = {"role": "reader"} | (call.content or {})
    shown = forms.entries(MemberRequest, _FIELDS, typed, error)
    return FormPage(
        title="Add a member",
        said="Somebody new, who gets a password of its own: "
        + "; ".join(f"{'an' if role == Role.ADMIN else 'a'} {role} {meant}" for role, meant in _MEANT.items())
        + ".",
        back=Link("All members", PLACE),
        action=f"{PLACE}/new",
        button="Add it",
        entries=shown,
        refusal=refusal(error, shown),
    ).shown(call, error)


def _create(call: Call) -> Response:
    made, error = attempted(
        call.session, lambda: api.create_member(PageUnit(call), forms.read(MemberRequest, _FIELDS, call.content))
    )
    return _new(call, error) if made is None else _show(call, made=made)


def _change(call: Call) -> Response:
    def act(unit: PageUnit, user_id: str) -> object:
        return api.change_member(unit, user_id, forms.read(MemberChanges, ("role",), call.content))

    return done(call, PLACE, act, _show)


def _remove(call: Call) -> Response:
    user, _ = role_of(call, call.path["id"])
    call.principal.require("admin")
    require_named(call, user.login)
    _, error = attempted(call.session, lambda: api.delete_member(PageUnit(call), user.id))
    return _show(call, error) if error else RedirectResponse(PLACE, 303)


PAGES = (
    Page("GET", PLACE, _list, "identity", "read"),
    Page("GET", f"{PLACE}/new", _new, "identity", "admin", write=False),
    Page("POST", f"{PLACE}/new", _create, "identity", "admin", parse=form),
    Page("GET", f"{PLACE}/{{id}}", _show, "identity", "read"),
    Page("POST", f"{PLACE}/{{id}}/role", _change, "identity", "admin", parse=form),
    Page("POST", f"{PLACE}/{{id}}/remove", _remove, "identity", "admin", parse=form),
)
