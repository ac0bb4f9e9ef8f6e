"""Works: the queue at ``/works``, the archive at ``/archive``.

Plain endpoints rather than typed ones: documents go through as they are, integers of any size included.
"""

from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.identity import Right
from entrepot.server.ahead import look_up, to_withdraw
from entrepot.server.bodies import Size
from entrepot.server.endpoint import Call, Endpoint
from entrepot.works import archive, audit, changes, queue
from entrepot.works import document as documents
from entrepot.works.document import Document
from entrepot.works.withdraw import withdraw

_LONGEST_LEASE = 3600.0
_LONGEST_PAGE = 1000


def deposit(call: Call) -> dict[str, Any]:
    """Queue works, all or none, and return their ids; those that are given are kept."""
    return {"ids": queue.deposit(call.session, call.principal, call.content, keep_ids=True)}


def take(call: Call) -> Response:
    """Withdraw up to ``limit`` works that match ``query``.

    With ``lease_seconds`` they are given up unless a heartbeat comes in time.
    """
    fields, found = call.content
    lease, limit = _number(fields, "lease_seconds", None), int(_number(fields, "limit", 1) or 0)
    taken = withdraw(call.session, call.principal, _query(fields), limit=limit, lease_seconds=lease, found=found)
    return _answer(taken)


def _to_take(request: Request, body: bytes) -> tuple[dict[str, Any], list[int] | None]:
    fields = _decoded(body)
    limit = int(_number(fields, "limit", 1) or 0)
    return fields, to_withdraw(request, _query(fields), limit)


def heartbeat(call: Call) -> Response:
    """Keep a withdrawn work for another ``lease_seconds``; 409 when it is no longer the caller's."""
    fields = _fields(call)
    attempt, lease = _number(fields, "attempt", 0), _number(fields, "lease_seconds", 60.0)
    assert attempt is not None
    assert lease is not None
    queue.heartbeat(call.session, call.principal, call.path["work_id"], int(attempt), min(lease, _LONGEST_LEASE))
    return Response(status_code=204)


def update(call: Call) -> dict[str, bool]:
    """Replace works by id; ``updated`` is false when one is unknown or was withdrawn again since."""
    return {"updated": queue.update_documents(call.session, call.principal, call.content)}


def view(call: Call) -> Response:
    """Return works that match, oldest deposits first unless ``sort`` says otherwise.

    With ``cursor`` (null: from the begin) they come in the order of their ids, as ``{"items", "next"}``: ``next`` is
    the cursor of the next page, null at the end. A walk meets each work once, whatever is added or deleted meanwhile.
    """
    fields = _fields(call)
    if "cursor" in fields:
        return _walked(call, fields, queue.walk)
    return _answer(queue.view(call.session, call.principal, _query(fields), fields.get("projection"), **_page(fields)))


def list_works(call: Call) -> Response:
    """Return works in the order of their ids, those of a ``pipeline`` or a ``status`` where these are given."""
    return _listed(call, queue.walk)


def get(call: Call) -> Response:
    """Return a work."""
    return _answer(queue.get(call.session, call.principal, call.path["work_id"]))


def count(call: Call) -> dict[str, int]:
    """Return how many works match."""
    return {"count": queue.count(call.session, call.principal, _query(_fields(call)))}


def explain(call: Call) -> dict[str, Any]:
    """Return what of a query the database decides, and by what."""
    return queue.explain(call.session, call.principal, _query(_fields(call)))


def status(call: Call) -> dict[str, int]:
    """Return how many works there are, in all and by status, of one pipeline or of all."""
    return queue.status(call.session, call.principal, call.query.get("pipeline"))


def pipelines(call: Call) -> list[str]:
    """Return the pipelines that have works."""
    return queue.pipelines(call.session, call.principal)


def retry(call: Call) -> dict[str, int]:
    """Queue failed works again, with all their attempts: those of ``ids``, or those that match ``query``."""
    return {"requeued": queue.retry(call.session, call.principal, call.content)}


def _to_retry(request: Request, body: bytes) -> Sequence[str]:
    fields = _decoded(body)
    return _ids(fields) if "ids" in fields else _matching(request, "queue", "retry", _query(fields))


def cancel(call: Call) -> dict[str, int]:
    """Give up works that wait or run: those of ``ids``, or those that match ``query``; they fail, with no attempt left.

    What a worker still makes of one is not taken.
    """
    return {"cancelled": queue.cancel(call.session, call.principal, call.content)}


def _to_cancel(request: Request, body: bytes) -> Sequence[str]:
    fields = _decoded(body)
    return _ids(fields) if "ids" in fields else _matching(request, "queue", "cancel", _required_query(fields))


def _matching(request: Request, place: str, action: str, query: Any) -> list[Any]:
    """Return those of the works that match at which an action changes something."""
    wanted = changes.of(place, action, query)
    found: dict[str, Any] = {"queue": queue.matching, "archive": archive.matching}
    return look_up(request, lambda session, who: found[place](session, who, wanted))


