"""API keys: random tokens, stored as SHA-256, that are narrowed, expire, rotate and can be revoked.

Nobody gets more than they have: what a key makes, changes, rotates or shows is its user's own and no wider than itself.
Administrators see that keys of others exist, and revoke them; they cannot become another.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Row, Select, Table, and_, bindparam, or_, select
from sqlalchemy.orm import Session

from entrepot.db import now
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
    expires: datetime | None = None,
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
        expires=expires,
    )
    session.add(key)
    session.flush()
    return key, token


def create_own_key(session: Session, principal: Principal, name: str = "", **asked: Any) -> tuple[ApiKey, str]:
    """Create a key for the caller, no wider than the one it comes with; what is not asked for is as the caller's.

    Parameters
    ----------
    asked
        ``scopes``, ``projects``, ``series``, ``networks`` and ``expires`` of :func:`create_key`.

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
        "expires": reach.expires,
    }
    wanted = {**inherited, **{field: value for field, value in asked.items() if value is not None}}
    key, token = create_key(session, principal.user_id, principal.organization_id, name=name, **wanted)
    _require_no_wider(principal, key)
    return key, token


def find_principal(session: Session, token: str) -> Principal | None:
    """Return who the usable key of this token acts for: a key neither revoked nor expired, of a user who still may.

    One statement for all of it, because every request asks.
    """
    digest, instant = token_sha256(token), now()
    row = session.execute(_BY_TOKEN, {"digest": digest}).one_or_none()
    if row is None or (row.expires and row.expires <= instant):
        return None
    is_old = row.token_sha256 != digest
    if is_old and (row.previous_expires is None or row.previous_expires <= instant):
        return None
    return _principal(row, is_old=is_old)


def find_principal_of(session: Session, key_id: str) -> Principal | None:
    """Return who a key acts for, as :func:`find_principal`; for what was begun with the key, and goes on."""
    row = session.execute(_BY_ID, {"key_id": key_id}).one_or_none()
    return None if row is None or (row.expires and row.expires <= now()) else _principal(row)


def reach_of(key: ApiKey | Row[Any]) -> Reach:
    """Return how far a key reaches."""
    return Reach(
        _frozen(key.scopes),
        _frozen(key.projects),
        _frozen(key.series),
        # What was stored is well-formed; an empty list, which is never stored, would be a key of no network.
        None if key.networks is None else parse_networks(key.networks),
        key.expires,
    )


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
        query
        if _administers(principal, principal.organization_id)
        else query.where(ApiKey.user_id == principal.user_id)
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
    """Set what a key names for itself, such as ``storage_config``; the rest stays."""
    key.config = key.config | dict(settings)
    session.flush()


def rotate_key(session: Session, key: ApiKey, grace: timedelta) -> str:
    """Give the key a new token and return it; the old one works for the grace period, but not on keys.

    Raises
    ------
    Conflict
        The key is revoked: a new token would not work.
    """
    if key.revoked:
        raise Conflict("The key is revoked.")
    token = _new_token()
    key.previous_sha256, key.previous_expires = key.token_sha256, now() + grace
    key.token_sha256 = token_sha256(token)
    session.flush()
    return token


def revoke_key(session: Session, key: ApiKey) -> None:
    """End the key, and its previous token, at once."""
    key.revoked = key.revoked or now()
    session.flush()


def _require_no_wider(principal: Principal, key: ApiKey) -> None:
    if field := reach_of(key).wider(principal.reach):
        raise Forbidden(f"This is wider than the key that you come with, in its {field}.")


def is_visible(principal: Principal, key: ApiKey) -> bool:
    """Tell whether the caller may see a key: its own ones that are no wider than the one that it comes with."""
    own = key.user_id == principal.user_id and (key.organization_id in principal.roles or bool(principal.bound))
    return (own and reach_of(key).wider(principal.reach) is None) or _administers(principal, key.organization_id)


def _administers(principal: Principal, organization_id: str) -> bool:
    return principal.can("admin", organization_id) and principal.reach.allows("identity", "admin")


def _projects_of(session: Session, organization_id: str, ids: Sequence[str]) -> list[str]:
    wanted = named("projects", ids)
    query = select(Project.id).where(Project.id.in_(wanted), Project.organization_id == organization_id)
    if unknown := set(wanted) - set(session.scalars(query)):
        raise InvalidInput.field("projects", f"There is no project {min(unknown)[:40]}.")
    return wanted


def _frozen(values: Sequence[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _new_token() -> str:
    return f"ent_{secrets.token_urlsafe(32)}"


def _principal(row: Row[Any], *, is_old: bool = False) -> Principal:
    reach, role = reach_of(row), Role(row.role)
    bound = reach.series if reach.series is not None else reach.projects
    return Principal(
        user_id=row.user_id,
        login=row.login,
        organization_id=row.organization_id,
        roles={row.organization_id: role} if bound is None else {},
        key_id=row.id,
        reach=reach,
        bound=dict.fromkeys(bound or (), role),
        is_old=is_old,
    )


_key, _user, _member = (cast("Table", model.__table__).c for model in (ApiKey, User, Membership))
_USABLE: Select[Any] = (
    select(
        *(_key.id, _key.token_sha256, _key.previous_expires, _key.expires, _key.scopes, _key.projects, _key.series),
        *(_key.networks, _key.organization_id, _key.user_id, _user.login, _member.role),
    )
    .join_from(ApiKey.__table__, User.__table__, _user.id == _key.user_id)
    .join(Membership.__table__, and_(_member.user_id == _key.user_id, _member.organization_id == _key.organization_id))
    .where(_key.revoked.is_(None), _user.disabled.is_(False))
)
_BY_TOKEN = _USABLE.where(
    or_(_key.token_sha256 == bindparam("digest"), _key.previous_sha256 == bindparam("digest")),
)
_BY_ID = _USABLE.where(_key.id == bindparam("key_id"))
