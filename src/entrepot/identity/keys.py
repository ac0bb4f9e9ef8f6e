"""API keys: random tokens, stored as SHA-256, that are narrowed, expire, rotate and can be revoked.

Nobody gets more than they have: what a key makes, changes, rotates or shows is its user's own and no wider than itself.
Administrators see that keys of others exist, and revoke them; they cannot become another.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

import orjson
from sqlalchemy import Connection, Select, Table, Text, and_, bindparam, or_, select
from sqlalchemy import cast as cast_to
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.db.driver import fetch
from entrepot.db.types import read_instant
from entrepot.errors import Conflict, Forbidden, InvalidInput, NotFound
from entrepot.identity.models import ApiKey, Membership, Project, Role, User
from entrepot.identity.principal import Principal
from entrepot.identity.reach import Reach, named, parse_networks, parse_scopes


def token_sha256(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def create_key(
    session: Session,
    user_id: str,
    organization_id: str,
    *,
    name: str = "",
    scopes: Sequence[str] | None = None,
    projects: Sequence[str] | None = None,
    series: Sequence[str] | None = None,
    networks: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key and return it with its token, which cannot be had again.

    Whoever calls this answers for what it gives away: see :func:`create_own_key` for callers who hold a key themselves.

    Parameters
    ----------
    scopes, projects, series, networks
        What the key is narrowed to (see :class:`~entrepot.identity.reach.Reach`); of series, whoever calls this makes
        sure that they are the organization's.

    Raises
    ------
    InvalidInput
        Names the field at fault.
    """
    if projects is not None:
        projects = _projects_of(session, organization_id, projects)
    found = parse_networks(networks)
    token = _new_token()
    key = ApiKey(
        user_id=user_id,
        organization_id=organization_id,
        name=name,
        token_sha256=token_sha256(token),
        scopes=parse_scopes(scopes),
        projects=projects,
        series=None if series is None else named("series", series),
        networks=None if found is None else [str(network) for network in found],
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    return key, token


def create_own_key(session: Session, principal: Principal, name: str = "", **asked: Any) -> tuple[ApiKey, str]:
    """Create a key for the caller, no wider than the one it comes with; what is not asked for is as the caller's.

    Parameters
    ----------
    asked
        ``scopes``, ``projects``, ``series``, ``networks`` and ``expires_at`` of :func:`create_key`.

    Raises
    ------
    Forbidden
        What is asked for is wider, or the caller came with the old token of a key.
    """
    principal.require_current()
    reach = principal.reach
    inherited = {
        "scopes": None if reach.scopes is None else sorted(reach.scopes),
        "projects": None if reach.projects is None else sorted(reach.projects),
        "series": None if reach.series is None else sorted(reach.series),
        "networks": None if reach.networks is None else [str(network) for network in reach.networks],
        "expires_at": reach.expires_at,
    }
    wanted = {**inherited, **{field: value for field, value in asked.items() if value is not None}}
    key, token = create_key(session, principal.user_id, principal.organization_id, name=name, **wanted)
    _require_no_wider(principal, key)
    return key, token


def find_principal(session: Session | Connection, token: str) -> Principal | None:
    """Return who the usable key of this token acts for: a key neither revoked nor expired, of a user who still may.

    One statement for all of it, because every request asks. What is kept in memory is what its row means, and never
    that it is there: so whatever ends or narrows a key does so for the next request, whichever process did it.
    """
    digest, instant = token_sha256(token), now()
    for row in fetch(session, _BY_TOKEN, {"digest": digest}):
        usable = _usable(row)
        if usable.expires_at and usable.expires_at <= instant:
            return None
        if usable.token_sha256 == digest:
            return usable.principal
        return usable.old_principal if usable.previous_expires_at and usable.previous_expires_at > instant else None
    return None


def find_principal_of(session: Session, key_id: str) -> Principal | None:
    """Return who a key acts for, as :func:`find_principal`; for what was begun with the key, and goes on."""
    for row in fetch(session, _BY_ID, {"key_id": key_id}):
        usable = _usable(row)
        return None if usable.expires_at and usable.expires_at <= now() else usable.principal
    return None


def reach_of(key: ApiKey) -> Reach:
    """Return how far a key reaches."""
    return _reach(key.scopes, key.projects, key.series, key.networks, key.expires_at)


def get_key(session: Session, principal: Principal, key_id: str) -> ApiKey:
    """Return a key that the caller may see: one of its own, or any of the organization for administrators.

    Raises
    ------
    NotFound
        There is none, it belongs to others, or it is wider than the key that the caller comes with.
    """
    key = session.get(ApiKey, key_id)
    if key is None or not is_visible(principal, key):
        raise NotFound("Key not found.")
    return key


def get_key_to_revoke(session: Session, principal: Principal, key_id: str) -> ApiKey:
    """Return a key that the caller may end: each that it may see, unless it came with the old token of a key."""
    principal.require_current()
    return get_key(session, principal, key_id)


def get_own_key(session: Session, principal: Principal, key_id: str) -> ApiKey:
    """Return a key that the caller may rotate and change: its own, and no wider than the one that it comes with.

    Raises
    ------
    NotFound
        It cannot be seen.
    Forbidden
        It is another's or wider, or the caller came with the old token of a key.
    """
    key = get_key(session, principal, key_id)
    if key.user_id != principal.user_id:
        raise Forbidden("This key is another user's: an administrator can revoke it, but neither change nor rotate it.")
    _require_no_wider(principal, key)
    principal.require_current()
    return key


def kept_for(principal: Principal) -> Select[Any]:
    """Return the query of the keys that the caller may perhaps see: which it may, :func:`is_visible` says."""
    query = select(ApiKey).where(ApiKey.organization_id == principal.organization_id)
    return (
        query if administers(principal, principal.organization_id) else query.where(ApiKey.user_id == principal.user_id)
    )


def list_keys(session: Session, principal: Principal) -> list[ApiKey]:
    """Return the keys of the caller's organization that it may see, newest first."""
    found = session.scalars(kept_for(principal).order_by(ApiKey.created_at.desc(), ApiKey.id))
    return [key for key in found if is_visible(principal, key)]


def change_scopes(session: Session, principal: Principal, key: ApiKey, scopes: Sequence[str]) -> None:
    """Give one of the caller's own keys other scopes, no wider than those that the caller has.

    Raises
    ------
    Forbidden
        They are wider.
    """
    key.scopes = parse_scopes(scopes)
    _require_no_wider(principal, key)
    session.flush()


def configure(session: Session, key: ApiKey, settings: Mapping[str, Any]) -> None:
    """Set what a key names for itself, such as ``storage``; the rest stays."""
    key.config = key.config | dict(settings)
    session.flush()


def rotate_key(session: Session, key: ApiKey, grace: timedelta) -> str:
    """Give the key a new token and return it; the old one works for the grace period, but not on keys.

    Raises
    ------
    Conflict
        The key is revoked: a new token would not work.
    """
    if key.revoked_at:
        raise Conflict("The key is revoked.")
    token = _new_token()
    key.previous_sha256, key.previous_expires_at = key.token_sha256, now() + grace
    key.token_sha256 = token_sha256(token)
    session.flush()
    return token


def revoke_key(session: Session, key: ApiKey) -> None:
    """End the key, and its previous token, at once."""
    key.revoked_at = key.revoked_at or now()
    session.flush()


def _require_no_wider(principal: Principal, key: ApiKey) -> None:
    if field := reach_of(key).wider(principal.reach):
        raise Forbidden(f"This is wider than the key that you come with, in its {field}.")


def is_visible(principal: Principal, key: ApiKey) -> bool:
    """Tell whether the caller may see a key: its own ones that are no wider than the one that it comes with."""
    own = key.user_id == principal.user_id and (key.organization_id in principal.roles or bool(principal.bound))
    return (own and reach_of(key).wider(principal.reach) is None) or administers(principal, key.organization_id)


def administers(principal: Principal, organization_id: str) -> bool:
    """Tell whether the caller administers an organization's members and keys."""
    return principal.can("admin", organization_id) and principal.reach.allows("identity", "admin")


def _projects_of(session: Session, organization_id: str, ids: Sequence[str]) -> list[str]:
    wanted = named("projects", ids)
    query = select(Project.id).where(Project.id.in_(wanted), Project.organization_id == organization_id)
    if unknown := set(wanted) - set(session.scalars(query)):
        raise InvalidInput.field("projects", f"There is no project {min(unknown)[:40]}.")
    return wanted


def _reach(
    scopes: Sequence[str] | None,
    projects: Sequence[str] | None,
    series: Sequence[str] | None,
    networks: Sequence[str] | None,
    expires_at: datetime | None,
) -> Reach:
    # What was stored is well-formed; an empty list, which is never stored, would be a key of no network.
    found = None if networks is None else parse_networks(networks)
    return Reach(_frozen(scopes), _frozen(projects), _frozen(series), found, expires_at)


def _frozen(values: Sequence[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _new_token() -> str:
    return f"ent_{secrets.token_urlsafe(32)}"


@dataclass(frozen=True)
class _Usable:
    """What the row of a usable key means."""

    token_sha256: str
    previous_expires_at: datetime | None
    expires_at: datetime | None
    principal: Principal  #: who comes with its token
    old_principal: Principal  #: who comes with the one that it had before


@lru_cache(4096)
def _usable(row: tuple[Any, ...]) -> _Usable:
    id_, token, previous_expires_at, expires_at, *narrowed, organization_id, user_id, login, role = row
    scopes, projects, series, networks = (None if text is None else orjson.loads(text) for text in narrowed)
    reach = _reach(scopes, projects, series, networks, _instant(expires_at))
    bound = reach.series if reach.series is not None else reach.projects
    principal = Principal(
        user_id=user_id,
        login=login,
        organization_id=organization_id,
        roles={organization_id: Role(role)} if bound is None else {},
        key_id=id_,
        reach=reach,
        bound=dict.fromkeys(bound or (), Role(role)),
    )
    return _Usable(token, _instant(previous_expires_at), reach.expires_at, principal, replace(principal, is_old=True))


def _instant(value: datetime | str | None) -> datetime | None:
    return None if value is None else read_instant(value)


_key, _user, _member = (cast("Table", model.__table__).c for model in (ApiKey, User, Membership))
_USABLE: Select[Any] = (
    select(
        *(_key.id, _key.token_sha256, _key.previous_expires_at, _key.expires_at),
        *(cast_to(column, Text) for column in (_key.scopes, _key.projects, _key.series, _key.networks)),
        *(_key.organization_id, _key.user_id, _user.login, _member.role),
    )
    .join_from(ApiKey.__table__, User.__table__, _user.id == _key.user_id)
    .join(Membership.__table__, and_(_member.user_id == _key.user_id, _member.organization_id == _key.organization_id))
    .where(_key.revoked_at.is_(None), _user.disabled.is_(False))
)
_BY_TOKEN = _USABLE.where(
    or_(_key.token_sha256 == bindparam("digest"), _key.previous_sha256 == bindparam("digest")),
)
_BY_ID = _USABLE.where(_key.id == bindparam("key_id"))
