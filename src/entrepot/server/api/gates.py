"""Gates: what they take, what lies on them, what their importers' scripts refused, and files sent to them by HTTP."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from anyio.to_thread import run_sync
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import FtpAccount, Principal, Right, ftp, projects
from entrepot.pipeline import configuration
from entrepot.pipeline.gates import configuration as gates
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import folders, quarantine
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.importing import choice as file_choice
from entrepot.pipeline.models import Gate, QuarantinedFile
from entrepot.server.api.nouns import (
    NOT_KEPT,
    Asked,
    InProject,
    Name,
    Named,
    Noun,
    Page,
    Reference,
    Sought,
    Text,
    column,
    listed,
    named_page,
    next_page,
    of_project,
    project_names,
    to_change,
)
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.endpoint import Call, Json
from entrepot.server.ftp.address import address
from entrepot.server.ftp.uploads import HTTP_STAGING, Upload
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint, pour

T = TypeVar("T")
router = NativeRouter(tags=["gates"])


class GateSettings(Noun):
    """What a gate takes, and what becomes of its files; what is left out stays, or has its default."""

    description: Text = ""
    quota_bytes: Annotated[int | None, Field(description="Most bytes that it takes; null: any number.")] = None
    quota_files: Annotated[int | None, Field(description="Most files that it takes; null: any number.")] = None
    quarantine: Annotated[bool, Field(description="Whether files that a script refuses are set aside.")] = False
    after_import: Annotated[
        Literal["keep", "move", "delete"], Field(description="What becomes of files that every importer has read.")
    ] = "keep"


class GateChanges(GateSettings):
    """What is to change of a gate."""

    name: Name = ""


class GateRequest(GateSettings):
    """A new gate."""

    project: Annotated[str, NOT_KEPT, Field(description="Id or name.")]
    name: Name


class GateShown(GateSettings):
    """A gate and its settings."""

    id: str
    project: Annotated[Reference | None, NOT_KEPT]
    name: str
    version: int
    created_at: datetime
    changed_at: datetime


class Use(BaseModel):
    """What lies on a gate."""

    bytes: int
    files: int
    in_quarantine: int
    changed_unread: int = Field(
        description="Files that changed after an importer had read them, and are not read again."
    )


class GateFile(BaseModel):
    """A file or a folder of a gate."""

    path: str
    type: Literal["file", "directory"]
    size: int
    modified_at: datetime


class Account(BaseModel):
    """Where, and as whom, files are sent to a gate; the host is empty where the FTP server does not run."""

    protocol: str
    host: str
    port: int
    login: str


class Password(BaseModel):
    """The password of an account."""

    model_config = ConfigDict(extra="forbid")

    password: Annotated[str, Field(min_length=1, max_length=200)]


class Quarantined(Noun):
    """A file that a script refused: where it was, where it lies, and why."""

    id: str
    importer: Annotated[str, column("importer_id"), Field(description="Id.")]
    path: str
    stored: str | None
    size: int
    modified_at: datetime
    created_at: datetime
    reason: str
    details: str
    run: Annotated[str, column("run_id"), Field(description="Id.")]


class Chosen(BaseModel):
    """Which files are meant; without ids, all."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] | None = None


@router.serve("GET", "/gates", area="series", right="read")
def list_gates(
    unit: Unit,
    asked: Sought,
    project: InProject = None,
    name: Named = None,
) -> Page[GateShown]:
    """List gates by name; what lies on one is told by its own address."""
    wanted = of_project(unit, project) | {"name": name}
    return named_page(unit, Gate, wanted, asked, lambda rows: _shown_gates(unit, rows))


@router.serve("POST", "/gates", area="series", right="write", status=201)
def create_gate(unit: Unit, given: GateRequest) -> GateShown:
    """Create a gate, with an account for FTP."""
    project = projects.find_project(unit.session, unit.principal, given.project, "write")
    with GateRequest.naming():
        fields = given.kept("name")
        gate = gates.create_gate(unit.session, unit.principal, unit.services.vault, project.id, given.name)
        if fields:
            gates.update_gate(unit.session, unit.principal, gate.id, fields)
    return _shown_gate(unit, gate)


@router.serve("GET", "/gates/{gate_id}", area="series", right="read")
def get_gate(unit: Unit, gate_id: str) -> GateShown:
    """Return a gate."""
    return _shown_gate(unit, configuration.get(unit.session, unit.principal, Gate, gate_id))


@router.serve("PATCH", "/gates/{gate_id}", area="series", right="write")
def change_gate(unit: Unit, gate_id: str, given: GateChanges) -> GateShown:
    """Change a gate's name, its quotas, and what becomes of files that are refused or imported."""
    to_change(unit, Gate, gate_id)
    with GateChanges.naming():
        return _shown_gate(unit, gates.update_gate(unit.session, unit.principal, gate_id, given.kept()))


@router.serve("DELETE", "/gates/{gate_id}", area="series", right="write", status=204)
def delete_gate(unit: Unit, gate_id: str) -> None:
    """Delete a gate with its files, its feeder and its account; series that were made of them stay."""
    to_change(unit, Gate, gate_id)
    gates.delete_gate(unit.session, unit.principal, gate_id)


