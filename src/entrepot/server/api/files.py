"""Published files: listed, fetched, acknowledged; they come in through :mod:`.uploads`."""

import base64
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response, StreamingResponse

from entrepot.errors import Gone
from entrepot.files import fetches, handed, lifecycle, signing, storages
from entrepot.files.damage import DamagedFile, intact, intact_part, telling
from entrepot.files.handed import HandedFile, HandedStorage
from entrepot.files.models import FileFetch, PublishedFile, Storage
from entrepot.identity import Project, User
from entrepot.objects.folder import BLOCK
from entrepot.server import conditions, origin
from entrepot.server.api.nouns import (
    NOT_KEPT,
    InProject,
    Noun,
    Page,
    Reference,
    Sought,
    column,
    listed,
    of_project,
    worded,
)
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.endpoint import Call, Endpoint
from entrepot.server.names import reached_at
from entrepot.server.services import Services

_MEDIA = {
    "json": "application/json",
    "csv": "text/csv",
    "txt": "text/plain",
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "gz": "application/gzip",
    "zip": "application/zip",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_MOST_FETCHES = 1000
router = NativeRouter(tags=["files"])
Status = Literal["available", "consumed", "expired"]


class SignedUrl(BaseModel):
    """An address that needs no key, until it ends."""

    url: str
    expires_at: datetime


class FileShown(Noun):
    """A published file."""

    id: str
    identifier: Annotated[str, Field(description="What is in it; need not be unique.")]
    name: str
    type: str | None
    size: int
    md5: str
    sha256: str
    status: Status
    locked: bool
    project: Annotated[Reference | None, NOT_KEPT]
    request: Annotated[str, column("request_id"), Field(description="Id of the request that it answers.")]
    step: Annotated[str, column("step_id"), Field(description="Id of the step of the request.")]
    storage: Annotated[Reference, NOT_KEPT]
    url: Annotated[str, NOT_KEPT, Field(description="Where it is kept.")]
    signed_url: Annotated[SignedUrl | None, NOT_KEPT]
    created_at: datetime
    consumed_at: datetime | None
    expired_at: datetime | None
    mismatches: Annotated[list[dict[str, Any]], Field(description="What consumers got that was something else.")]


class FetchShown(BaseModel):
    """How often somebody began to fetch a file; told within seconds."""

    user: Annotated[Reference | None, Field(description="Null: who had a signed address.")]
    count: int
    first_at: datetime
    last_at: datetime
    address: Annotated[str, Field(description="From where, the last time.")]


class Acknowledgement(Noun):
    """What a consumer says of a file."""

    sha256: Annotated[str | None, Field(max_length=100, description="Of what came; another one is noted.")] = None


class Chosen(Noun):
    """Which files are meant; those that are unknown are passed over."""

    ids: Annotated[list[str], Field(max_length=100_000)]


class Signing(Noun):
    """How long a signed address works."""

    seconds: Annotated[float | None, Field(description="From now on; null: as the storage says.")] = None


_Several = Annotated[list[str] | None, Query(max_length=100)]


@router.serve("GET", "/files", area="files", right="read")
def list_files(
    unit: Unit,
    asked: Sought,
    project: InProject = None,
    identifier: _Several = None,
    request: _Several = None,
    step: _Several = None,
    sha256: _Several = None,
    md5: _Several = None,
    type: _Several = None,  # noqa: A002 - what it is called
    status: Annotated[list[Status] | None, Query(description="By default, those that are available.")] = None,
    storage: Annotated[list[str] | None, Query(max_length=100, description="Ids of storages.")] = None,
    fetched_by: Annotated[
        str | None, Query(max_length=36, description="Id of a user who fetched them; empty: by a signed address.")
    ] = None,
) -> Page[FileShown]:
    """List files, newest first."""
    query = select(PublishedFile).where(
        unit.principal.own(PublishedFile), *worded(asked.q, PublishedFile.name, PublishedFile.identifier)
    )
    for name, values in {
        "project_id": None if project is None else [of_project(unit, project)["project_id"]],
        "status": status or ["available"],
        "storage_id": storage,
        "identifier": identifier,
        "request_id": request,
        "step_id": step,
        "sha256": sha256,
        "md5": md5,
        "type": type,
    }.items():
        if values is not None:
            query = query.where(getattr(PublishedFile, name).in_(values))
    if fetched_by is not None:
        query = query.where(PublishedFile.number.in_(fetches.fetched_by(fetched_by)))
    return listed(unit, query, (PublishedFile.number,), asked, lambda rows: shown_files(unit, rows), newest_first=True)


@router.serve("GET", "/files/{file_id}", area="files", right="read")
def get_file(unit: Unit, file_id: str) -> FileShown:
    """Return a file's record."""
    return _shown(unit, lifecycle.get_file(unit.session, unit.principal, file_id))


@router.serve("GET", "/files/{file_id}/fetches", area="files", right="read")
def list_fetches(unit: Unit, file_id: str) -> Page[FetchShown]:
    """List who fetched a file, the latest first: of very many, the first thousand."""
    file = lifecycle.get_file(unit.session, unit.principal, file_id)
    found = fetches.of_file(unit.session, file, _MOST_FETCHES)
    ids = {one.reader for one in found} - {fetches.ANYBODY}
    logins = dict(unit.session.execute(select(User.id, User.login).where(User.id.in_(ids))).all())
    return Page(items=[_fetch(one, logins) for one in found])


@router.serve("DELETE", "/files/{file_id}", area="files", right="write")
def withdraw(unit: Unit, file_id: str) -> FileShown:
    """Take a file back: it has expired as from now, its signed addresses end, and the server deletes its bytes.

    What lies in a storage of your own stays there.
    """
    file = lifecycle.get_file(unit.session, unit.principal, file_id, "write")
    lifecycle.withdraw(unit.session, unit.principal, file)
    return _shown(unit, file)


@router.serve("POST", "/files/ack", area="files", right="write", body="large")
def acknowledge_many(unit: Unit, given: Chosen) -> list[FileShown]:
    """Take note that files were consumed, and return those that there are."""
    ids = [one for one in given.ids if "\0" not in one]
    return shown_files(unit, lifecycle.acknowledge_many(unit.session, unit.principal, ids))


@router.serve("POST", "/files/{file_id}/ack", area="files", right="write")
def acknowledge(unit: Unit, file_id: str, given: Acknowledgement | None = None) -> FileShown:
    """Take note that the file was consumed; with a `sha256` that is not the file's, it becomes available again."""
    file = lifecycle.get_file(unit.session, unit.principal, file_id, "write")
    lifecycle.acknowledge(unit.session, unit.principal, file, given.sha256 if given else None)
    return _shown(unit, file)


@router.serve("POST", "/files/{file_id}/sign", area="files", right="write")
def renew(unit: Unit, file_id: str, given: Signing | None = None) -> FileShown:
    """Let the file's signed address work for another while."""
    file = lifecycle.get_file(unit.session, unit.principal, file_id, "write")
    signing.renew(file, storage_of(unit.session, file), given.seconds if given else None)
    unit.session.flush()
    return _shown(unit, file)


def download(call: Call) -> Response:
    """Return the file's bytes, or a range of them."""
    return content(call, *lifecycle.get_handed(call.connection, call.principal, call.path["file_id"]))


def signed_download(call: Call) -> Response:
    """Return the file's bytes to whoever has its signed URL."""
    file_id = call.path["file_id"]
    signing.check(call.services.vault, file_id, call.query.get("expires", ""), call.query.get("signature", ""))
    found = handed.find(call.connection, file_id)
    if found is None:
        raise Gone("The file was deleted.")
    file, storage = found
    signing.require_standing(file, storage)
    url = signing.onward(call.services.settings, call.services.vault, file, storage)
    if url is not None and call.request.method == "GET":
        note_fetch(call, file)
        return RedirectResponse(url, 307, {"cache-control": "no-store"})
    return content(call, file, storage)


def content(call: Call, file: HandedFile, storage: HandedStorage) -> Response:
    """Return a file's bytes as an answer that keeps to conditions, resumes, and that browsers save, never show."""
    lifecycle.require_bytes(file)
    services = call.services
    etag, asked = f'"{file.sha256}"', call.request.headers
    headers = {
        "cache-control": "private, no-transform",
        "etag": etag,
        "last-modified": conditions.http_date(file.created_at),
    }
    if (status := conditions.failed(asked, etag, file.created_at)) is not None:
        return Response(status_code=status, headers=headers)
    headers |= {
        "content-disposition": conditions.attachment(file.name),
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "accept-ranges": "bytes",
        "repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(file.sha256)).decode()}:",
    }
    media_type = _MEDIA.get(file.type or "", "application/octet-stream")
    store = storages.open_storage(services.settings, services.vault, storage)
    accelerated = storage.own and services.settings.file_accelerated and services.settings.storage_url is None
    at_once = file.size <= BLOCK and call.request.method == "GET" and not accelerated
    if storage.own and not at_once:  # what is read at once shows by itself how much there is
        with telling(services.database, file):
            if store.size(file.path) != file.size:
                raise DamagedFile
    if accelerated:
        note_fetch(call, file)
        internal = f"/entrepot-files/{storage.organization_id}/{file.path}"
        return Response(headers=headers | {"x-accel-redirect": internal}, media_type=media_type)
    try:
        part = conditions.part(asked, file.size, etag, file.created_at)
    except ValueError:
        return Response(status_code=416, headers={"content-range": f"bytes */{file.size}"})
    start, stop = part or (0, file.size)
    headers["content-length"] = str(stop - start)
    if part is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size}"
    status = 200 if part is None else 206
    if call.request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    if start == 0:  # of one that comes in parts, the first
        note_fetch(call, file)
    with telling(services.database, file):
        blocks = intact(store.read(file.path), file) if part is None else intact_part(store, file, start, stop)
        if at_once:
            return Response(b"".join(blocks), status, headers, media_type)

    def sent() -> Iterator[bytes]:
        with telling(services.database, file):
            yield from blocks

    return StreamingResponse(sent(), status, headers, media_type)