def delete(call: Call) -> dict[str, int]:
    """Delete the works of ``ids``, or those that match ``query``."""
    return {"deleted": queue.delete_ids(call.session, call.principal, call.content)}


def _to_delete(request: Request, body: bytes) -> Sequence[str]:
    fields = _decoded(body)
    return _ids(fields) if "ids" in fields else _matching(request, "queue", "delete", _required_query(fields))


def recover(call: Call) -> dict[str, int]:
    """Try failed works again and fail those whose workers are lost, as the server does by itself."""
    call.principal.require("write")
    organization_id = call.principal.organization_id
    requeued = audit.requeue(call.session, organization_id)
    return {"requeued": requeued, "expired": audit.expire(call.session, organization_id)}


def archive_deposit(call: Call) -> dict[str, Any]:
    """Archive finished works, all or none, and return their ids."""
    return {"ids": archive.deposit(call.session, call.principal, call.content)}


def archive_update(call: Call) -> Response:
    """Replace archived works, all or none."""
    archive.update_documents(call.session, call.principal, call.content)
    return Response(status_code=204)


def archive_list(call: Call) -> Response:
    """Return archived works in the order of their ids, filtered as works are."""
    return _listed(call, archive.walk)


def archive_get(call: Call) -> Response:
    """Return an archived work by its id, and its ``pipeline`` where several have one of that id."""
    return _answer(archive.get(call.session, call.principal, call.path["work_id"], call.query.get("pipeline")))


def archive_view(call: Call) -> Response:
    """Return archived works that match, the newest id first unless ``sort`` says otherwise; by ``cursor`` as works."""
    fields = _fields(call)
    if "cursor" in fields:
        return _walked(call, fields, archive.walk)
    query, page = _query(fields), _page(fields)
    if fields.get("projection") in (None, {}):
        texts = archive.view_texts(call.session, call.principal, query, **page)
        return Response(f"[{','.join(texts)}]", media_type="application/json")
    return _answer(archive.view(call.session, call.principal, query, fields["projection"], **page))


def archive_count(call: Call) -> dict[str, int]:
    """Return how many archived works match."""
    return {"count": archive.count(call.session, call.principal, _query(_fields(call)))}


def archive_explain(call: Call) -> dict[str, Any]:
    """Return what of a query the database decides, and by what."""
    return archive.explain(call.session, call.principal, _query(_fields(call)))


def archive_status(call: Call) -> dict[str, int]:
    """Return how many archived works each pipeline has."""
    return archive.status(call.session, call.principal)


def archive_delete(call: Call) -> dict[str, int]:
    """Delete the works of ``pipeline`` and ``ids``, or those that match ``query``; none when one is locked."""
    return {"deleted": archive.delete_found(call.session, call.principal, call.content)}


def _to_delete_archived(request: Request, body: bytes) -> list[tuple[str, str]]:
    fields = _decoded(body)
    if "ids" in fields:
        pipeline = _pipeline(fields)
        return [(pipeline, one) for one in _ids(fields)]
    query = _required_query(fields)
    return look_up(request, lambda session, who: archive.matching(session, who, query))


def archive_lock(call: Call) -> dict[str, int]:
    """Lock the works of ``pipeline`` and ``ids``, or those that match ``query``."""
    return {"locked": changes.change(call.session, call.principal, "archive", "lock", call.content)}


def archive_unlock(call: Call) -> dict[str, int]:
    """Unlock the works of ``pipeline`` and ``ids``, or those that match ``query``."""
    return {"unlocked": changes.change(call.session, call.principal, "archive", "unlock", call.content)}


def _to_lock(action: str) -> Callable[[Request, bytes], list[tuple[str, str]]]:
    def parse(request: Request, body: bytes) -> list[tuple[str, str]]:
        fields = _decoded(body)
        if "ids" in fields:
            pipeline = _pipeline(fields)
            return [(pipeline, one) for one in _ids(fields)]
        return _matching(request, "archive", action, _required_query(fields))

    return parse


def _endpoint(
    method: str,
    path: str,
    handler: Any,
    *,
    reads: bool = False,
    scope: str | None = None,
    parse: Any = None,
    lean: bool = False,
) -> Endpoint:
    right: Right = "read" if reads else "write"
    body: Size = "none" if method == "GET" else "large"
    return Endpoint(
        method,
        f"/api/v1{path}",
        handler,
        "works",
        right,
        write=not reads,
        scope=scope,
        parse=parse,
        body=body,
        lean=lean,
    )


def _works(_request: Request, body: bytes) -> list[Document]:
    return documents.documents_of(documents.loads(body or b"null"))


def _fields(call: Call) -> dict[str, Any]:
    return _decoded(call.body)


def _decoded(body: bytes) -> dict[str, Any]:
    fields = documents.loads(body) if body.strip() else {}
    if not isinstance(fields, dict):
        raise InvalidInput("The body must be an object.")
    return fields


def _answer(value: Any) -> Response:
    return Response(documents.dumps(value), media_type="application/json")


