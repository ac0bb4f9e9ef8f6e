"""Who the caller is, and its API keys."""

from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import ApiKey, Organization, User, keys, limits, users
from entrepot.pipeline.generators import catalog
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["account"])


class OrganizationRole(BaseModel):
    """An organization and the caller's role in it."""

    id: str
    name: str
    role: str


class Me(BaseModel):
    """The caller."""

    id: str
    login: str
    email: str
    mail_notices: bool
    organization_id: str
    organizations: list[OrganizationRole]
    scopes: list[str] | None
    projects: list[str] | None
    series: list[str] | None
    networks: list[str] | None
    expires: datetime | None


class MeRequest(BaseModel):
    """What the caller changes of itself."""

    model_config = ConfigDict(extra="forbid")

    email: str | None = None
    mail_notices: bool | None = None


class Limit(BaseModel):
    """What an organization has of something, and the most that it may have; null: no limit."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    used: int
    most: int | None


class Key(BaseModel):
    """An API key, without its token."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    user_id: str
    name: str
    scopes: list[str] | None
    projects: list[str] | None
    series: list[str] | None
    networks: list[str] | None
    created: datetime = Field(validation_alias="created_at")
    expires: datetime | None
    revoked: datetime | None


class NewKey(Key):
    """An API key with its token, which is shown this once."""

    token: str


class KeyRequest(BaseModel):
    """What a new key is to be; what is left out is as with the key that asks for it."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    scopes: list[str] | None = None
    projects: list[str] | None = None
    series: list[str] | None = None
    networks: list[str] | None = None
    expires: AwareDatetime | None = None


@router.serve("GET", "/me", area="identity", right="read", access="own")
def me(unit: Unit) -> Me:
    """Return who the caller is and which organizations it belongs to."""
    return _me(unit)


@router.serve("GET", "/limits", area="identity", right="read")
def list_limits(unit: Unit) -> list[Limit]:
    """Return what the caller's organization has of what may be limited, and the most that it may have."""
    unit.principal.require("read")
    organization = unit.session.get_one(Organization, unit.principal.organization_id)
    return [Limit.model_validate(one) for one in limits.use_of(unit.session, organization)]


@router.serve("PATCH", "/me", area="identity", right="write", access="own")
def update_me(unit: Unit, request_: MeRequest) -> Me:
    """Change where the caller's notices are mailed to, and whether they are."""
    unit.principal.require_current()
    user = unit.session.get_one(User, unit.principal.user_id)
    users.set_mail(unit.session, user, request_.email, wanted=request_.mail_notices)
    return _me(unit)


def _me(unit: Unit) -> Me:
    principal = unit.principal
    user = unit.session.get_one(User, principal.user_id)
    # A key that is bound to projects acts in its organization, too, and is a member by what it may do there.
    organization_id = principal.organization_id
    roles = principal.roles or dict.fromkeys([organization_id], next(iter(principal.bound.values())))
    found = [unit.session.get_one(Organization, id_) for id_ in roles]
    reach = principal.reach
    return Me(
        id=principal.user_id,
        login=principal.login,
        email=user.email,
        mail_notices=user.mail_notices,
        organization_id=principal.organization_id,
        organizations=[OrganizationRole(id=o.id, name=o.name, role=roles[o.id]) for o in found],
        scopes=None if reach.scopes is None else sorted(reach.scopes),
        projects=None if reach.projects is None else sorted(reach.projects),
        series=None if reach.series is None else sorted(reach.series),
        networks=None if reach.networks is None else [str(network) for network in reach.networks],
        expires=reach.expires,
    )


@router.serve("GET", "/keys", area="identity", right="read", access="own")
def list_keys(unit: Unit) -> list[Key]:
    """List the caller's keys that are no wider than the one it comes with; an administrator sees all there are."""
    return [Key.model_validate(key) for key in keys.list_keys(unit.session, unit.principal)]


@router.serve("POST", "/keys", area="identity", right="write", status=201, access="own")
def create_key(unit: Unit, request_: KeyRequest) -> NewKey:
    """Create a key for the caller, no wider than the one it comes with; its token is in this answer and nowhere else.

    It may be bound to ``projects`` or ``series``, and to the ``networks`` from which it is used.
    """
    if request_.series is not None:
        _require_series(unit, request_.series)
    return _with_token(*keys.create_own_key(unit.session, unit.principal, **request_.model_dump()))


def _require_series(unit: Unit, ids: list[str]) -> None:
    try:
        found = catalog.find_series(unit.session, unit.principal, ids=ids)
    except NotFound:
        found = []
    if any(one.organization_id != unit.principal.organization_id for one in found) or len(found) < len(set(ids)):
        raise InvalidInput.field("series", "One of them does not exist.")


@router.serve("POST", "/keys/{key_id}/rotate", area="identity", right="write", access="own")
def rotate_key(unit: Unit, key_id: str) -> NewKey:
    """Give one of the caller's keys a new token; the old one works for the grace period, but not on keys."""
    key = keys.get_own_key(unit.session, unit.principal, key_id)
    grace = timedelta(seconds=unit.services.settings.key_grace_seconds)
    return _with_token(key, keys.rotate_key(unit.session, key, grace))


@router.serve("DELETE", "/keys/{key_id}", area="identity", right="write", access="own")
def revoke_key(unit: Unit, key_id: str) -> Key:
    """Revoke a key at once: one of the caller's, or any of the organization for an administrator."""
    key = keys.get_key_to_revoke(unit.session, unit.principal, key_id)
    keys.revoke_key(unit.session, key)
    return Key.model_validate(key)


def _with_token(key: ApiKey, token: str) -> NewKey:
    return NewKey(**Key.model_validate(key).model_dump(), token=token)
