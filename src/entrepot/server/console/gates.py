"""A gate: its files and what was made of each, what was set aside and why, and files sent to it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from entrepot.db import keyset
from entrepot.errors import InvalidInput
from entrepot.identity import Principal, Project, ftp
from entrepot.pipeline import configuration
from entrepot.pipeline.gates import configuration as gates
from entrepot.pipeline.gates import files, quarantine
from entrepot.pipeline.gates.folders import Entry
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.models import Feeder, Gate, ImportedFile, Importer, QuarantinedFile
from entrepot.server.api.gates import home_of, put_file
from entrepot.server.console import cookies, lineage
from entrepot.server.console.listing import Cell, as_csv, asks_csv
from entrepot.server.console.page import Data, Page, form, render
from entrepot.server.endpoint import Call
from entrepot.server.ftp.address import address
from entrepot.server.streaming import StreamEndpoint

_MOST_FILES, _MOST_ASIDE, _HEAD = 500, 50, 600
_COLUMNS = ("Name", "Bytes", "Came", "What was made of it", "SHA-256")


@dataclass(frozen=True)
class Import:
    """What an importer made of a file: when it ran, how many rows, and of which content."""

    importer: str
    run: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class FileShown:
    """A file or folder of a gate; of a folder, where its files are listed."""

    name: str
    folder: str
    size: int
    modified: datetime
    imports: Sequence[Import]
    lineage: str


@dataclass(frozen=True)
class Aside:
    """A file in quarantine, why, and how it begins."""

    file: QuarantinedFile
    importer: str
    head: str


@dataclass(frozen=True)
class GateView:
    """What the page of a gate shows.

    Attributes
    ----------
    gate, project
        The gate, and what it belongs to.
    folder, above
        Whose files are listed, and the folder that this one is in, as addresses; empty at the top.
    files, more
        What lies there, the first of them, and whether there is more.
    aside
        The files in quarantine.
    account
        Where files are sent to by FTP, in words; empty where the server takes none.
    importers
        Who reads it, by id.
    feeder
        Whether it has one, which fetches files.
    may_write
        Whether the caller may send files, and say what becomes of those in quarantine.
    """

    gate: Gate
    project: str
    folder: str
    above: str
    files: Sequence[FileShown]
    more: bool
    aside: Sequence[Aside]
    account: str
    importers: Mapping[str, str]
    feeder: bool
    may_write: bool


@dataclass(frozen=True)
class Upload(Data, StreamEndpoint):
    """Takes a file from a page, of any size."""

    handler: Callable[[Request, Principal], Awaitable[Response]]  # type: ignore[assignment]


def _show(call: Call) -> Response:
    gate = configuration.get(call.session, call.principal, Gate, call.path["gate_id"])
    home, folder = home_of(call, gate.id), call.query.get("folder", "/").strip("/")
    entries = home.listed(folder)
    importers = list(call.session.scalars(select(Importer).where(Importer.gate_id == gate.id)))
    if asks_csv(call):
        return as_csv(f"{gate.name} files", _COLUMNS, _rows(call, gate, importers, entries))
    project = call.session.get_one(Project, gate.project_id)
    page = f"/console/gates/{gate.id}"
    view = GateView(
        gate=gate,
        project=project.name,
        folder=folder,
        above=f"{page}?{urlencode({'folder': str(Path(folder).parent)})}" if folder else "",
        files=_files(call, gate, importers, entries[:_MOST_FILES]),
        more=len(entries) > _MOST_FILES,
        aside=_aside(call, gate, home, {one.id: one.name for one in importers}),
        account=_account(call, gate),
        importers={one.id: one.name for one in importers},
        feeder=call.session.scalar(select(Feeder.id).where(Feeder.gate_id == gate.id)) is not None,
        may_write=call.principal.can("write", gate.organization_id, gate.project_id),
    )
    return render(call, "gate.html", view=view)


def _files(call: Call, gate: Gate, importers: Sequence[Importer], entries: Sequence[Entry]) -> list[FileShown]:
    imports = _imports(call, importers, [one.path for one in entries])
    return [
        FileShown(
            name=one.path.strip("/").rpartition("/")[2],
            folder=f"/console/gates/{gate.id}?{urlencode({'folder': one.path})}" if one.type == "directory" else "",
            size=one.size,
            modified=files.instant(one.modified),
            imports=imports.get(one.path.strip("/"), ()),
            lineage=lineage.address("gate file", f"{gate.id}/{one.path.strip('/')}"),
        )
        for one in entries
    ]


def _rows(
    call: Call, gate: Gate, importers: Sequence[Importer], entries: Sequence[Entry]
) -> Iterator[tuple[Cell, ...]]:
    """Yield the lines of the list as CSV: all files, however many."""
    for begin in range(0, len(entries), _MOST_FILES):
        for one in _files(call, gate, importers, entries[begin : begin + _MOST_FILES]):
            made = "; ".join(f"{each.rows} rows by {each.importer}" for each in one.imports)
            hashes = "; ".join(each.sha256 for each in one.imports)
            yield f"{one.name}{'/' * bool(one.folder)}", one.size, one.modified, made, hashes


def _imports(call: Call, importers: Sequence[Importer], paths: Sequence[str]) -> dict[str, list[Import]]:
    """Return what was made of files, by their paths on the gate."""
    found: dict[str, list[Import]] = {}
    for importer in importers:
        prefix = files.prefix_of(importer.folder)
        known = {path.strip("/").removeprefix(prefix.strip("/")).strip("/"): path.strip("/") for path in paths}
        query = select(ImportedFile).where(ImportedFile.importer_id == importer.id, ImportedFile.path.in_(known))
        for one in call.session.scalars(query):
            made = Import(importer.name, one.run_id, one.rows, one.sha256)
            found.setdefault(known[one.path], []).append(made)
    return found


def _aside(call: Call, gate: Gate, home: Home, importers: Mapping[str, str]) -> list[Aside]:
    query = quarantine.kept(call.session, call.principal, gate.id).order_by(keyset.along(QuarantinedFile.number).desc())
    found = []
    for one in call.session.scalars(query.limit(_MOST_ASIDE)):
        if quarantine.is_there(home, one):
            head = files.beginning(home, str(one.stored), _HEAD).decode(errors="replace")
            found.append(Aside(one, importers.get(one.importer_id, ""), head))
    return found


def _account(call: Call, gate: Gate) -> str:
    account = ftp.find_account(call.session, home=gates.gate_home(gate.id))
    where = address(call.services.settings, call.request.url.hostname)
    return f"{where.protocol}://{account.login}@{where.host}:{where.port}" if account and where.host else ""


def _retry(call: Call) -> Response:
    return _changed(call, quarantine.retry)


def _remove(call: Call) -> Response:
    return _changed(call, quarantine.remove)


def _changed(call: Call, change: Any) -> Response:
    gate_id = call.path["gate_id"]
    change(call.session, call.principal, home_of(call, gate_id), gate_id, [call.path["id"]])
    return RedirectResponse(f"/console/gates/{quote(gate_id, safe='')}", 303)


async def _put(request: Request, principal: Principal) -> Response:
    if not cookies.current(request):
        raise InvalidInput("Files are sent from the console's own pages; programs send them to /api/v1/gates.")
    cookies.require_own_form(request, request.headers.get(cookies.HEADER, ""))
    return await put_file(request, principal)


PAGES = (
    Page("GET", "/console/gates/{gate_id}", _show, "series", "read"),
    Page("POST", "/console/gates/{gate_id}/quarantine/{id}/retry", _retry, "series", "write", parse=form),
    Page("POST", "/console/gates/{gate_id}/quarantine/{id}/remove", _remove, "series", "write", parse=form),
    Upload("PUT", "/console/gates/{gate_id}/files/{path:path}", _put, "series", "write", body="stream"),
)