def _listed(call: Call, walk: Any) -> Response:
    """Answer with a page of a walk through the works that the query string asks for."""
    query = {name: call.query[name] for name in ("pipeline", "status") if name in call.query}
    for name in call.query:
        if name not in ("pipeline", "status", "limit", "cursor"):
            raise InvalidInput.field(name[:100], "This is no parameter here.")
    text = call.query.get("limit", "100")
    limit = int(text[:5]) if text.isascii() and text.isdigit() else 0
    if not 1 <= limit <= _LONGEST_PAGE:
        raise InvalidInput.field("limit", f"must be from 1 to {_LONGEST_PAGE}")
    cursor = call.query.get("cursor")
    items, following = walk(call.session, call.principal, query, None, after=cursor, limit=limit)
    address = call.request.url.include_query_params(cursor=following).replace(netloc="", scheme="")
    return _answer({"items": items, "next": None if following is None else str(address)})


def _walked(call: Call, fields: dict[str, Any], walk: Any) -> Response:
    cursor, limit = fields["cursor"], int(_number(fields, "limit", 100) or 0)
    if not isinstance(cursor, str | None):
        raise InvalidInput.field("cursor", "must be null or what `next` said")
    if not 1 <= limit <= _LONGEST_PAGE:
        raise InvalidInput.field("limit", f"must be from 1 to {_LONGEST_PAGE} with a cursor")
    if fields.get("sort") or fields.get("skip"):
        raise InvalidInput.field("cursor", "has an order of its own: it goes with neither sort nor skip")
    projection = fields.get("projection")
    items, following = walk(call.session, call.principal, _query(fields), projection, after=cursor, limit=limit)
    return _answer({"items": items, "next": following})


def _query(fields: dict[str, Any]) -> Any:
    query = fields.get("query")
    return {} if query is None else query


def _required_query(fields: dict[str, Any]) -> Any:
    # Deleting everything must be said, not left out.
    if fields.get("query") is None:
        raise InvalidInput.field("query", "is required where no ids are given")
    return fields["query"]


def _ids(fields: dict[str, Any]) -> Sequence[str]:
    ids = fields.get("ids")
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise InvalidInput.field("ids", "must be an array of strings")
    return ids


def _pipeline(fields: dict[str, Any]) -> str:
    pipeline = fields.get("pipeline")
    if not isinstance(pipeline, str):
        raise InvalidInput.field("pipeline", "must be a string")
    return pipeline


def _page(fields: dict[str, Any]) -> dict[str, Any]:
    skip, limit = _number(fields, "skip", 0), _number(fields, "limit", 100)
    sort = fields.get("sort") or []
    if not isinstance(sort, list) or not all(isinstance(one, list) and len(one) == 2 for one in sort):
        raise InvalidInput.field("sort", 'must be an array of pairs, e.g. ["creation", -1]')
    return {"skip": int(skip or 0), "limit": int(limit or 0) or None, "sort": [tuple(one) for one in sort]}


def _number(fields: dict[str, Any], name: str, default: float | None) -> float | None:
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise InvalidInput.field(name, "must be a number that is not negative")
    return value


ENDPOINTS = [
    _endpoint("GET", "/works", list_works, reads=True),
    _endpoint("POST", "/works", deposit, scope="works:deposit", parse=_works, lean=True),
    _endpoint("PUT", "/works", update, scope="works:work", parse=_works, lean=True),
    _endpoint("POST", "/works/withdraw", take, scope="works:work", parse=_to_take, lean=True),
    _endpoint("POST", "/works/view", view, reads=True),
    _endpoint("POST", "/works/count", count, reads=True),
    _endpoint("POST", "/works/explain", explain, reads=True),
    _endpoint("GET", "/works/status", status, reads=True),
    _endpoint("GET", "/works/pipelines", pipelines, reads=True),
    _endpoint("POST", "/works/retry", retry, parse=_to_retry),
    _endpoint("POST", "/works/delete", delete, parse=_to_delete),
    _endpoint("POST", "/works/cancel", cancel, parse=_to_cancel),
    _endpoint("POST", "/works/audit", recover),
    _endpoint("GET", "/works/{work_id}", get, reads=True),
    _endpoint("POST", "/works/{work_id}/heartbeat", heartbeat, scope="works:work", lean=True),
    _endpoint("GET", "/archive", archive_list, reads=True),
    _endpoint("GET", "/archive/status", archive_status, reads=True),
    _endpoint("GET", "/archive/{work_id}", archive_get, reads=True),
    _endpoint("POST", "/archive", archive_deposit, parse=_works),
    _endpoint("PUT", "/archive", archive_update, parse=_works),
    _endpoint("POST", "/archive/view", archive_view, reads=True),
    _endpoint("POST", "/archive/count", archive_count, reads=True),
    _endpoint("POST", "/archive/explain", archive_explain, reads=True),
    _endpoint("POST", "/archive/lock", archive_lock, parse=_to_lock("lock")),
    _endpoint("POST", "/archive/unlock", archive_unlock, parse=_to_lock("unlock")),
    _endpoint("POST", "/archive/delete", archive_delete, parse=_to_delete_archived),
]
