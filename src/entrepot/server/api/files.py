"""Published files: listed, fetched, acknowledged; they come in through :mod:`.uploads`."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response, StreamingResponse

from entrepot.errors import Gone, InvalidInput
from entrepot.files import configs, lifecycle, signing
from entrepot.files.damage import DamagedFile, intact, intact_part, telling
from entrepot.files.models import PublishedFile, StorageConfig
from entrepot.server import conditions
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
_FILTERS = {
    "identifier": PublishedFile.identifier,
    "project": PublishedFile.project_id,
    "poll": PublishedFile.poll_id,
    "task": PublishedFile.task_id,
    "checksum": PublishedFile.md5,
    "sha256": PublishedFile.sha256,
    "type": PublishedFile.type,
}
_MOST = 1000


def list_files(call: Call) -> list[dict[str, Any]]:
    """List files, newest first: available ones unless ``state`` says otherwise; ``after`` is the last one known."""
    query = select(PublishedFile).where(call.principal.own(PublishedFile))
    limit = 100
    states = call.query.getlist("state") or ["available"]
    for name, value in call.query.multi_items():
        if name in _FILTERS:
            query = query.where(_FILTERS[name].in_(call.query.getlist(name)))
        elif name == "state":
            if value not in lifecycle.STATES:
                raise InvalidInput.field("state", f"One of {', '.join(lifecycle.STATES)}.")
        elif name == "after":
            query = query.where(PublishedFile.number < _number(call, value))
        elif name == "limit":
            if not value.isascii() or not value.isdigit() or not 1 <= int(value[:5]) <= _MOST:
                raise InvalidInput.field("limit", f"From 1 to {_MOST}.")
            limit = int(value)
        else:
            raise InvalidInput.field(name[:100], "There is no such parameter.")
    query = query.where(PublishedFile.state.in_(states)).order_by(PublishedFile.number.desc()).limit(limit)
    files = call.session.scalars(query).all()
    return records(call.session, call.services, files, base_url(call))


def get_file(call: Call) -> dict[str, Any]:
    """Return a file's record."""
    return _record(call, lifecycle.get_file(call.session, call.principal, call.path["file_id"]))


def acknowledge(call: Call) -> dict[str, Any]:
    """Take note that the file was consumed; with a ``sha256`` that is not the file's, it becomes available again."""
    file = lifecycle.get_file(call.session, call.principal, call.path["file_id"], "write")
    sha256 = call.fields.get("sha256")
    if sha256 is not None and not isinstance(sha256, str):
        raise InvalidInput.field("sha256", "64 hexadecimal digits.")
    lifecycle.acknowledge(call.session, call.principal, file, sha256)
    return _record(call, file)


def acknowledge_many(call: Call) -> list[dict[str, Any]]:
    """Take note that the files of ``ids`` were consumed; those that are unknown are passed over."""
    files = lifecycle.acknowledge_many(call.session, call.principal, ids_of(call.fields))
    return records(call.session, call.services, files, base_url(call))


def renew(call: Call) -> dict[str, Any]:
    """Let the file's signed URL work for ``seconds`` from now on, by default as its storage config says."""
    file = lifecycle.get_file(call.session, call.principal, call.path["file_id"], "write")
    seconds = call.fields.get("seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise InvalidInput.field("seconds", "A number.")
    signing.renew(file, config_of(call.session, file), seconds)
    call.session.flush()
    return _record(call, file)


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
    storage = configs.open_config(services.settings, services.vault, config)
    with telling(services.database, file):
        if config.own and storage.size(file.path) != file.size:
            raise DamagedFile
    if config.own and services.settings.file_accelerated:
        internal = f"/entrepot-files/{config.organization_id}/{file.path}"
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
    with telling(services.database, file):
        blocks = intact(storage.read(file.path), file) if part is None else intact_part(storage, file, start, stop)

    def sent() -> Iterator[bytes]:
        with telling(services.database, file):
            yield from blocks

    return StreamingResponse(sent(), status, headers, media_type)


def records(session: Session, services: Services, files: Iterable[PublishedFile], url: str) -> list[dict[str, Any]]:
    """Return files as the native API tells of them."""
    files = list(files)
    ids = {file.storage_config_id for file in files}
    found = {one.id: one for one in session.scalars(select(StorageConfig).where(StorageConfig.id.in_(ids)))}
    return [record(services, file, found[file.storage_config_id], url) for file in files]


def record(services: Services, file: PublishedFile, config: StorageConfig, url: str) -> dict[str, Any]:
    """Return a file as the native API tells of it."""
    signed = signing.signed_url(services.vault, file, config, url)
    return {
        "id": file.id,
        "identifier": file.identifier,
        "name": file.name,
        "type": file.type,
        "size": file.size,
        "md5": file.md5,
        "sha256": file.sha256,
        "state": file.state,
        "organization_id": file.organization_id,
        "project": file.project_id,
        "poll": file.poll_id,
        "task": file.task_id,
        "storage_config": file.storage_config_id,
        "url": f"{config.url}/{file.path}",
        "signed_url": {"url": signed[0], "date_expires": signed[1]} if signed else None,
        "created": file.created_at,
        "consumed": file.consumed,
        "deleted": file.deleted,
        "mismatches": file.mismatches,
    }


def base_url(call: Call) -> str:
    """Return the address under which the caller reaches this server."""
    return call.services.settings.public_url or f"{call.request.url.scheme}://{call.request.url.netloc}"


def ids_of(fields: Mapping[str, Any]) -> list[str]:
    """Return the ids in a body ``{"ids": [...]}``."""
    ids = fields.get("ids")
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise InvalidInput.field("ids", "A list of ids is required.")
    return [one for one in ids if "\0" not in one]


def _record(call: Call, file: PublishedFile) -> dict[str, Any]:
    return record(call.services, file, config_of(call.session, file), base_url(call))


def config_of(session: Session, file: PublishedFile) -> StorageConfig:
    """Return where a file is stored."""
    return session.scalars(select(StorageConfig).where(StorageConfig.id == file.storage_config_id)).one()


def _number(call: Call, file_id: str) -> int:
    query = select(PublishedFile.number).where(PublishedFile.id == file_id, call.principal.own(PublishedFile))
    number = call.session.scalar(query)
    if number is None:
        raise InvalidInput.field("after", "There is no such file.")
    return number


def _endpoint(method: str, path: str, handler: Any, right: Any, **options: Any) -> Endpoint:
    return Endpoint(method, f"/api/v1/files{path}", handler, "files", right, **options)


ENDPOINTS = [
    _endpoint("GET", "", list_files, "read"),
    _endpoint("POST", "/ack", acknowledge_many, "write", body="large"),
    _endpoint("GET", "/{file_id}", get_file, "read"),
    _endpoint("POST", "/{file_id}/ack", acknowledge, "write"),
    _endpoint("POST", "/{file_id}/sign", renew, "write"),
    _endpoint("GET", "/{file_id}/download", download, "read"),
    _endpoint("HEAD", "/{file_id}/download", download, "read"),
    _endpoint("GET", "/{file_id}/content", signed_download, "read", access="open"),
    _endpoint("HEAD", "/{file_id}/content", signed_download, "read", access="open"),
]
