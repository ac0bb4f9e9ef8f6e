"""The Buckets backend: the work queue."""

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.server.ahead import to_withdraw
from entrepot.server.dialects.workflow import wire
from entrepot.server.endpoint import Call, Endpoint
from entrepot.works import audit, queue
from entrepot.works.withdraw import withdraw


def _deposit(call: Call) -> Response:
    ids = queue.deposit(call.session, call.principal, call.content)
    wanted = any(value.lower() == "true" for value in call.query.getlist("return_ids"))
    return wire.answer(ids if wanted else True)


def _wanted(request: Request, body: bytes) -> tuple[Any, list[int] | None]:
    query = wire.decoded(body)
    query = {} if query is None else query
    return query, to_withdraw(request, query)


def _withdraw(call: Call) -> Response:
    query, candidates_found = call.content
    found = withdraw(call.session, call.principal, query, found=candidates_found)
    return wire.answer(found[0] if found else {})


def _update(call: Call) -> bool:
    return queue.update_documents(call.session, call.principal, call.content)


def _delete(call: Call) -> bool:
    return queue.delete_ids(call.session, call.principal, call.query.getlist("ids")) > 0


def _view(call: Call) -> Response:
    wanted = wire.search(call)
    found = queue.view(
        call.session, call.principal, wanted.query, wanted.projection, skip=wanted.skip, limit=wanted.limit
    )
    return wire.answer(found)


def _status(call: Call) -> dict[str, int]:
    return queue.status(call.session, call.principal)


def _details(call: Call) -> dict[str, int]:
    return queue.status(call.session, call.principal, call.path["pipeline"])


def _pipelines(call: Call) -> list[str]:
    return queue.pipelines(call.session, call.principal)


def _requeue(call: Call) -> int:
    call.principal.require("write")
    call.headers["cache-control"] = "no-store"
    return audit.requeue(call.session, call.principal.organization_id)


def _expire(call: Call) -> int:
    call.principal.require("write")
    call.headers["cache-control"] = "no-store"
    return audit.expire(call.session, call.principal.organization_id)


def _stale(call: Call) -> int:
    call.principal.require("read")
    call.headers["cache-control"] = "no-store"
    try:
        days = float(call.path["days"])
    except ValueError:
        raise InvalidInput.field("days", "must be a number") from None
    return audit.stale(call.session, call.principal.organization_id, days)


_hot = partial(Endpoint, area="works", right="write", body="large", lean=True)
ENDPOINTS = [
    *wire.version_endpoints("/buckets"),
    _hot("POST", "/buckets/work", _deposit, scope="works:deposit", parse=wire.works),
    _hot("POST", "/buckets/work/withdraw", _withdraw, scope="works:work", parse=_wanted),
    _hot("PUT", "/buckets/work", _update, scope="works:work", parse=wire.works),
    Endpoint("DELETE", "/buckets/work", _delete, "works", "write"),
    Endpoint("POST", "/buckets/view", _view, "works", "read", write=False, body="large"),
    Endpoint("GET", "/buckets/status", _status, "works", "read"),
    Endpoint("GET", "/buckets/status/details/{pipeline}", _details, "works", "read"),
    Endpoint("GET", "/buckets/status/pipelines", _pipelines, "works", "read"),
    Endpoint("GET", "/buckets/audit/failed", _requeue, "works", "write", write=True),
    Endpoint("GET", "/buckets/audit/expired", _expire, "works", "write", write=True),
    Endpoint("GET", "/buckets/audit/stale/{days}", _stale, "works", "read"),
]
