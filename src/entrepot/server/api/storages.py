"""Storages: where files are kept besides the server's own storage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from entrepot.files import storages, trial
from entrepot.files.models import Storage
from entrepot.identity import Principal
from entrepot.server.api.nouns import NOT_KEPT, Asked, Noun, Page, listed
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.trials import tried
from entrepot.server.streaming import StreamEndpoint

router = NativeRouter(tags=["storages"])
Status = Literal["new", "valid", "invalid", "deactivated"]


class StorageSettings(Noun):
    """How a storage is used; what is left out stays, or has its default."""

    signed: Annotated[bool, Field(description="Whether its files have addresses that need no key.")] = False
    signed_for: Annotated[float | None, Field(description="How long these work, in seconds.")] = None
    default: Annotated[bool, NOT_KEPT, Field(description="Whether files go there where nothing else is said.")] = False


class StorageRequest(StorageSettings):
    """A new storage."""

    url: Annotated[str, Field(max_length=2000, description="`s3://bucket/path`, `gs://`, `az://`, `local:///folder`.")]
    credentials: Annotated[dict[str, Any] | None, Field(description="What it wants to see; never shown again.")] = None


class StorageChanges(StorageSettings):
    """What is to change of a storage."""

    url: Annotated[str, Field(max_length=2000)] = ""
    credentials: dict[str, Any] | None = None
    status: Annotated[Literal["new", "deactivated"], Field(description="`deactivated`, or `new` to undo that.")] = "new"


class StorageShown(StorageSettings):
    """A storage, without its credentials."""

    id: str
    type: str
    url: str
    own: Annotated[bool, Field(description="Whether it is the server's own.")]
    status: Status
    tested: Annotated[
        dict[str, str | None] | None, Field(description="What went wrong in each step of the last test; null: nothing.")
    ]
    created_at: datetime


@router.serve("GET", "/storages", area="files", right="read")
def list_storages(
    unit: Unit,
    asked: Asked,
    status: Annotated[list[Status] | None, Query(description="By default all but those that are deactivated.")] = None,
) -> Page[StorageShown]:
    """List storages, newest first."""
    query = select(Storage).where(unit.principal.own(Storage))
    query = query.where(Storage.status.in_(status) if status else Storage.status != "deactivated")
    return listed(unit, query, (Storage.number,), asked, lambda rows: _shown(unit.session, rows), newest_first=True)


@router.serve("POST", "/storages", area="files", right="admin", status=201)
def create_storage(unit: Unit, given: StorageRequest) -> StorageShown:
    """Create a storage; whether it works, a test tells."""
    services = unit.services
    with StorageRequest.naming():
        fields = given.kept(unset=True)
        row = storages.create_storage(unit.session, unit.principal, services.settings, services.vault, **fields)
    if given.default:
        storages.set_default(unit.session, unit.principal, row.id)
    return _shown(unit.session, [row])[0]


@router.serve("GET", "/storages/{storage_id}", area="files", right="read")
def get_storage(unit: Unit, storage_id: str) -> StorageShown:
    """Return a storage."""
    return _shown(unit.session, [storages.get_storage(unit.session, unit.principal, storage_id)])[0]


@router.serve("PATCH", "/storages/{storage_id}", area="files", right="admin")
def change_storage(unit: Unit, storage_id: str, given: StorageChanges) -> StorageShown:
    """Change a storage; with another place or other credentials it has to be tested anew."""
    row = storages.get_storage(unit.session, unit.principal, storage_id, "admin")
    if "default" in given.model_fields_set:
        is_default = storages.default_of(unit.session, row.organization_id) == row.id
        if given.default or is_default:
            storages.set_default(unit.session, unit.principal, row.id if given.default and not row.own else None)
    if changes := given.kept():
        services = unit.services
        with StorageChanges.naming():
            storages.change_storage(unit.session, unit.principal, services.settings, services.vault, row, changes)
    return _shown(unit.session, [row])[0]


@router.serve("DELETE", "/storages/{storage_id}", area="files", right="admin")
def delete_storage(unit: Unit, storage_id: str) -> StorageShown:
    """Take a storage out of use; what is kept there stays, and can be fetched."""
    row = storages.get_storage(unit.session, unit.principal, storage_id, "admin")
    return _shown(unit.session, [storages.deactivate_storage(unit.session, unit.principal, row)])[0]


async def test_storage(request: Request, principal: Principal) -> Response:
    """Try a storage out, and return it with what went wrong in each step.

    ``wait`` (20 seconds, 60 at most) is how long to wait for that; a test that takes longer goes on, and the answer
    has the status ``new``.
    """
    storage_id = request.path_params["storage_id"]

    def begin(session: Session) -> str:
        row = storages.get_storage(session, principal, storage_id, "admin")
        return trial.begin(session, row, principal.key_id).id

    def look(session: Session) -> StorageShown:
        return _shown(session, [storages.get_storage(session, principal, storage_id)])[0]

    return await tried(request, principal, begin, look)


def _shown(session: Session, rows: Sequence[Storage]) -> list[StorageShown]:
    defaults = {each: storages.default_of(session, each) for each in {row.organization_id for row in rows}}

    def is_default(row: Storage) -> bool:
        default = defaults[row.organization_id]
        return row.own if default is None else row.id == default

    return [StorageShown.showing(row, default=is_default(row)) for row in rows]


ENDPOINTS = [
    StreamEndpoint("POST", "/api/v1/storages/{storage_id}/test", test_storage, "files", "admin"),
]