def note_fetch(call: Call, file: HandedFile) -> None:
    """Note that the caller begins to fetch a file."""
    call.request.app.state.noted.fetched(file.id, call.principal.user_id, origin.address_of(call.request))


def shown_files(unit: Unit, files: Sequence[PublishedFile]) -> list[FileShown]:
    """Return files as the native API tells of them."""
    url = reached_at(unit.services.settings, unit.url)
    return shown(unit.session, unit.services, files, url)


def shown(session: Session, services: Services, files: Sequence[PublishedFile], url: str) -> list[FileShown]:
    """Return files as the native API tells of them, to who reaches this server under an address."""
    ids, projects = ({getattr(file, name) for file in files} for name in ("storage_id", "project_id"))
    places = {one.id: one for one in session.scalars(select(Storage).where(Storage.id.in_(ids)))}
    names = {one.id: one for one in session.scalars(select(Project).where(Project.id.in_(projects - {None})))}
    return [shown_one(services, one, places[one.storage_id], names.get(one.project_id or ""), url) for one in files]


def shown_one(
    services: Services, file: PublishedFile, storage: Storage, project: Project | None, url: str
) -> FileShown:
    """Return a file as the native API tells of it, its storage and its project being known."""
    signed = signing.signed_url(services.vault, file, storage, url)
    return FileShown.showing(
        file,
        project=Reference.to(project),
        storage=Reference(id=storage.id, name=storage.url),
        url=f"{storage.url}/{file.path}",
        signed_url=SignedUrl(url=signed[0], expires_at=signed[1]) if signed else None,
    )


def storage_of(session: Session, file: PublishedFile) -> Storage:
    """Return where a file is stored."""
    return session.scalars(select(Storage).where(Storage.id == file.storage_id)).one()


def _fetch(one: FileFetch, logins: dict[str, str]) -> FetchShown:
    user = None if one.reader == fetches.ANYBODY else Reference(id=one.reader, name=logins.get(one.reader, ""))
    return FetchShown(user=user, count=one.count, first_at=one.first_at, last_at=one.last_at, address=one.address)


def _shown(unit: Unit, file: PublishedFile) -> FileShown:
    return shown_files(unit, [file])[0]


ENDPOINTS = [
    Endpoint("GET", "/api/v1/files/{file_id}/download", download, "files", "read", lean=True),
    Endpoint("GET", "/api/v1/files/{file_id}/content", signed_download, "files", "read", access="open", lean=True),
]
