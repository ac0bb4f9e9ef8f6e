"""Files on their way in: as one form, or part after part with as many interruptions as it takes."""

from collections.abc import Mapping
from typing import Any

from anyio.to_thread import run_sync
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from entrepot.db import new_id, now
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.files import lifecycle
from entrepot.files.models import PublishedFile, Storage, Upload
from entrepot.files.pieces import Coming, coming
from entrepot.files.publish import Description, Publisher
from entrepot.files.spool import Receiver, Spool
from entrepot.identity import Principal, Project
from entrepot.server import repeats
from entrepot.server.api.files import shown_one, storage_of
from entrepot.server.endpoint import Call, Endpoint, Json
from entrepot.server.names import reached_at
from entrepot.server.services import Services
from entrepot.server.streaming import Form, StreamEndpoint, pour
from entrepot.server.writers import in_turn

#: Bodies that are read before anything else is done with them.
_SMALL_BYTES = 256 * 1024


async def publish(request: Request, principal: Principal) -> Response:
    """Publish a file: a form with ``file`` and, before or after it, what is said of it."""
    principal.require_acting("write")
    incoming = _Incoming(request, principal)
    if incoming.is_small:
        # What is here at once is taken in one go, and waits with other writers for its turn.
        blocks = [block async for block in request.stream()]
        return await in_turn(request, True, incoming.published, blocks)
    await run_sync(incoming.begin)
    try:
        await pour(request.stream(), incoming.write)
        return await run_sync(incoming.finished)
    except BaseException:
        incoming.abandon()
        raise


async def publish_body(request: Request, principal: Principal, fields: Mapping[str, Any]) -> Response:
    """Publish the body as a file of which the fields tell."""
    principal.require_acting("write")
    services: Services = request.app.state.services
    description = Description.of(fields)
    spool = Spool(services.settings, principal.organization_id)

    def begin() -> Receiver:
        with services.database.read() as session:
            description.check(session, principal)
        return spool.receive()

    receiver = await run_sync(begin)
    try:
        await pour(request.stream(), receiver.write)
        digest = await run_sync(receiver.finish)
    except BaseException:
        receiver.abandon()
        raise

    def publish() -> Response:
        file = publisher(services).publish(principal, spool, digest, description).file
        return Json({"id": file.id}, 201, headers={"location": f"/api/v1/files/{file.id}"})

    return await run_sync(publish)


class _Incoming:
    """A file that comes as a form."""

    def __init__(self, request: Request, principal: Principal) -> None:
        self._request, self._principal = request, principal
        self._services: Services = request.app.state.services
        self._form = Form(request)
        self._spool = Spool(self._services.settings, principal.organization_id)
        self._receiver: Receiver | None = None
        declared = request.headers.get("content-length")
        self.is_small = declared is not None and int(declared[:18]) <= _SMALL_BYTES

    def begin(self) -> None:
        """Make room for it."""
        self._receiver = self._spool.receive()

    def write(self, blocks: list[bytes]) -> None:
        """Take the next of the form."""
        assert self._receiver
        self._receiver.write(self._form.feed(blocks))

    def published(self, blocks: list[bytes]) -> Response:
        """Take all of the form, and publish what it has."""
        self.begin()
        try:
            self.write(blocks)
            return self.finished()
        except BaseException:
            self.abandon()
            raise

    def finished(self) -> Response:
        """Publish what came; then it is the publisher's to undo."""
        assert self._receiver
        self._form.end()
        description = Description.of({"name": self._form.filename or ""} | self._form.fields)
        digest, self._receiver = self._receiver.finish(), None
        services, request, principal = self._services, self._request, self._principal
        content = [digest.sha256, repr(sorted(self._form.fields.items())), self._form.filename or ""]
        with publisher(services).storing(principal, self._spool, digest, description) as stored:

            def record(session: Session) -> Response:
                def respond() -> Response:
                    stored.record(session)
                    session.flush()
                    project = session.get(Project, stored.file.project_id) if stored.file.project_id else None
                    return _created(request, services, stored.file, stored.storage, project)

                return repeats.once(request, principal, session, content, respond)

            return services.database.together(record)

    def abandon(self) -> None:
        """Forget what came."""
        if self._receiver is not None:
            self._receiver.abandon()


