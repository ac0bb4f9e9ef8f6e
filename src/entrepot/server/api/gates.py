"""Gates: what they take, what lies on them, what their importers' scripts refused, and files sent to them by HTTP."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from anyio.to_thread import run_sync
from fastapi import Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.pipeline import configuration, file_choice, folders, gate_files, gates, quarantine
from entrepot.pipeline.models import Gate as GateRecord
from entrepot.pipeline.models import QuarantinedFile
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.endpoint import Json
from entrepot.server.ftp.uploads import STAGING, Upload
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint, pour

T = TypeVar("T")
router = NativeRouter(tags=["gates"])
#: Apart from those that come in by FTP, which are removed when the FTP server starts.
_HTTP_STAGING = f"{STAGING}/http"


class Gate(BaseModel):
    """A gate, its settings, and what lies on it."""

    id: str
    name: str
    comment: str
    project_id: str
    quota_bytes: int | None
    quota_files: int | None
    quarantine: bool
    after_import: str
    #: What lies on it; null in lists, which count no folder: ask for the one gate.
    used_bytes: int | None
    used_files: int | None
    #: In lists, those that were put there and not taken out here, though perhaps by whoever has the gate's account.
    in_quarantine: int
    #: Files that changed after an importer had read them, and that it does not read again.
    changed_unread: int


class GateRequest(BaseModel):
    """What is to change of a gate; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    quota_bytes: int | None = None
    quota_files: int | None = None
    quarantine: bool = False
    after_import: Literal["keep", "move", "delete"] = "keep"


class Quarantined(BaseModel):
    """A file that a script refused: where it was, where it lies, and why."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    importer_id: str
    path: str
    stored: str | None
    size: int
    modified: datetime
    created: datetime
    reason: str
    details: str
    run_id: str


class Chosen(BaseModel):
    """Which files are meant; without ids, all."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] | None = None


@router.serve("GET", "/gates", area="series", right="read")
def list_gates(
    unit: Unit, project_id: str | None = None, name: Annotated[str | None, Query(description="Exact name.")] = None
) -> list[Gate]:
    """List gates by name; what lies on each is told by its own address, as it has to be counted."""
    equal = {"project_id": project_id, "name": name}
    found = configuration.listed(unit.session, unit.principal, GateRecord, equal)
    ids = [gate.id for gate in found]
    aside, unread = quarantine.count(unit.session, ids), file_choice.count_unread(unit.session, ids)
    return [_told(gate, None, aside.get(gate.id, 0), unread.get(gate.id, 0)) for gate in found]


@router.serve("GET", "/gates/{gate_id}", area="series", right="read")
def get_gate(unit: Unit, gate_id: str) -> Gate:
    """Return a gate."""
    return _gate(unit, configuration.get(unit.session, unit.principal, GateRecord, gate_id))


@router.serve("PATCH", "/gates/{gate_id}", area="series", right="write")
def update_gate(unit: Unit, gate_id: str, request_: GateRequest) -> Gate:
    """Change a gate's quotas, and what becomes of files that are refused or imported."""
    fields = request_.model_dump(exclude_unset=True)
    return _gate(unit, gates.update_gate(unit.session, unit.principal, gate_id, fields))


@router.serve("GET", "/gates/{gate_id}/quarantine", area="series", right="read")
def list_quarantine(unit: Unit, gate_id: str) -> list[Quarantined]:
    """List the files in a gate's quarantine, the oldest first."""
    return _shown(quarantine.list_files(unit.session, unit.principal, _home(unit.services, gate_id), gate_id))


@router.serve("POST", "/gates/{gate_id}/quarantine/retry", area="series", right="write", body="large")
def retry_quarantine(unit: Unit, gate_id: str, request_: Chosen) -> list[Quarantined]:
    """Have files in quarantine read again, at once."""
    home = _home(unit.services, gate_id)
    return _shown(quarantine.retry(unit.session, unit.principal, home, gate_id, request_.ids))


@router.serve("POST", "/gates/{gate_id}/quarantine/remove", area="series", right="write", body="large")
def remove_quarantine(unit: Unit, gate_id: str, request_: Chosen) -> list[Quarantined]:
    """Delete files in quarantine for good."""
    home = _home(unit.services, gate_id)
    return _shown(quarantine.remove(unit.session, unit.principal, home, gate_id, request_.ids))


async def put_file(request: Request, principal: Principal) -> Response:
    """Take the body as a file of a gate; it appears complete, in place of an older one, or not at all."""
    services: Services = request.app.state.services
    gate_id, path = request.path_params["gate_id"], request.path_params["path"]

    def begin() -> Upload:
        with services.database.read() as session:
            gate = configuration.get(session, principal, GateRecord, gate_id, "write")
            quota = gates.quota_of(gate)
        if not path.strip("/"):
            raise InvalidInput.field("path", "Say how the file is to be called.")
        gate_files.require_free_path(path)
        home = _home(services, gate_id)
        home.mkdir(parents=True, exist_ok=True)
        staging = services.settings.data_dir / _HTTP_STAGING
        staging.mkdir(parents=True, exist_ok=True)
        folders.remove_stale(staging)
        target = folders.resolve(home, path)
        if not target.exists():
            folders.require_shallow(path)
        declared = request.headers.get("content-length", "")
        if declared.isdigit():
            gate_files.require_room(gate_files.room(home, quota, target), int(declared[:18]), quota)
        return Upload(home, target, staging, "w", quota, makes_folders=True)

    upload = await run_sync(_saying_what_is_wrong, begin)
    size = 0

    def write(blocks: list[bytes]) -> None:
        nonlocal size
        for block in blocks:
            size += upload.write(block)

    def keep() -> None:
        upload.sync()
        upload.keep()

    try:
        await pour(request.stream(), write)
        await run_sync(_saying_what_is_wrong, keep)
    finally:
        await run_sync(upload.close)
    return Json({"gate_id": gate_id, "path": path.strip("/"), "size": size}, 201)


def _saying_what_is_wrong(do: Callable[[], T]) -> T:
    """Do something with a path that the file system may refuse."""
    try:
        return do()
    except (IsADirectoryError, NotADirectoryError, FileExistsError, PermissionError) as error:
        raise InvalidInput.field("path", f"{error.strerror}.") from error


def _gate(unit: Unit, gate: GateRecord) -> Gate:
    home = _home(unit.services, gate.id)
    aside = quarantine.list_files(unit.session, unit.principal, home, gate.id)
    unread = file_choice.count_unread(unit.session, [gate.id])
    return _told(gate, gate_files.usage(home), len(aside), unread.get(gate.id, 0))


def _told(gate: GateRecord, used: gate_files.Usage | None, in_quarantine: int, changed_unread: int) -> Gate:
    return Gate(
        id=gate.id,
        name=gate.name,
        comment=gate.comment,
        project_id=gate.project_id,
        quota_bytes=gate.quota_bytes,
        quota_files=gate.quota_files,
        quarantine=gate.quarantine,
        after_import=gate.after_import,
        used_bytes=None if used is None else used.bytes,
        used_files=None if used is None else used.files,
        in_quarantine=in_quarantine,
        changed_unread=changed_unread,
    )


def _shown(found: Sequence[QuarantinedFile]) -> list[Quarantined]:
    return [Quarantined.model_validate(record) for record in found]


def _home(services: Services, gate_id: str) -> Path:
    return services.settings.data_dir / gates.gate_home(gate_id)


ENDPOINTS = [
    StreamEndpoint(
        "PUT",
        "/api/v1/gates/{gate_id}/files/{path:path}",
        put_file,
        "series",
        "write",
        body="stream",
        scope="gate:write",
    )
]
