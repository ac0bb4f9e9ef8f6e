"""Files that are attached to parts of structures and to what measures them: put, fetched, removed."""

import mimetypes
from typing import Any

from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.files.publish import safe_name
from entrepot.rows import attachments
from entrepot.rows.models import Attachment
from entrepot.server import conditions
from entrepot.server.api.parts import attached, kind_of
from entrepot.server.api.places import number_of
from entrepot.server.endpoint import Call, Endpoint

_PATH = "/api/v1/parts/{kind}/{part_id}/attachments/{field}"


def put(call: Call) -> dict[str, Any]:
    """Take the body as a record's file, in place of the one that it has there; ``name`` is what it is called."""
    name = safe_name(call.query.get("name", ""))
    if not name:
        raise InvalidInput.field("name", "Say how the file is called.")
    most = call.services.settings.attachment_max_bytes
    part, id_ = kind_of(call.path["kind"]), number_of(call.path["part_id"])
    made = attachments.put(call.session, call.principal, part, id_, call.path["field"], name, call.body, most)
    return attached(made)


def download(call: Call) -> Response:
    """Return a record's file, or a range of it."""
    part, id_ = kind_of(call.path["kind"]), number_of(call.path["part_id"])
    return content(call, attachments.get(call.session, call.principal, part, id_, call.path["field"]))


def remove(call: Call) -> Response:
    """Take a file from a record."""
    part, id_ = kind_of(call.path["kind"]), number_of(call.path["part_id"])
    attachments.remove(call.session, call.principal, part, id_, call.path["field"])
    return Response(status_code=204)


def content(call: Call, file: Attachment) -> Response:
    """Return a file's bytes as an answer that keeps to conditions, resumes, and that browsers save, never show."""
    asked, etag = call.request.headers, f'"{file.sha256}"'
    headers = {
        "cache-control": "private, no-transform",
        "etag": etag,
        "last-modified": conditions.http_date(file.created_at),
        "accept-ranges": "bytes",
        "content-disposition": conditions.attachment(file.name),
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
    }
    if (status := conditions.failed(asked, etag, file.created_at)) is not None:
        return Response(status_code=status, headers=headers)
    try:
        part = conditions.part(asked, file.size, etag, file.created_at)
    except ValueError:
        return Response(status_code=416, headers={"content-range": f"bytes */{file.size}"})
    start, stop = part or (0, file.size)
    if part is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size}"
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    answer = Response(file.content[start:stop], 200 if part is None else 206, headers, kind)
    if call.request.method == "HEAD":
        answer.body = b""
    return answer


ENDPOINTS = [
    Endpoint("PUT", _PATH, put, "rows", "write", body="large"),
    Endpoint("GET", _PATH, download, "rows", "read"),
    Endpoint("DELETE", _PATH, remove, "rows", "write"),
]
