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
from entrepot.files import configs, lifecycle, signing
from entrepot.files.damage import DamagedFile, intact, intact_part, telling
from entrepot.files.models import PublishedFile, StorageConfig
from entrepot.identity import Project
from entrepot.server import conditions
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
    status: Annotated[Status, column("state")]
    locked: bool
    project: Annotated[Reference | None, NOT_KEPT]
    poll: Annotated[str, column("poll_id"), Field(description="Id of the request that it answers.")]
    task: Annotated[str, column("task_id"), Field(description="Id of the step of the request.")]
    storage: Annotated[Reference, NOT_KEPT]
    url: Annotated[str, NOT_KEPT, Field(description="Where it is kept.")]
    signed_url: Annotated[SignedUrl | None, NOT_KEPT]
    created_at: Annotated[datetime, column("created")]
    consumed_at: Annotated[datetime | None, column("consumed")]
    expired_at: Annotated[datetime | None, column("deleted")]
    mismatches: Annotated[list[dict[str, Any]], Field(description="What consumers got that was something else.")]


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
    poll: _Several = None,
    task: _Several = None,
    sha256: _Several = None,
    md5: _Several = None,
    type: _Several = None,  # noqa: A002 - what it is called
    status: Annotated[list[Status] | None, Query(description="By default, those that are available.")] = None,
) -> Page[FileShown]:
    """List files, newest first."""
    query = select(PublishedFile).where(
        unit.principal.own(PublishedFile), *worded(asked.q, PublishedFile.name, PublishedFile.identifier)
    )
    for name, values in {
        "project_id": None if project is None else [of_project(unit, project)["project_id"]],
        "state": status or ["available"],
        "identifier": identifier,
        "poll_id": poll,
        "task_id": task,
        "sha256": sha256,
        "md5": md5,
        "type": type,
    }.items():
        if values is not None:
            query = query.where(getattr(PublishedFile, name).in_(values))
    return listed(unit, query, (PublishedFile.number,), asked, lambda rows: shown_files(unit, rows), newest_first=True)


@router.serve("GET", "/files/{file_id}", area="files", right="read")
def get_file(unit: Unit, file_id: str) -> FileShown:
    """Return a file's record."""
    return _shown(unit, lifecycle.get_file(unit.session, unit.principal, file_id))


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
    signing.renew(file, config_of(unit.session, file), given.seconds if given else None)
    unit.session.flush()
    return _shown(unit, file)


def download(call: Call) -> Response:
    """Return the file's bytes, or a range of them."""
    return content(call, lifecycle.get_file(call.session, call.principal, call.path["file_id"]))


def signed_download(call: Call) -> Response:
    """Return the file's bytes to whoever has its signed URL."""
    file_id = call.path["file_id"]
    signing.check(call.services.vault, file_id, call.query.get("expires", ""), call.query.get("signature", ""))
    file = call.session.scalar(select(PublishedFile).where(PublishedFile.id == file_id))
    if file is None:
        raise Gone("The file was deleted.")
    config = call.session.scalar(select(StorageConfig).where(StorageConfig.id == file.storage_config_id))
    signing.require_standing(file, config)
    url = signing.onward(call.services.settings, call.services.vault, file, config) if config else None
    if url is not None and call.request.method == "GET":
        return RedirectResponse(url, 307, {"cache-control": "no-store"})
    return content(call, file)


def content(call: Call, file: PublishedFile) -> Response:
    """Return a file's bytes as an answer that keeps to conditions, resumes, and that browsers save, never show."""
    lifecycle.require_bytes(file)
    services, config = call.services, config_of(call.session, file)
    etag, asked = f'"{file.sha256}"', call.request.headers
    headers = {
        "cache-control": "private, no-transform",
        "etag": etag,
        "last-modified": conditions.http_date(file.created),
    }
    if (status := conditions.failed(asked, etag, file.created)) is not None:
        return Response(status_code=status, headers=headers)
    headers |= {
        "content-disposition": conditions.attachment(file.name),
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "accept-ranges": "bytes",
        "repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(file.sha256)).decode()}:",
    }
    media_type = _MEDIA.get(file.type or "", "application/octet-stream")
    storage = configs.open_config(services.settings, services.vault, config)
    with telling(services.database, file):
        if config.own and storage.size(file.path) != file.size:
            raise DamagedFile
    if config.own and services.settings.file_accelerated:
        internal = f"/entrepot-files/{config.organization_id}/{file.path}"
        return Response(headers=headers | {"x-accel-redirect": internal}, media_type=media_type)
    try:
        part = conditions.part(asked, file.size, etag, file.created)
    except ValueError:
        return Response(status_code=416, headers={"content-range": f"bytes */{file.size}"})
    start, stop = part or (0, file.size)
    headers["content-length"] = str(stop - start)
    if part is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size}"
    status = 200 if part is None else 206
    if call.request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    with telling(services.database, file):
        blocks = intact(storage.read(file.path), file) if part is None else intact_part(storage, file, start, stop)

    def sent() -> Iterator[bytes]:
        with telling(services.database, file):
            yield from blocks

    return StreamingResponse(sent(), status, headers, media_type)


def shown_files(unit: Unit, files: Sequence[PublishedFile]) -> list[FileShown]:
    """Return files as the native API tells of them."""
    url = unit.services.settings.public_url or f"{unit.url.scheme}://{unit.url.netloc}"
    return shown(unit.session, unit.services, files, url)


def shown(session: Session, services: Services, files: Sequence[PublishedFile], url: str) -> list[FileShown]:
    """Return files as the native API tells of them, to who reaches this server under an address."""
    ids, projects = ({getattr(file, name) for file in files} for name in ("storage_config_id", "project_id"))
    configs = {one.id: one for one in session.scalars(select(StorageConfig).where(StorageConfig.id.in_(ids)))}
    names = {one.id: one for one in session.scalars(select(Project).where(Project.id.in_(projects - {None})))}
    return [
        _told(services, file, configs[file.storage_config_id], names.get(file.project_id or ""), url) for file in files
    ]


def _told(
    services: Services, file: PublishedFile, config: StorageConfig, project: Project | None, url: str
) -> FileShown:
    signed = signing.signed_url(services.vault, file, config, url)
    return FileShown.showing(
        file,
        project=Reference.to(project),
        storage=Reference(id=config.id, name=config.url),
        url=f"{config.url}/{file.path}",
        signed_url=SignedUrl(url=signed[0], expires_at=signed[1]) if signed else None,
    )


def config_of(session: Session, file: PublishedFile) -> StorageConfig:
    """Return where a file is stored."""
    return session.scalars(select(StorageConfig).where(StorageConfig.id == file.storage_config_id)).one()


def _shown(unit: Unit, file: PublishedFile) -> FileShown:
    return shown_files(unit, [file])[0]


ENDPOINTS = [
    Endpoint("GET", "/api/v1/files/{file_id}/download", download, "files", "read"),
    Endpoint("GET", "/api/v1/files/{file_id}/content", signed_download, "files", "read", access="open"),
]
