"""Who the caller is, and what its organization may have."""

from datetime import datetime
from typing import Annotated

from anyio.to_thread import run_sync
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import InvalidInput, Unauthenticated
from entrepot.identity import Organization, Principal, User, audit, limits, users
from entrepot.server import origin
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.bodies import Body
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint

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
    expires_at: datetime | None


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


class PasswordRequest(BaseModel):
    """The caller's password, and the one that takes its place."""

    model_config = ConfigDict(extra="forbid")

    password: Annotated[str, Field(max_length=1000, description="The one that works now.")]
    new: Annotated[str, Field(max_length=1000, description="At least 8 characters.")]


async def change_password(request: Request, principal: Principal) -> Response:
    """Give the caller another password: whoever is signed in as it, is so no more; keys go on.

    The body has `password`, the one that works now, and `new`.
    """
    body = await Body.of(request.scope).read("small")
    origin.require_json(request)
    try:
        given = PasswordRequest.model_validate_json(body)
    except ValidationError as error:
        fields = {str(one["loc"][0]) if one["loc"] else "body": [one["msg"]] for one in error.errors()}
        raise InvalidInput(fields=fields) from None
    await run_sync(set_own_password, request, principal, given.password, given.new)
    return Response(status_code=204)


def set_own_password(request: Request, principal: Principal, password: str, new: str) -> None:
    """Give a caller another password who knows the one that works now, and end its sessions.

    Raises
    ------
    InvalidInput
        The password is another one, or the new one is too short.
    TooManyRequests
        Too many wrong ones came before.
    """
    principal.require_current()
    services: Services = request.app.state.services
    address = origin.address_of(request)
    try:
        # Outside of any unit of work: to check a password takes long, and one that is wrong is counted in its own.
        proved = request.app.state.authenticator.by_password(principal.login, password, address)
    except Unauthenticated:
        raise InvalidInput.field("password", "This is not your password.") from None
    hashed = users.hash_password(new, "new")
    with services.database.write() as session:
        audit.acting(session, principal, address)
        users.set_password(session, session.get_one(User, proved.id), hashed=hashed)


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
        expires_at=reach.expires_at,
    )


ENDPOINTS = [
    StreamEndpoint("POST", "/api/v1/me/password", change_password, "identity", "write", access="own", body="small"),
]
