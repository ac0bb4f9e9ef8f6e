"""A work's document: read and written faithfully, completed, checked, and what columns hold of it."""

import contextlib
import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from entrepot.bounds.text import require_modest
from entrepot.errors import InvalidInput, TooLarge
from entrepot.works.codec import encoded
from entrepot.works.query.searchable import is_storable, searchable

Document = dict[str, Any]

FINISHED = ("success", "failure")
STATUSES = ("created", "queued", "running", *FINISHED)
MAX_RESULTS_BYTES = 4_000_000
MAX_ID_CHARACTERS = 100

_EXACT = 2**53
_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_COPIED = ("id", "pipeline", "site", "user", "status", "creation", "start", "stop", "timeout")

#: Objects of which what is left out is filled in where they are given, too.
_FILLED = frozenset(("config", "archive", "notify"))
_DEFAULTS: Document = {
    "site": None,
    "user": None,
    "function": None,
    "parameters": None,
    "command": None,
    "results": None,
    "products": None,
    "plots": None,
    "tags": None,
    "event": None,
    "id": None,
    "creation": None,
    "start": None,
    "stop": None,
    "attempt": 0,
    "status": "created",
    "timeout": 3600,
    "retries": 2,
    "priority": 3,
    "config": {
        "archive": {"results": True, "products": "copy", "plots": "copy", "logs": "move"},
        "metrics": False,
        "parent": None,
        "orgs": [],
        "teams": None,
    },
    "notify": {
        "slack": {
            "channel_id": None,
            "member_ids": None,
            "message": None,
            "results": None,
            "products": None,
            "plots": None,
            "blocks": None,
            "reply": None,
        }
    },
}


