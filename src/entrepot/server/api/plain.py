"""What OpenAPI says of endpoints whose bytes go through as they are, in place of FastAPI, which knows typed ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from entrepot.series.stepping import AGGREGATES
from entrepot.server.api import (
    account,
    attachments,
    calls,
    envelopes,
    events,
    files,
    gates,
    job_stream,
    points,
    rows,
    rows_plot,
    storages,
    uploads,
    webhooks,
    works,
)
from entrepot.server.api.point_formats import COLUMNS, MEDIA

Schema = Mapping[str, Any]
TEXT: Final = {"type": "string"}
COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
BYTES: Final = {"type": "string", "format": "binary"}
OBJECT: Final = {"type": "object"}
ANY_JSON: Final[Schema] = {}
OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True)
class Operation:
    """What is asked and answered.

    Attributes
    ----------
    query, headers
        The schema and the description of each parameter.
    body, answer
        Schemas by media type; no body, and no content, where there are none.
    needs_body
        Whether there must be one.
    status
        Of the answer, where that is not the endpoint's own.
    also
        Other statuses than errors that it is answered with, and what they mean.
    """

    query: Mapping[str, tuple[Schema, str]] = field(default_factory=dict)
    headers: Mapping[str, tuple[Schema, str]] = field(default_factory=dict)
    body: Mapping[str, Schema] = field(default_factory=dict)
    answer: Mapping[str, Schema] = field(default_factory=dict)
    needs_body: bool = True
    status: int | None = None
    also: Mapping[str, str] = field(default_factory=dict)


def _json(schema: Schema) -> Mapping[str, Schema]:
    return {"application/json": schema}


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_PAGE = _object(("items", "next"), items=_list(OBJECT), next=_or_null(TEXT))
_NUMBER = {"type": "number", "minimum": 0}
_INSTANT = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]}
_WINDOW: dict[str, tuple[Schema, str]] = {
    "from": (_INSTANT, "An instant, in UTC where it has no zone, or microseconds since 1970."),
    "to": (_INSTANT, "The first instant after what is asked for."),
}
_READ = _WINDOW | {
    "limit": (COUNT, "Most points, the oldest."),
    "step": (TEXT, "To which they are brought: `10min`, `1h`, `1 day`."),
    "clock": (TEXT, "Whose days the steps follow: `UTC`, `Europe/Paris`, `Europe/Paris standard`."),
    "aggregate": (
        {"type": "string", "enum": list(AGGREGATES)},
        "How the points of a step become one; `weighted_mean`: each value counts for as long as it stood.",
    ),
    "unit": (TEXT, "Into which values are converted."),
    "columns": (TEXT, f"Any of {', '.join(points.COLUMNS)}, with commas between them."),
    "format": ({"type": "string", "enum": list(MEDIA)}, "In place of the header `Accept`."),
}
_TABLES = {media: BYTES for name, media in MEDIA.items() if name != "json"}
_SERIES_POINTS = _object(
    ("id", "name", "time", "value"),
    id=TEXT,
    name=TEXT,
    unit=TEXT,
    time=_list({"type": "integer", "description": "Microseconds since 1970, UTC."}),
    value=_list(_or_null({"type": "number"})),
    tag=_list(_or_null(TEXT)),
    completeness=_list(_or_null({"type": "number"})),
)
_STAMP = {"type": "integer", "description": "Microseconds since 1970, UTC."}
_PIXELS = {"type": "integer", "minimum": 1, "maximum": envelopes.MOST}
_ENVELOPE = _object(
    ("id", "name", "unit", "from", "to", "offset", "count", "exact", "step", "time", "min", "max"),
    **dict.fromkeys(("id", "name", "unit"), TEXT),
    **dict.fromkeys(("from", "to"), _STAMP),
    offset={"type": "integer", "description": "Microseconds that what is told lies before the window."},
    count={"type": "integer", "description": "How many points there are."},
    exact={"type": "boolean", "description": "Whether these are the points themselves."},
    step=_or_null({"type": "integer", "description": "The longest distance of its points, in microseconds."}),
    time=_list(_STAMP),
    **dict.fromkeys(("min", "max"), _list({"type": "number"})),
)
_FENCE: dict[str, tuple[Schema, str]] = {"fence": (COUNT, "The number that came with the claim.")}
_EVENTS_OF_JOB = {
    "progress": _object(("status", "done", "total", "message"), status=TEXT, done=COUNT, total=COUNT, message=TEXT),
    "output": _object(
        ("text", "anew"), text=TEXT, anew={"type": "boolean", "description": "In place of what there is."}
    ),
    "end": _object(("status",), status=TEXT),
}
_SENT = {
    "type": "object",
    "description": f"By the id of each series; a table has the columns {', '.join(COLUMNS)}, and perhaps tag.",
    "additionalProperties": _object(
        ("time", "value"),
        time=_list({"anyOf": [TEXT, {"type": "integer"}]}),
        value=_list(_or_null({"type": "number"})),
        tag=_list(_or_null(TEXT)),
    ),
}
_QUERY = {"description": "As MongoDB has it."}
_WORKS = _list(OBJECT)
_IDS = _list(TEXT)
_FOUND = _object(ids=_IDS, query=_QUERY)
_VIEW = _object(
    query=_QUERY,
    projection=_or_null(OBJECT),
    sort=_list(_list(ANY_JSON)),
    skip=_NUMBER,
    limit=_NUMBER,
    cursor=_or_null(TEXT),
)
_COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}}
_VIEWED = {"anyOf": [_list(OBJECT), _PAGE]}
_LISTED: dict[str, tuple[Schema, str]] = {
    "pipeline": (TEXT, "Of this pipeline alone."),
    "status": (TEXT, "Of this status alone."),
    "limit": ({"type": "integer", "minimum": 1, "maximum": 1000}, "Most items of a page."),
    "cursor": (TEXT, "As the page before gives it in `next`."),
}
_UPLOAD = _object(("id", "offset", "size"), id=TEXT, offset=COUNT, size=_or_null({"type": "integer"}))
_FILE = {"$ref": "#/components/schemas/FileShown"}
_FORM = _object(
    ("file",),
    file=BYTES,
    identifier=TEXT,
    type=TEXT,
    name=TEXT,
    project=TEXT,
    request=TEXT,
    step=TEXT,
    storage=TEXT,
)
_EVENT_TYPES = (_list(TEXT), "`type`, or `type.action`, of those that are wanted.")
_AFTER = (TEXT, "A cursor, an event's id, or `latest`.")
_WAIT: dict[str, tuple[Schema, str]] = {
    "wait": ({"type": "number", "minimum": 0, "maximum": 60}, "How many seconds to wait for the outcome.")
}
_DOWNLOAD = {
    "206": "The part that `Range` asks for.",
    "304": "It is as the client has it.",
    "307": "It is kept elsewhere.",
    "412": "A condition does not hold.",
    "416": "It has no such part.",
}
_RANGES: dict[str, tuple[Schema, str]] = {
    "Range": (TEXT, "`bytes=first-last`."),
    "If-None-Match": (TEXT, "The ETag of what the client has."),
}

OPERATIONS: Final[Mapping[Any, Operation]] = {
    points.write_points: Operation(
        body={**_json(_SENT), MEDIA["csv"]: BYTES, MEDIA["arrow"]: BYTES}, answer=_json(_COUNTS)
    ),
    points.read_points: Operation(
        query={"series": (_IDS, "Ids."), "project": (TEXT, "Id; in place of series.")} | _READ,
        answer={MEDIA["csv"]: BYTES, MEDIA["arrow"]: BYTES},
    ),
    points.read_series: Operation(query=_READ, answer={**_json(_SERIES_POINTS), **_TABLES}),
    envelopes.read_envelope: Operation(
        query=_WINDOW
        | {"pixels": (_PIXELS, f"How many parts the time is cut into; by default {envelopes.USUAL}.")}
        | {name: _READ[name] for name in ("step", "aggregate", "clock", "unit")}
        | {"before": (TEXT, "How long before the window what is told lies: `1Y`, `4W`, `period` for its own length.")},
        answer=_json(_ENVELOPE),
    ),
    points.delete_points: Operation(query=_WINDOW, answer=_json(_object(("deleted",), deleted=COUNT))),
    works.list_works: Operation(query=_LISTED, answer=_json(_PAGE)),
    works.deposit: Operation(body=_json(_WORKS), answer=_json(_object(("ids",), ids=_IDS))),
    works.update: Operation(body=_json(_WORKS), answer=_json(_object(("updated",), updated={"type": "boolean"}))),
    works.take: Operation(
        body=_json(_object(query=_QUERY, limit=_NUMBER, lease_seconds=_or_null(_NUMBER))),
        answer=_json(_WORKS),
        needs_body=False,
    ),
    works.view: Operation(body=_json(_VIEW), answer=_json(_VIEWED), needs_body=False),
    works.count: Operation(body=_json(_object(query=_QUERY)), answer=_json(_COUNTS), needs_body=False),
    works.explain: Operation(body=_json(_object(query=_QUERY)), answer=_json(OBJECT), needs_body=False),
    works.status: Operation(query={"pipeline": (TEXT, "Of this one alone.")}, answer=_json(_COUNTS)),
    works.pipelines: Operation(answer=_json(_list(TEXT))),
    works.retry: Operation(body=_json(_FOUND), answer=_json(_COUNTS), needs_body=False),
    works.delete: Operation(body=_json(_FOUND), answer=_json(_COUNTS)),
    works.cancel: Operation(body=_json(_FOUND), answer=_json(_COUNTS)),
    works.recover: Operation(answer=_json(_COUNTS)),
    works.get: Operation(answer=_json(OBJECT)),
    works.heartbeat: Operation(body=_json(_object(attempt=_NUMBER, lease_seconds=_NUMBER)), status=204),
    works.archive_list: Operation(query=_LISTED, answer=_json(_PAGE)),
    works.archive_get: Operation(query={"pipeline": (TEXT, "Where several have this id.")}, answer=_json(OBJECT)),
    works.archive_deposit: Operation(body=_json(_WORKS), answer=_json(_object(("ids",), ids=_IDS))),
    works.archive_update: Operation(body=_json(_WORKS), status=204),
    works.archive_view: Operation(body=_json(_VIEW), answer=_json(_VIEWED), needs_body=False),
    works.archive_count: Operation(body=_json(_object(query=_QUERY)), answer=_json(_COUNTS), needs_body=False),
    works.archive_explain: Operation(body=_json(_object(query=_QUERY)), answer=_json(OBJECT), needs_body=False),
    works.archive_status: Operation(answer=_json(_COUNTS)),
    works.archive_lock: Operation(body=_json(_object(ids=_IDS, pipeline=TEXT, query=_QUERY)), answer=_json(_COUNTS)),
    works.archive_unlock: Operation(body=_json(_object(ids=_IDS, pipeline=TEXT, query=_QUERY)), answer=_json(_COUNTS)),
    works.archive_delete: Operation(body=_json(_object(ids=_IDS, pipeline=TEXT, query=_QUERY)), answer=_json(_COUNTS)),
    uploads.publish: Operation(body={"multipart/form-data": _FORM}, answer=_json(_FILE), status=201),
    uploads.begin: Operation(body=_json(_object(size=COUNT, name=TEXT)), answer=_json(_UPLOAD), needs_body=False),
    uploads.look: Operation(answer=_json(_UPLOAD)),
    uploads.append: Operation(
        headers={"Upload-Offset": (TEXT, "From which byte on.")}, body={OCTETS: BYTES}, answer=_json(_UPLOAD)
    ),
    uploads.finish: Operation(answer=_json(_FILE), status=201),
    uploads.abandon: Operation(status=204),
    files.download: Operation(headers=_RANGES, answer={"*/*": BYTES}, also=_DOWNLOAD),
    files.signed_download: Operation(
        query={"expires": (TEXT, "As the address has it."), "signature": (TEXT, "As the address has it.")},
        headers=_RANGES,
        answer={"*/*": BYTES},
        also=_DOWNLOAD,
    ),
    attachments.put: Operation(
        query={"name": (TEXT, "What the file is called.")},
        body={OCTETS: BYTES},
        answer=_json(_object(("field", "name", "size", "sha256"), field=TEXT, name=TEXT, size=COUNT, sha256=TEXT)),
    ),
    attachments.download: Operation(headers=_RANGES, answer={"*/*": BYTES}, also=_DOWNLOAD),
    attachments.remove: Operation(status=204),
    storages.test_storage: Operation(query=_WAIT, answer=_json({"$ref": "#/components/schemas/StorageShown"})),
    webhooks.test_webhook: Operation(query=_WAIT, answer=_json({"$ref": "#/components/schemas/WebhookShown"})),
    account.change_password: Operation(
        body=_json(_object(("password", "new"), password=TEXT, new={"type": "string", "minLength": 8})), status=204
    ),
    events.read_events: Operation(
        query={
            "after": _AFTER,
            "wait": ({"type": "number", "minimum": 0, "maximum": 60}, "How many seconds to wait for the next one."),
            "type": _EVENT_TYPES,
            "limit": ({"type": "integer", "minimum": 1, "maximum": 1000}, "Most events."),
        },
        answer=_json(_object(("items", "next", "cursor"), items=_list(OBJECT), next=_or_null(TEXT), cursor=TEXT)),
    ),
    events.stream_events: Operation(
        query={"after": _AFTER, "type": _EVENT_TYPES},
        headers={
            "Accept": ({"const": "text/event-stream"}, "It is a stream."),
            "Last-Event-ID": (TEXT, "As browsers send it."),
        },
        answer={"text/event-stream": TEXT},
    ),
    calls.claim_call: Operation(
        query={
            "wait": ({"type": "number", "minimum": 0, "maximum": 30}, "How many seconds to wait for a call."),
            "worker": ({**TEXT, "maxLength": 100}, "What the worker calls itself."),
        },
        answer=_json(
            _object(
                ("id", "fence", "limits", "size", "lease_seconds"),
                id=TEXT,
                fence=COUNT,
                limits=OBJECT,
                size={"type": "integer", "description": "Bytes of the request."},
                lease_seconds=_NUMBER,
            )
        ),
        also={"204": "No call waits."},
    ),
    calls.read_request: Operation(query=_FENCE, answer={OCTETS: BYTES}),
    calls.renew_call: Operation(query=_FENCE, answer=_json(_object(("lease_seconds",), lease_seconds=_NUMBER))),
    calls.answer_call: Operation(query=_FENCE, body={OCTETS: BYTES}),
    job_stream.stream_job: Operation(
        headers={
            "Accept": ({"const": "text/event-stream"}, "It is a stream."),
            "Last-Event-ID": (TEXT, "As browsers send it."),
        },
        answer={"text/event-stream": {**TEXT, "x-events": _EVENTS_OF_JOB}},
    ),
    rows.plot: Operation(
        query={
            **dict.fromkeys(rows_plot.OPTIONS, (TEXT, "As `entrepot rows plot` has it.")),
            "result_set": ({"type": "integer"}, "Id of a result set; any other field of rows goes likewise."),
            "format": ({"type": "string", "enum": ["html", "png"]}, "How it is drawn."),
        },
        answer={"text/html": TEXT, "image/png": BYTES},
    ),
    gates.put_file: Operation(
        body={OCTETS: BYTES},
        answer=_json(_object(("gate_id", "path", "size"), gate_id=TEXT, path=TEXT, size=COUNT)),
        status=201,
    ),
}