@router.serve("GET", "/gates/{gate_id}/use", area="series", right="read")
def get_use(unit: Unit, gate_id: str) -> Use:
    """Count what lies on a gate."""
    gate = configuration.get(unit.session, unit.principal, Gate, gate_id)
    home = home_of(unit, gate.id)
    used = home.usage()
    return Use(
        bytes=used.bytes,
        files=used.files,
        in_quarantine=len(quarantine.list_files(unit.session, unit.principal, home, gate.id)),
        changed_unread=file_choice.count_unread(unit.session, [gate.id]).get(gate.id, 0),
    )


@router.serve("GET", "/gates/{gate_id}/account", area="series", right="read")
def get_account(unit: Unit, gate_id: str) -> Account:
    """Return the account with which files are sent to a gate by FTP, without its password."""
    where = address(unit.services.settings, unit.url.hostname)
    return Account(**where._asdict(), login=_account(unit, gate_id, "read").login)


@router.serve("GET", "/gates/{gate_id}/account/password", area="series", right="write")
def get_password(unit: Unit, gate_id: str) -> Password:
    """Return the password of a gate's account."""
    unit.principal.require_lasting()
    account = _account(unit, gate_id, "write")
    return Password(password=ftp.account_password(unit.services.vault, account))


@router.serve("PUT", "/gates/{gate_id}/account/password", area="series", right="write", status=204)
def set_password(unit: Unit, gate_id: str, given: Password) -> None:
    """Give a gate's account another password; connections that are open stay."""
    unit.principal.require_lasting()
    ftp.set_password(unit.services.vault, _account(unit, gate_id, "write"), given.password)


@router.serve("GET", "/gates/{gate_id}/files", area="series", right="read")
def list_gate_files(
    unit: Unit,
    gate_id: str,
    asked: Asked,
    folder: Annotated[str, Query(max_length=4000, description="Whose files and folders.")] = "/",
) -> Page[GateFile]:
    """List a folder of a gate by name."""
    gate = configuration.get(unit.session, unit.principal, Gate, gate_id)
    found = home_of(unit, gate.id).listed(folder, after=asked.cursor, most=asked.limit + 1)
    items = [
        GateFile(path=one.path, type=one.type, size=one.size, modified_at=gate_files.instant(one.modified))
        for one in found[: asked.limit]
    ]
    return Page(items=items, next=next_page(unit, items[-1].path if len(found) > asked.limit else None))


@router.serve("GET", "/gates/{gate_id}/quarantine", area="series", right="read")
def list_quarantine(unit: Unit, gate_id: str, asked: Asked) -> Page[Quarantined]:
    """List the files in a gate's quarantine, the oldest first."""
    query, home = quarantine.kept(unit.session, unit.principal, gate_id), home_of(unit, gate_id)

    def show(rows: Sequence[QuarantinedFile]) -> list[Quarantined]:
        return _shown([one for one in rows if quarantine.is_there(home, one)])

    return listed(unit, query, (QuarantinedFile.number,), asked, show)


@router.serve("POST", "/gates/{gate_id}/quarantine/retry", area="series", right="write", body="large")
def retry_quarantine(unit: Unit, gate_id: str, request_: Chosen) -> list[Quarantined]:
    """Have files in quarantine read again, at once."""
    home = home_of(unit, gate_id)
    return _shown(quarantine.retry(unit.session, unit.principal, home, gate_id, request_.ids))


@router.serve("POST", "/gates/{gate_id}/quarantine/remove", area="series", right="write", body="large")
def remove_quarantine(unit: Unit, gate_id: str, request_: Chosen) -> list[Quarantined]:
    """Delete files in quarantine for good."""
    home = home_of(unit, gate_id)
    return _shown(quarantine.remove(unit.session, unit.principal, home, gate_id, request_.ids))


async def put_file(request: Request, principal: Principal) -> Response:
    """Take the body as a file of a gate; it appears complete, in place of an older one, or not at all."""
    services: Services = request.app.state.services
    gate_id, path = request.path_params["gate_id"], request.path_params["path"]

    def begin() -> Upload:
        with services.database.read() as session:
            gate = configuration.get(session, principal, Gate, gate_id, "write")
            quota = gates.quota_of(gate)
        if not path.strip("/"):
            raise InvalidInput.field("path", "Say how the file is to be called.")
        gate_files.require_free_path(path)
        home = open_home(services.settings, services.database, gates.gate_home(gate_id))
        home.make()
        staging = services.settings.data_dir / HTTP_STAGING
        staging.mkdir(parents=True, exist_ok=True)
        target = home.resolve(path)
        if not gate_files.exists(home, target):
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


def _account(unit: Unit, gate_id: str, right: Right) -> FtpAccount:
    gate = configuration.get(unit.session, unit.principal, Gate, gate_id, right)
    account = ftp.find_account(unit.session, home=gates.gate_home(gate.id))
    if account is None:
        raise NotFound("Gate not found.")
    return account


def _shown_gates(unit: Unit, gates: Sequence[Gate]) -> list[GateShown]:
    names = project_names(unit, gates)
    return [GateShown.showing(gate, project=names[gate.project_id]) for gate in gates]


def _shown_gate(unit: Unit, gate: Gate) -> GateShown:
    return _shown_gates(unit, [gate])[0]


def _shown(found: Sequence[QuarantinedFile]) -> list[Quarantined]:
    return [Quarantined.showing(record) for record in found]


def home_of(unit: Unit | Call, gate_id: str) -> Home:
    """Return the files of a gate as a request sees and changes them."""
    return open_home(unit.services.settings, unit.session, gates.gate_home(gate_id))


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