def loads(text: bytes | str) -> Any:
    """Return the value of a JSON text: integers of any size, floats apart from integers, keys in order.

    Raises
    ------
    InvalidInput
        When it is none, or has a number that JSON has not.
    """
    if isinstance(text, bytes):  # what others sent; texts are our own
        require_modest(text)
    with contextlib.suppress(ValueError):
        return from_json(text, allow_inf_nan=False)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise InvalidInput(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidInput("The JSON is nested too deep.") from None


def dumps(value: Any) -> str:
    """Return the compact JSON text of a value, which can be encoded whatever its strings hold."""
    text = encoded(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text


def instant(seconds: float) -> datetime:
    """Return the instant so many seconds after 1970, as works have them, as far as there is one."""
    return datetime.fromtimestamp(min(max(seconds, 0), _LAST), UTC)


def query_text(query: Any) -> str:
    """Return the JSON of a query, by which what was made of it can be found again.

    Raises
    ------
    InvalidInput
        When it is nested too deep.
    """
    try:
        return dumps(query)
    except RecursionError:
        raise InvalidInput.field("query", "is nested too deep") from None


def documents_of(value: Any) -> list[Document]:
    """Return a body's works.

    Raises
    ------
    InvalidInput
        When it is no array of objects.
    """
    if not isinstance(value, list):
        raise InvalidInput("The body must be an array of works.")
    for index, document in enumerate(value):
        if not isinstance(document, dict):
            raise InvalidInput.field(str(index), "must be a work, that is, an object")
    return value


def completed(document: Document) -> Document:
    """Return a document with what its producer left out; what it says stays as it is, in its order.

    Keys that are absent get the default, as do those that are null where null is none of the field's values.
    """
    filled = _filled(document, _DEFAULTS)
    if filled["creation"] is None:
        filled["creation"] = time.time()
    return filled


def check(document: Document) -> None:
    """Raise InvalidInput, naming the field, unless a completed document has what every reader relies on."""
    _text(document, "pipeline", required=True)
    if not document["pipeline"]:
        raise InvalidInput.field("pipeline", "must not be empty")
    _text(document, "site")
    _text(document, "user")
    if document["status"] not in STATUSES:
        raise InvalidInput.field("status", f"must be one of {', '.join(STATUSES)}")
    for name in ("start", "stop"):
        _number(document, name, required=False)
    for name in ("creation", "timeout"):
        _number(document, name)
    for name in ("attempt", "retries", "priority"):
        if _number(document, name) % 1:
            raise InvalidInput.field(name, "must be an integer")
    _array(document, "tags", str, "strings")
    _array(document, "event", int | float, "numbers")
    for name in ("results", "config", "notify"):
        if not isinstance(document[name], dict | None):
            raise InvalidInput.field(name, "must be an object")
    if not isinstance(document["config"]["parent"], str | None) or not is_storable(document["config"]["parent"]):
        raise InvalidInput.field("config.parent", "must be a string or null")


def results_too_large(document: Document) -> bool:
    """Tell whether the results exceed what a document may hold."""
    if (results := document["results"]) is None:
        return False
    text = dumps(results)  # of which no character takes more than four bytes
    return len(text) * 4 > MAX_RESULTS_BYTES and len(text.encode()) > MAX_RESULTS_BYTES


def check_results_size(document: Document) -> None:
    """Raise TooLarge when the results exceed what a document may hold."""
    if results_too_large(document):
        raise TooLarge.field("results", f"may have at most {MAX_RESULTS_BYTES} bytes; publish larger data as products")


def check_id(identifier: Any) -> str:
    """Return an id that was given, or raise InvalidInput."""
    if not isinstance(identifier, str) or not 0 < len(identifier) <= MAX_ID_CHARACTERS or not is_storable(identifier):
        raise InvalidInput.field("id", f"must be a string of 1 to {MAX_ID_CHARACTERS} characters")
    return identifier


def is_locked(document: Document) -> bool:
    """Tell whether a document says that it is locked; as in queries, a list that has true counts as true."""
    locked = (document["results"] or {}).get("locked")
    return locked is True or (isinstance(locked, list) and any(element is True for element in locked))


def columns_of(document: Document, dialect: str, *, in_body: bool) -> dict[str, Any]:
    """Return what the columns of a table of works hold of a document that was checked.

    Where its own text and what is searched of it are the same, one of the two is None: ``document`` where it is to be
    `in_body`, else ``body``.
    """
    stored = searchable(document, "postgresql" if dialect == "postgresql" else "sqlite")
    same = stored.text == stored.document
    return {
        **{name: document[name] for name in _COPIED},
        **{name: int(document[name]) for name in ("attempt", "retries", "priority")},
        "parent": document["config"]["parent"],
        "locked": is_locked(document),
        "document": None if same and in_body else stored.document,
        "body": None if same and not in_body else stored.text,
        "opaque": stored.opaque,
    }


def tags_of(document: Document) -> set[str]:
    """Return the tags to find a document by."""
    return {tag for tag in document["tags"] or () if is_storable(tag)}


def events_of(document: Document) -> set[float]:
    """Return the event numbers to find a document by."""
    return {event for event in document["event"] or () if abs(event) <= _EXACT}


def pipelines_of(documents: Iterable[Document]) -> list[str]:
    """Return the distinct pipelines of documents, in their order."""
    return list(dict.fromkeys(document["pipeline"] for document in documents))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _filled(given: Document, defaults: Document) -> Document:
    filled = dict(given)
    for name, default in defaults.items():
        value = filled.get(name)
        if value is None:
            filled[name] = default  # objects among them are nobody's to change
        elif name in _FILLED and isinstance(value, dict):
            filled[name] = _filled(value, default)
    return filled


def _text(document: Document, name: str, *, required: bool = False) -> None:
    value = document.get(name)
    if value is None and not required:
        return
    if not isinstance(value, str) or not is_storable(value):
        raise InvalidInput.field(name, "is required" if value is None else "must be a string")


def _number(document: Document, name: str, *, required: bool = True) -> float:
    value = document[name]
    if value is None and not required:
        return 0
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _EXACT:
        raise InvalidInput.field(name, "must be a number")
    return value


def _array(document: Document, name: str, kind: Any, what: str) -> None:
    value = document[name]
    if value is not None and not (
        isinstance(value, list) and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)
    ):
        raise InvalidInput.field(name, f"must be null or an array of {what}")
