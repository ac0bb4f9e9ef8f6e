"""Organizations, users and their memberships."""

import functools
import secrets
from collections.abc import Iterable
from email.utils import parseaddr

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import Connection, func, select, update
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock, now
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.identity import sessions
from entrepot.identity.models import ApiKey, Membership, Organization, Role, User

_HASHER = PasswordHasher()


def check_name(name: object, field: str = "name") -> str:
    """Return a name that people gave, stripped: 1 to 300 characters, none of them a control character."""
    if not isinstance(name, str):
        raise InvalidInput.field(field, "This must be text.")
    name = name.strip()
    if not name:
        raise InvalidInput.field(field, "This may not be blank.")
    if len(name) > 300:
        raise InvalidInput.field(field, "This may have at most 300 characters.")
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in name):
        raise InvalidInput.field(field, "This may not contain control characters.")
    return name


def create_organization(session: Session, name: str, description: str = "") -> Organization:
    """Create an organization; its name is unique on the server."""
    organization = Organization(name=_free_name(session, name), description=description)
    session.add(organization)
    session.flush()
    return organization


def rename_organization(session: Session, organization: Organization, name: object) -> None:
    """Give an organization another name, which no other on the server has."""
    if name != organization.name:
        organization.name = _free_name(session, name)
        session.flush()


def _free_name(session: Session, name: object) -> str:
    name = check_name(name)
    advisory_lock(session, "organization", name)
    if session.scalar(select(Organization.id).where(Organization.name == name)):
        raise Conflict(f"An organization named {name!r} exists.")
    return name


def find_organization(session: Session, name: str) -> Organization:
    """Return the organization of this name."""
    organization = session.scalar(select(Organization).where(Organization.name == name))
    if organization is None:
        raise NotFound(f"There is no organization named {name!r}.")
    return organization


def create_user(session: Session, login: str, password: str | None = None, email: str = "") -> tuple[User, str]:
    """Create a user and return it with its password, which is made up when none is given.

    Raises
    ------
    Conflict
        The login is taken.
    InvalidInput
        The login has a colon (Basic authentication could not carry it) or the password is shorter than 8 characters.
    """
    login = check_name(login, "login")
    if ":" in login:
        raise InvalidInput.field("login", "This may not contain a colon.")
    advisory_lock(session, "user", login)
    if session.scalar(select(User.id).where(User.login == login)):
        raise Conflict(f"A user named {login!r} exists.")
    password = password if password is not None else secrets.token_urlsafe(15)
    user = User(login=login, password_hash=hash_password(password), email=email)
    session.add(user)
    session.flush()
    return user, password


def find_user(session: Session, login: str) -> User:
    """Return the user of this login."""
    user = session.scalar(select(User).where(User.login == login))
    if user is None:
        raise NotFound(f"There is no user named {login!r}.")
    return user


def set_password(session: Session, user: User, password: str | None = None, *, hashed: str | None = None) -> str:
    """Give the user another password, made up when none is given, and return it; who is signed in is so no more.

    Parameters
    ----------
    hashed
        The hash of the password, where that was made before.
    """
    password = password if password is not None else secrets.token_urlsafe(15)
    user.password_hash = hashed or hash_password(password)
    sessions.end_all(session, user.id)
    session.flush()
    return password


def disable(session: Session, user: User) -> None:
    """Keep a user out of every organization at once: no password, session or FTP login works, and its keys end.

    Roles stay, and so does what the user made. Every door looks at ``disabled`` on each request.
    """
    user.disabled = True
    mine = update(ApiKey).where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None))
    session.execute(mine.values(revoked_at=now()))
    sessions.end_all(session, user.id)
    session.flush()


def enable(session: Session, user: User) -> None:
    """Let a user in again with its password; keys that ended stay ended."""
    user.disabled = False
    session.flush()


def set_mail(session: Session, user: User, address: str | None = None, *, wanted: bool | None = None) -> None:
    """Change where a user's notices are mailed to, or whether they are wanted at all.

    Raises
    ------
    InvalidInput
        This is not one address.
    """
    if address is not None:
        parsed = parseaddr(address)[1]
        if address and (parsed != address or "@" not in address[1:-1] or any(ord(c) <= 32 for c in address)):
            raise InvalidInput.field("email", "This is not an address such as ada@example.org.")
        user.email = address
    if wanted is not None:
        user.mail_notices = wanted
    session.flush()


def hash_password(password: str, field: str = "password") -> str:
    """Return the argon2 hash of a password of at least 8 characters, which a field holds."""
    if len(password) < 8:
        raise InvalidInput.field(field, "This must have at least 8 characters.")
    return _HASHER.hash(password)


@functools.cache
def _nobody() -> str:
    """Return what is checked when a login is unknown: the time of an answer does not tell which logins exist."""
    return _HASHER.hash(secrets.token_hex(16))


def password_matches(user: User | None, password: str) -> bool:
    """Tell whether this is the user's password; takes as long for a user that does not exist."""
    nobody = _nobody()
    try:
        _HASHER.verify(user.password_hash if user else nobody, password)
    except (Argon2Error, InvalidHashError):
        return False
    return user is not None and not user.disabled


def set_member(session: Session, user: User, organization: Organization, role: Role) -> None:
    """Make the user a member of the organization, or change its role.

    Raises
    ------
    Conflict
        The organization would lose its last administrator.
    """
    membership = session.get(Membership, (user.id, organization.id))
    if membership is None:
        session.add(Membership(user_id=user.id, organization_id=organization.id, login=user.login, role=role))
    elif membership.role != role:
        _keep_an_admin(session, membership)
        membership.role = role
    session.flush()


def remove_member(session: Session, user: User, organization: Organization) -> None:
    """End the user's membership; the last administrator cannot leave."""
    membership = session.get(Membership, (user.id, organization.id))
    if membership is None:
        raise NotFound(f"{user.login!r} is no member of {organization.name!r}.")
    _keep_an_admin(session, membership)
    session.delete(membership)
    session.flush()


def list_members(session: Session, organization_ids: Iterable[str]) -> list[tuple[User, Membership]]:
    """Return the members of organizations, by login."""
    query = (
        select(User, Membership)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.organization_id.in_(list(organization_ids)))
        .order_by(User.login, Membership.created_at)
    )
    return [(user, membership) for user, membership in session.execute(query)]


def memberships(session: Session | Connection, user_id: str) -> dict[str, Role]:
    """Return the user's role by organization, the oldest membership first."""
    query = (
        select(Membership.organization_id, Membership.role)
        .where(Membership.user_id == user_id)
        .order_by(Membership.created_at, Membership.organization_id)
    )
    return {organization_id: Role(role) for organization_id, role in session.execute(query)}


def _keep_an_admin(session: Session, leaving: Membership) -> None:
    others = (
        select(func.count())
        .select_from(Membership)
        .join(User, User.id == Membership.user_id)
        .where(
            Membership.organization_id == leaving.organization_id,
            Membership.role == Role.ADMIN,
            Membership.user_id != leaving.user_id,
            User.disabled.is_(False),
        )
    )
    if leaving.role == Role.ADMIN and not session.scalar(others):
        raise Conflict("An organization keeps at least one administrator.")
