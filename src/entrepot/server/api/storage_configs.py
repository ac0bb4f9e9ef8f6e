"""Storage configs: where files are stored besides the server's own storage."""

import asyncio
import time
from datetime import datetime
from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.files import configs, trial
from entrepot.files.models import StorageConfig as Row
from entrepot.identity import Principal
from entrepot.requests import polls, trials
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.endpoint import Json
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint, Waiting

router = NativeRouter(tags=["files"])
_LONGEST_WAIT = 60.0
_POLL_SECONDS = 0.1


class StorageConfig(BaseModel):
    """A storage config, without its credentials; ``tested`` has, for each step of the last test, what went wrong."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    type: str
    url: str
    own: bool
    is_default: bool = False
    signed_urls_enabled: bool
    signed_urls_expiry: float | None
    state: str
    tested: dict[str, str | None] | None
    created: datetime = Field(validation_alias="created_at")


class StorageConfigRequest(BaseModel):
    """What a new storage config is to be."""

    model_config = ConfigDict(extra="forbid")

    url: str
    credentials: dict[str, Any] | None = None
    signed_urls_enabled: bool = False
    signed_urls_expiry: float | None = None
    is_default: bool = False


class StorageConfigChanges(BaseModel):
    """What is to change of a storage config."""

    model_config = ConfigDict(extra="forbid")

    url: str = ""
    credentials: dict[str, Any] | None = None
    signed_urls_enabled: bool = False
    signed_urls_expiry: float | None = None
    state: Literal["new", "deactivated"] = "new"
    is_default: bool = False


@router.serve("GET", "/storage-configs", area="files", right="read")
def list_storage_configs(unit: Unit, state: Annotated[list[str] | None, Query()] = None) -> list[StorageConfig]:
    """List storage configs, newest first; without ``state``, all but deactivated ones."""
    query = select(Row).where(unit.principal.own(Row))
    query = query.where(Row.state.in_(state) if state else Row.state != "deactivated")
    return [_record(unit.session, row) for row in unit.session.scalars(query.order_by(Row.number.desc()))]


@router.serve("POST", "/storage-configs", area="files", right="admin", status=201)
def create_storage_config(unit: Unit, request_: StorageConfigRequest) -> StorageConfig:
    """Create a storage config; whether it works, a test tells."""
    services, given = unit.services, request_.model_dump()
    is_default = given.pop("is_default")
    row = configs.create_config(unit.session, unit.principal, services.settings, services.vault, **given)
    if is_default:
        configs.defaults_of(unit.session, row.organization_id).storage_config_id = row.id
    return _record(unit.session, row)


@router.serve("GET", "/storage-configs/{config_id}", area="files", right="read")
def get_storage_config(unit: Unit, config_id: str) -> StorageConfig:
    """Return a storage config."""
    return _record(unit.session, configs.get_config(unit.session, unit.principal, config_id))


@router.serve("PATCH", "/storage-configs/{config_id}", area="files", right="admin")
def update_storage_config(unit: Unit, config_id: str, request_: StorageConfigChanges) -> StorageConfig:
    """Change a storage config; with another place or other credentials it has to be tested anew."""
    row = configs.get_config(unit.session, unit.principal, config_id, "admin")
    changes = request_.model_dump(exclude_unset=True)
    if "is_default" in changes:
        defaults = configs.defaults_of(unit.session, row.organization_id)
        if changes.pop("is_default"):
            defaults.storage_config_id = None if row.own else row.id
        elif defaults.storage_config_id == row.id:
            defaults.storage_config_id = None
    if changes:
        services = unit.services
        configs.update_config(unit.session, unit.principal, services.settings, services.vault, row, changes)
    return _record(unit.session, row)


@router.serve("DELETE", "/storage-configs/{config_id}", area="files", right="admin")
def delete_storage_config(unit: Unit, config_id: str) -> StorageConfig:
    """Take a storage config out of use; what is stored there stays, and can be fetched."""
    row = configs.get_config(unit.session, unit.principal, config_id, "admin")
    return _record(unit.session, configs.deactivate_config(unit.session, unit.principal, row))


async def test_storage_config(request: Request, principal: Principal) -> Response:
    """Try a storage config out, and return it with what went wrong in each step.

    ``wait`` (20 seconds, 60 at most) is how long to wait for that; a test that takes longer goes on, and the answer
    has the state ``new``.
    """
    services: Services = request.app.state.services
    try:
        wait = min(float(request.query_params.get("wait", "20")[:20]), _LONGEST_WAIT)
    except ValueError:
        raise InvalidInput.field("wait", "A number of seconds.") from None
    config_id = request.path_params["config_id"]

    def start() -> str:
        with services.database.write() as session:
            row = configs.get_config(session, principal, config_id, "admin")
            return trial.begin(session, row, principal.key_id).id

    def look() -> tuple[str, StorageConfig]:
        with services.database.read() as session:
            row = configs.get_config(session, principal, config_id)
            return trials.state_of(session, task_id), _record(session, row)

    waiting: Waiting = request.app.state.waiting
    with waiting.one(principal):
        task_id = await run_sync(start)
        until = time.monotonic() + wait
        while True:
            state, record = await run_sync(look)
            if state not in polls.OPEN or not time.monotonic() < until:
                return Json(record.model_dump())
            await asyncio.sleep(_POLL_SECONDS)


def _record(session: Session, row: Row) -> StorageConfig:
    record = StorageConfig.model_validate(row)
    default = configs.default_of(session, row.organization_id)
    return record.model_copy(update={"is_default": row.own if default is None else row.id == default})


ENDPOINTS = [
    StreamEndpoint("POST", "/api/v1/storage-configs/{config_id}/test", test_storage_config, "files", "admin"),
]
