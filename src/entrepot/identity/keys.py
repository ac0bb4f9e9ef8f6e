"""API keys: random tokens, stored as SHA-256, that expire, rotate and can be revoked."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, and_, bindparam, or_, select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.errors import NotFound
from entrepot.identity.models import ApiKey, Membership, Role, User
from entrepot.identity.principal import Principal, parse_scopes


def token_sha256(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def create_key(
    session: Session,
    user_id: str,
    organization_id: str,
    *,
    name: str = "",
    scopes: list[str] | None = None,
    expires: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key and return it with its token, which cannot be had again."""
    token = _new_token()
    key = ApiKey(
        user_id=user_id,
        organization_id=organization_id,
        name=name,
        token_sha256=token_sha256(token),
        scopes=parse_scopes(scopes),
        expires=expires,
    )
    session.add(key)
    session.flush()
    return key, token


def find_principal(session: Session, token: str) -> Principal | None:
    """Return who the usable key of this token acts for: a key neither revoked nor expired, of a user who still may.

    One statement for all of it, because every request asks.
    """
    digest, instant = token_sha256(token), now()
    row = session.execute(_BY_TOKEN, {"digest": digest}).one_or_none()
    if row is None or (row.expires and row.expires <= instant):
        return None
    if row.token_sha256 != digest and (row.previous_expires is None or row.previous_expires <= instant):
        return None
    return Principal(
        user_id=row.user_id,
        login=row.login,
        organization_id=row.organization_id,
        roles={row.organization_id: Role(row.role)},
        key_id=row.id,
        scopes=None if row.scopes is None else frozenset(row.scopes),
    )


def get_key(session: Session, principal: Principal, key_id: str) -> ApiKey:
    """Return a key that the caller may see: its own, or any of the organization for an administrator."""
    key = session.get(ApiKey, key_id)
    if key is None or key.organization_id not in principal.roles:
        raise NotFound("Key not found.")
    if key.user_id != principal.user_id and not principal.can("admin", key.organization_id):
        raise NotFound("Key not found.")
    return key


def list_keys(session: Session, principal: Principal) -> list[ApiKey]:
    """Return the keys of the caller's organization that it may see, newest first."""
    query = select(ApiKey).where(ApiKey.organization_id == principal.organization_id)
    if not principal.can("admin"):
        query = query.where(ApiKey.user_id == principal.user_id)
    return list(session.scalars(query.order_by(ApiKey.created.desc(), ApiKey.id)))


def rotate_key(session: Session, key: ApiKey, grace: timedelta) -> str:
    """Give the key a new token and return it; the old one keeps working for the grace period."""
    token = _new_token()
    key.previous_sha256, key.previous_expires = key.token_sha256, now() + grace
    key.token_sha256 = token_sha256(token)
    session.flush()
    return token


def revoke_key(session: Session, key: ApiKey) -> None:
    """End the key, and its previous token, at once."""
    key.revoked = key.revoked or now()
    session.flush()


def _new_token() -> str:
    return f"ent_{secrets.token_urlsafe(32)}"


_key, _user, _member = (cast("Table", model.__table__).c for model in (ApiKey, User, Membership))
_BY_TOKEN = (
    select(
        *(_key.id, _key.token_sha256, _key.previous_expires, _key.expires, _key.scopes, _key.organization_id),
        *(_key.user_id, _user.login, _member.role),
    )
    .join_from(ApiKey.__table__, User.__table__, _user.id == _key.user_id)
    .join(Membership.__table__, and_(_member.user_id == _key.user_id, _member.organization_id == _key.organization_id))
    .where(
        or_(_key.token_sha256 == bindparam("digest"), _key.previous_sha256 == bindparam("digest")),
        _key.revoked.is_(None),
        _user.disabled.is_(False),
    )
)
