"""Who the caller is, and its API keys."""

from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from entrepot.identity import ApiKey, Organization, User, keys, users
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


class MeRequest(BaseModel):
    """What the caller changes of itself."""

    model_config = ConfigDict(extra="forbid")

    email: str | None = None
    mail_notices: bool | None = None


class Key(BaseModel):
    """An API key, without its token."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    scopes: list[str] | None
    created: datetime
    expires: datetime | None
    revoked: datetime | None


class NewKey(Key):
    """An API key with its token, which is shown this once."""

    token: str


class KeyRequest(BaseModel):
    """What a new key is to be."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    scopes: list[str] | None = None
    expires: AwareDatetime | None = None


@router.serve("GET", "/me", area="identity", right="read", access="own")
def me(unit: Unit) -> Me:
    """Return who the caller is and which organizations it belongs to."""
    return _me(unit)


@router.serve("PATCH", "/me", area="identity", right="write", access="own")
def update_me(unit: Unit, request_: MeRequest) -> Me:
    """Change where the caller's notices are mailed to, and whether they are."""
    user = unit.session.get_one(User, unit.principal.user_id)
    users.set_mail(unit.session, user, request_.email, wanted=request_.mail_notices)
    return _me(unit)


def _me(unit: Unit) -> Me:
    principal = unit.principal
    user = unit.session.get_one(User, principal.user_id)
    found = [unit.session.get_one(Organization, id_) for id_ in principal.roles]
    return Me(
        id=principal.user_id,
        login=principal.login,
        email=user.email,
        mail_notices=user.mail_notices,
        organization_id=principal.organization_id,
        organizations=[OrganizationRole(id=o.id, name=o.name, role=principal.roles[o.id]) for o in found],
        scopes=sorted(principal.scopes) if principal.scopes is not None else None,
    )


@router.serve("GET", "/keys", area="identity", right="read", access="own")
def list_keys(unit: Unit) -> list[Key]:
    """List the caller's keys; an administrator sees all of the organization."""
    return [Key.model_validate(key) for key in keys.list_keys(unit.session, unit.principal)]


@router.serve("POST", "/keys", area="identity", right="write", status=201, access="own")
def create_key(unit: Unit, request_: KeyRequest) -> NewKey:
    """Create a key for the caller; its token is in this answer and nowhere else."""
    principal = unit.principal
    if principal.scopes is not None:
        # A narrowed key must not make itself a wider one.
        for scope in request_.scopes if request_.scopes is not None else ["*:admin"]:
            principal.require_scope(*scope.split(":", 1)) if ":" in scope else None  # type: ignore[arg-type]
    key, token = keys.create_key(
        unit.session,
        principal.user_id,
        principal.organization_id,
        name=request_.name,
        scopes=request_.scopes,
        expires=request_.expires,
    )
    return _with_token(key, token)


@router.serve("POST", "/keys/{key_id}/rotate", area="identity", right="write", access="own")
def rotate_key(unit: Unit, key_id: str) -> NewKey:
    """Give a key a new token; the old one keeps working for the grace period."""
    key = keys.get_key(unit.session, unit.principal, key_id)
    grace = timedelta(seconds=unit.services.settings.key_grace_seconds)
    return _with_token(key, keys.rotate_key(unit.session, key, grace))


@router.serve("DELETE", "/keys/{key_id}", area="identity", right="write", access="own")
def revoke_key(unit: Unit, key_id: str) -> Key:
    """Revoke a key at once."""
    key = keys.get_key(unit.session, unit.principal, key_id)
    keys.revoke_key(unit.session, key)
    return Key.model_validate(key)


def _with_token(key: ApiKey, token: str) -> NewKey:
    return NewKey(**Key.model_validate(key).model_dump(), token=token)