def begin(call: Call) -> dict[str, Any]:
    """Begin an upload in parts; the body says what is known of the file, and perhaps its ``size``."""
    fields = dict(call.fields)
    size = fields.pop("size", None)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**62):
        raise InvalidInput.field("size", "A number of bytes.")
    Description.of(fields).check(call.session, call.principal)
    upload = Upload(
        id=new_id(),
        organization_id=call.principal.organization_id,
        user_id=call.principal.user_id,
        size=size,
        description=fields,
    )
    call.session.add(upload)
    call.session.flush()
    _coming(call.services, upload).create()
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
        with services.database.read() as session:
            return _upload(session, principal, request.path_params["upload_id"])

    def touch() -> None:
        with services.database.write() as session:
            _upload(session, principal, upload.id).touched_at = now()

    upload = await run_sync(known)
    came = _coming(services, upload)
    end = int(offset)
    await run_sync(came.append, end, [])

    def write(blocks: list[bytes]) -> None:
        nonlocal end
        if upload.size is not None and end + sum(map(len, blocks)) > upload.size:
            raise InvalidInput(f"The upload was to have {upload.size} bytes; this is more.")
        end = came.append(end, blocks)

    try:
        await pour(request.stream(), write)
    finally:
        await run_sync(came.settle)
    # Afterwards: where nothing is taken any more, because the server is moved, the client is told no more came.
    await run_sync(touch)
    return Json(_state(services, upload))


async def finish(request: Request, principal: Principal) -> Response:
    """Publish what was uploaded; a repeated call returns the same file."""
    services: Services = request.app.state.services
    upload_id = request.path_params["upload_id"]

    def known(session: Session) -> PublishedFile | None:
        if session.scalar(select(PublishedFile.id).where(PublishedFile.id == upload_id)):
            return lifecycle.get_file(session, principal, upload_id, "write")
        return None

    def done() -> PublishedFile:
        with services.database.read() as session:
            if (file := known(session)) is not None:
                return file
            upload = _upload(session, principal, upload_id)
        try:
            return published(upload)
        except (IntegrityError, Conflict, NotFound):
            # Another server may have published it meanwhile.
            with services.database.read() as session:
                if (file := known(session)) is not None:
                    return file
            raise

    def published(upload: Upload) -> PublishedFile:
        with _coming(services, upload).whole() as (spool, digest):
            if upload.size is not None and digest.size != upload.size:
                raise Conflict(f"Of {upload.size} bytes, {digest.size} came so far.")
            description = Description.of(upload.description)
            return publisher(services).publish(principal, spool, digest, description, keep=True).file

    def answer() -> Response:
        file = done()
        with services.database.read() as session:
            project = session.get(Project, file.project_id) if file.project_id else None
            return _created(request, services, file, storage_of(session, file), project)

    return await run_sync(answer)


def abandon(call: Call) -> Response:
    """Forget an upload."""
    upload = _upload(call.session, call.principal, call.path["upload_id"])
    call.session.execute(delete(Upload).where(Upload.id == upload.id))
    _coming(call.services, upload).remove()
    return Response(status_code=204)


def publisher(services: Services) -> Publisher:
    """Return the server's publisher."""
    return Publisher(services.database, services.settings, services.vault)


def _created(
    request: Request, services: Services, file: PublishedFile, storage: Storage, project: Project | None
) -> Response:
    told = shown_one(services, file, storage, project, reached_at(services.settings, request.url))
    return Json(told.model_dump(mode="json"), 201, headers={"location": f"/api/v1/files/{file.id}"})


def _upload(session: Session, principal: Principal, upload_id: str) -> Upload:
    upload = session.scalar(select(Upload).where(Upload.id == upload_id))
    if upload is None or upload.user_id != principal.user_id:
        raise NotFound("Upload not found.")
    principal.require("write", upload.organization_id, "Upload", upload.description.get("project"))
    return upload


def _state(services: Services, upload: Upload) -> dict[str, Any]:
    return {"id": upload.id, "offset": _coming(services, upload).size(), "size": upload.size}


def _coming(services: Services, upload: Upload) -> Coming:
    return coming(services.settings, upload.organization_id, upload.id)


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
