"""Works: those in the queue and those archived, asked for by queries of MongoDB."""

from typing import Any

import orjson
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.server.console.listing import Field, Listing, part
from entrepot.server.console.page import Page
from entrepot.server.endpoint import Call
from entrepot.works import archive, queue

_COLUMNS = ("Id", "Pipeline", "Site", "User", "Status", "Priority", "Attempt", "Parameters", "Results")
_PLACES = (("queue", "the queue"), ("archive", "the archive"))
_LONGEST = 200


def _list(call: Call) -> Response:
    where = call.query.get("where", "queue")
    text = call.query.get("query", "").strip()
    offset, limit = part(call)
    refusal, found = "", []
    try:
        query = orjson.loads(text) if text else {}
        verbs: dict[str, Any] = {"queue": queue.view, "archive": archive.view}
        if where not in verbs:
            raise InvalidInput.field("where", "queue or archive.")
        found = verbs[where](call.session, call.principal, query, skip=offset, limit=limit)
    except orjson.JSONDecodeError as error:
        refusal = f"The query is not JSON: {error}."
    except InvalidInput as error:
        refusal = error.message
    rows = [
        [*(work.get(name) for name in ("id", "pipeline", "site", "user", "status", "priority", "attempt")),
         _short(work.get("parameters")), _short(work.get("results"))]
        for work in found
    ]  # fmt: skip
    fields = (
        Field("where", "In", where, _PLACES),
        Field("query", 'Query, as {"results.snr": {"$gt": 7}}', text, wide=True),
    )
    return Listing("Works", _COLUMNS, rows, fields, refusal).shown(call)


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


PAGES = (Page("GET", "/console/works", _list, "works", "read"),)
