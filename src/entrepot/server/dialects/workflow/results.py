"""The Results backend: the archive."""

from typing import Any

from starlette.responses import Response

from entrepot.errors import Locked, NotFound
from entrepot.server.dialects.workflow import wire
from entrepot.server.endpoint import Call, Endpoint
from entrepot.works import archive
from entrepot.works.document import pipelines_of


def _deposit(call: Call) -> dict[str, bool]:
    given = call.content
    archive.deposit(call.session, call.principal, given)
    return dict.fromkeys(pipelines_of(given), True)


def _update(call: Call) -> Any:
    given = call.content
    try:
        archive.update_documents(call.session, call.principal, given)
    except (Locked, NotFound):
        # Clients take the answer for a truth value: a mapping would be true.
        return False
    return dict.fromkeys(pipelines_of(given), True)


def _delete(call: Call) -> dict[str, bool]:
    return {name: _deleted(call, name) for name in dict.fromkeys(call.query.keys())}


def _deleted(call: Call, pipeline: str) -> bool:
    try:
        return archive.delete_ids(call.session, call.principal, pipeline, call.query.getlist(pipeline)) > 0
    except Locked:
        return False


def _view(call: Call) -> Response:
    wanted = wire.search(call)
    page: dict[str, Any] = {"skip": wanted.skip, "limit": wanted.limit}
    if wanted.projection in (None, {}):
        texts = archive.view_texts(call.session, call.principal, wanted.query, **page)
        return Response(f"[{','.join(texts)}]", media_type="application/json")
    return wire.answer(archive.view(call.session, call.principal, wanted.query, wanted.projection, **page))


def _count(call: Call) -> int:
    return archive.count(call.session, call.principal, wire.search(call).query)


def _status(call: Call) -> dict[str, int]:
    return archive.status(call.session, call.principal)


ENDPOINTS = [
    *wire.version_endpoints("/results"),
    Endpoint("POST", "/results/results", _deposit, "works", "write", body="large", parse=wire.works),
    Endpoint("PUT", "/results/results", _update, "works", "write", body="large", parse=wire.works),
    Endpoint("DELETE", "/results/results", _delete, "works", "write"),
    Endpoint("POST", "/results/view", _view, "works", "read", write=False, body="large"),
    Endpoint("POST", "/results/view/count", _count, "works", "read", write=False, body="large"),
    Endpoint("GET", "/results/status", _status, "works", "read"),
]
