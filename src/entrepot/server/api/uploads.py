"""Files on their way in: as one form, or part after part with as many interruptions as it takes."""

from typing import Any

from anyio.to_thread import run_sync
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from entrepot.db import now
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.files import lifecycle
from entrepot.files.models import PublishedFile, Upload
from entrepot.files.publish import Description, Publisher
from entrepot.files.spool import Spool
from entrepot.identity import Principal
from entrepot.server import repeats
from entrepot.server.api.files import shown
from entrepot.server.endpoint import Call, Endpoint, Json
from entrepot.server.services import Services
from entrepot.server.streaming import Form, StreamEndpoint, pour


async def publish(request: Request, principal: Principal) -> Response:
    """Publish a file: a form with ``file`` and, before or after it, what is said of it."""
    services: Services = request.app.state.services
    principal.require_acting("write")
    form = Form(request)
    spool = Spool(services.settings, principal.organization_id)
    receiver = await run_sync(spool.receive)
    try:
        await pour(request.stream(), lambda chunks: receiver.write(form.feed(chunks)))
        form.end()
        description = Description.of({"name": form.filename or ""} | form.fields)
        digest = await run_sync(receiver.finish)
    except BaseException:
        receiver.abandon()
        raise

    def store() -> Response:
        with (
            publisher(services).storing(principal, spool, digest, description) as stored,
            services.database.write() as session,
        ):
            content = [digest.sha256, repr(sorted(form.fields.items())), form.filename or ""]

            def respond() -> Response:
                stored.record(session)
                session.flush()
                return _created(request, services, session, stored.file)

            return repeats.once(request, principal, session, content, respond)

    return await run_sync(store)


def begin(call: Call) -> dict[str, Any]:
    """Begin an upload in parts; the body says what is known of the file, and perhaps its ``size``."""
    fields = dict(call.fields)
    size = fields.pop("size", None)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**62):
        raise InvalidInput.field("size", "A number of bytes.")
    Description.of(fields).check(call.session, call.principal)
    spool = Spool(call.services.settings, call.principal.organization_id)
    upload = Upload(
        id=spool.id,
        organization_id=spool.organization_id,
        user_id=call.principal.user_id,
        size=size,
        description=fields,
    )
    call.session.add(upload)
    call.session.flush()
    spool.create()
    call.headers["location"] = f"/api/v1/uploads/{upload.id}"
    return _state(call.services, upload)


def look(call: Call) -> dict[str, Any]:
    """Return how far an upload is."""
    return _state(call.services, _upload(call.session, call.principal, call.path["upload_id"]))


async def append(request: Request, principal: Principal) -> Response:
    """Add the body to an upload, at the byte that the header ``Upload-Offset`` names; what came, stays."""
    services: Services = request.app.state.services
    offset = request.headers.get("upload-offset", "")
    if not offset.isascii() or not offset.isdigit() or len(offset) > 18:
        raise InvalidInput.field("Upload-Offset", "Say from which byte on, in this header.")

    def known() -> Upload:
        with services.database.write() as session:
            upload = _upload(session, principal, request.path_params["upload_id"])
            upload.touched = now()
            return upload

    upload = await run_sync(known)
    spool = Spool(services.settings, upload.organization_id, upload.id)
    end = int(offset)
    await run_sync(spool.append, end, [])

    def write(blocks: list[bytes]) -> None:
        nonlocal end
        if upload.size is not None and end + sum(map(len, blocks)) > upload.size:
            raise InvalidInput(f"The upload was to have {upload.size} bytes; this is more.")
        end = spool.append(end, blocks)

    await pour(request.stream(), write)
    return Json(_state(services, upload))


async def finish(request: Request, principal: Principal) -> Response:
    """Publish what was uploaded; a repeated call returns the same file."""
    services: Services = request.app.state.services
    upload_id = request.path_params["upload_id"]

    def done() -> PublishedFile:
        with services.database.read() as session:
            if session.scalar(select(PublishedFile.id).where(PublishedFile.id == upload_id)):
                return lifecycle.get_file(session, principal, upload_id, "write")
            upload = _upload(session, principal, upload_id)
        spool = Spool(services.settings, upload.organization_id, upload.id)
        with spool.alone():
            digest = spool.digest()
            if upload.size is not None and digest.size != upload.size:
                raise Conflict(f"Of {upload.size} bytes, {digest.size} came so far.")
            description = Description.of(upload.description)
            return publisher(services).publish(principal, spool, digest, description, keep=True).file

    def answer() -> Response:
        file = done()
        with services.database.read() as session:
            return _created(request, services, session, file)

    return await run_sync(answer)


def abandon(call: Call) -> Response:
    """Forget an upload."""
    upload = _upload(call.session, call.principal, call.path["upload_id"])
    call.session.execute(delete(Upload).where(Upload.id == upload.id))
    Spool(call.services.settings, upload.organization_id, upload.id).remove()
    return Response(status_code=204)


def publisher(services: Services) -> Publisher:
    """Return the server's publisher."""
    return Publisher(services.database, services.settings, services.vault)


def _created(request: Request, services: Services, session: Session, file: PublishedFile) -> Response:
    url = services.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
    (told,) = shown(session, services, [file], url)
    return Json(told.model_dump(mode="json"), 201, headers={"location": f"/api/v1/files/{file.id}"})


def _upload(session: Session, principal: Principal, upload_id: str) -> Upload:
    upload = session.scalar(select(Upload).where(Upload.id == upload_id))
    if upload is None or upload.user_id != principal.user_id:
        raise NotFound("Upload not found.")
    principal.require("write", upload.organization_id, "Upload", upload.description.get("project"))
    return upload


def _state(services: Services, upload: Upload) -> dict[str, Any]:
    offset = Spool(services.settings, upload.organization_id, upload.id).size()
    return {"id": upload.id, "offset": offset, "size": upload.size}


#: All that is needed to publish, and nothing else.
SCOPE = "files:publish"
ENDPOINTS = [
    StreamEndpoint("POST", "/api/v1/files", publish, "files", "write", body="stream", scope=SCOPE),
    Endpoint("POST", "/api/v1/uploads", begin, "files", "write", scope=SCOPE, status=201),
    Endpoint("GET", "/api/v1/uploads/{upload_id}", look, "files", "write", scope=SCOPE, write=False),
    StreamEndpoint("PATCH", "/api/v1/uploads/{upload_id}", append, "files", "write", body="stream", scope=SCOPE),
    StreamEndpoint("POST", "/api/v1/uploads/{upload_id}/publish", finish, "files", "write", scope=SCOPE),
    Endpoint("DELETE", "/api/v1/uploads/{upload_id}", abandon, "files", "write", scope=SCOPE),
]
