"""Members: the users of the caller's organization, with their roles."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from entrepot.errors import NotFound
from entrepot.identity import Membership, Organization, Role, User, users
from entrepot.server.api.nouns import NOT_KEPT, Name, Named, Noun, Page, Sought, called, listed, worded
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["members"])


class MemberRequest(Noun):
    """A new user of the organization."""

    login: Name
    role: Role
    email: Annotated[str, Field(max_length=300)] = ""


class MemberChanges(Noun):
    """What is to change of a member."""

    role: Role


class MemberShown(Noun):
    """A user with a role in the organization."""

    id: str
    login: str
    role: Annotated[Role, NOT_KEPT]
    email: str
    disabled: bool
    created_at: Annotated[datetime, NOT_KEPT]


class MemberMade(MemberShown):
    """A member with a password, which is shown this once."""

    password: Annotated[str, NOT_KEPT]


@router.serve("GET", "/members", area="identity", right="read")
def list_members(unit: Unit, asked: Sought, login: Named = None) -> Page[MemberShown]:
    """List the members of the caller's organization by login."""
    unit.principal.require("read")
    organization_id = unit.principal.organization_id
    query = select(Membership).where(Membership.organization_id == organization_id, *worded(asked.q, Membership.login))
    if login is not None:
        query = query.where(called(Membership.login, login))
    query = query.options(selectinload(Membership.user))
    order = (Membership.login, Membership.user_id)
    return listed(unit, query, order, asked, lambda rows: [_told(one.user, one) for one in rows])


@router.serve("POST", "/members", area="identity", right="admin", status=201)
def create_member(unit: Unit, given: MemberRequest) -> MemberMade:
    """Create a user of the organization; the password is in this answer and nowhere else."""
    organization = _organization(unit)
    user, password = users.create_user(unit.session, given.login, email=given.email)
    users.set_member(unit.session, user, organization, given.role)
    return MemberMade(**_shown(unit, user).model_dump(), password=password)


@router.serve("GET", "/members/{user_id}", area="identity", right="read")
def get_member(unit: Unit, user_id: str) -> MemberShown:
    """Return a member."""
    unit.principal.require("read")
    return _shown(unit, _user(unit, user_id))


@router.serve("PATCH", "/members/{user_id}", area="identity", right="admin")
def change_member(unit: Unit, user_id: str, given: MemberChanges) -> MemberShown:
    """Give a member another role; one administrator stays."""
    organization, user = _organization(unit), _user(unit, user_id)
    users.set_member(unit.session, user, organization, given.role)
    return _shown(unit, user)


@router.serve("DELETE", "/members/{user_id}", area="identity", right="admin", status=204)
def delete_member(unit: Unit, user_id: str) -> None:
    """Take a member out of the organization; its keys there work no more."""
    organization, user = _organization(unit), _user(unit, user_id)
    users.remove_member(unit.session, user, organization)


def _organization(unit: Unit) -> Organization:
    unit.principal.require("admin")
    unit.principal.require_current()
    return unit.session.get_one(Organization, unit.principal.organization_id)


def _membership(unit: Unit, user_id: str) -> Membership | None:
    return unit.session.get(Membership, (user_id, unit.principal.organization_id))


def _user(unit: Unit, user_id: str) -> User:
    if _membership(unit, user_id) is None:
        raise NotFound("Member not found.")
    return unit.session.get_one(User, user_id)


def _shown(unit: Unit, user: User) -> MemberShown:
    membership = _membership(unit, user.id)
    assert membership is not None, "it was looked for among the members"
    return _told(user, membership)


def _told(user: User, membership: Membership) -> MemberShown:
    return MemberShown.showing(user, role=Role(membership.role), created_at=membership.created_at)
