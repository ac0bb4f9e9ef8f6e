"""API keys: what programs show to be let in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field

from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import ApiKey, User, keys
from entrepot.pipeline.generators import catalog
from entrepot.server.api.nouns import NOT_KEPT, Asked, Noun, Page, Reference, listed, user_names
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["keys"])


class KeyChanges(Noun):
    """What is to change of a key: what it may do stays."""

    name: Annotated[str, Field(max_length=300)] = ""


class KeyRequest(KeyChanges):
    """A new key; what is left out is as with the key that asks for it."""

    scopes: Annotated[
        list[str] | None, Field(description="`area:right`, such as `series:read`, or one piece of work.")
    ] = None
    projects: Annotated[list[str] | None, Field(description="Ids of the only ones that it reaches.")] = None
    series: Annotated[list[str] | None, Field(description="Ids of the only ones that it reaches.")] = None
    networks: Annotated[list[str] | None, Field(description="Where it may be used from.")] = None
    expires_at: AwareDatetime | None = None


class KeyShown(Noun):
    """An API key, without its token."""

    id: str
    user: Annotated[Reference | None, NOT_KEPT, Field(description="Whom it acts for.")]
    name: str
    scopes: list[str] | None
    projects: list[str] | None
    series: list[str] | None
    networks: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: Annotated[datetime | None, Field(description="To within a minute; null: not yet.")]
    last_used_from: str | None


class KeyMade(KeyShown):
    """An API key with its token, which is shown this once."""

    token: Annotated[str, NOT_KEPT]


@router.serve("GET", "/keys", area="identity", right="read", access="own")
def list_keys(unit: Unit, asked: Asked) -> Page[KeyShown]:
    """List the caller's keys that are no wider than the one it comes with; an administrator sees all there are."""
    query = keys.kept_for(unit.principal)

    def show(rows: Sequence[ApiKey]) -> list[KeyShown]:
        return _shown(unit, [key for key in rows if keys.is_visible(unit.principal, key)])

    return listed(unit, query, (ApiKey.created_at, ApiKey.id), asked, show, newest_first=True)


@router.serve("POST", "/keys", area="identity", right="write", status=201, access="own")
def create_key(unit: Unit, given: KeyRequest) -> KeyMade:
    """Create a key for the caller, no wider than the one it comes with; its token is in this answer and nowhere else.

    It may be bound to `projects` or `series`, and to the `networks` from which it is used.
    """
    if given.series is not None:
        _require_series(unit, given.series)
    with KeyRequest.naming():
        key, token = keys.create_own_key(unit.session, unit.principal, **given.kept(unset=True))
    return _with_token(unit, key, token)


@router.serve("GET", "/keys/{key_id}", area="identity", right="read", access="own")
def get_key(unit: Unit, key_id: str) -> KeyShown:
    """Return a key that the caller may see."""
    return _shown(unit, [keys.get_key(unit.session, unit.principal, key_id)])[0]


@router.serve("PATCH", "/keys/{key_id}", area="identity", right="write", access="own")
def change_key(unit: Unit, key_id: str, given: KeyChanges) -> KeyShown:
    """Give one of the caller's keys another name."""
    key = keys.get_own_key(unit.session, unit.principal, key_id)
    if "name" in given.model_fields_set:
        key.name = given.name
    return _shown(unit, [key])[0]


@router.serve("POST", "/keys/{key_id}/rotate", area="identity", right="write", access="own")
def rotate_key(unit: Unit, key_id: str) -> KeyMade:
    """Give one of the caller's keys a new token; the old one works for the grace period, but not on keys."""
    key = keys.get_own_key(unit.session, unit.principal, key_id)
    grace = timedelta(seconds=unit.services.settings.key_grace_seconds)
    return _with_token(unit, key, keys.rotate_key(unit.session, key, grace))


@router.serve("DELETE", "/keys/{key_id}", area="identity", right="write", access="own")
def revoke_key(unit: Unit, key_id: str) -> KeyShown:
    """Revoke a key at once: one of the caller's, or any of the organization for an administrator."""
    key = keys.get_key_to_revoke(unit.session, unit.principal, key_id)
    keys.revoke_key(unit.session, key)
    return _shown(unit, [key])[0]


def _require_series(unit: Unit, ids: list[str]) -> None:
    try:
        found = catalog.find_series(unit.session, unit.principal, ids=ids)
    except NotFound:
        found = []
    if any(one.organization_id != unit.principal.organization_id for one in found) or len(found) < len(set(ids)):
        raise InvalidInput.field("series", "One of them does not exist.")


def _with_token(unit: Unit, key: ApiKey, token: str) -> KeyMade:
    user = unit.session.get_one(User, key.user_id)
    return KeyMade.showing(key, user=Reference(id=user.id, name=user.login), token=token)


def _shown(unit: Unit, rows: Sequence[ApiKey]) -> list[KeyShown]:
    users = user_names(unit, rows)
    return [KeyShown.showing(key, user=users.get(key.user_id)) for key in rows]
