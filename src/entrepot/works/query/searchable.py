"""What the body column holds: a document's text for the database to search in.

The stored text of a document, from which it is returned and which the exact matcher sees, may be the same text in
SQLite. In PostgreSQL it is another column: ``jsonb`` keeps neither the order of keys nor how a number was written.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from entrepot.errors import InvalidInput
from entrepot.works.codec import encoded_strictly

MAX_DEPTH = 100
"""Most levels of a document, as in MongoDB."""

Dialect = Literal["sqlite", "postgresql"]

# Doubles from here on are written with an exponent, as the shortest digits that stand for them: not their exact value.
_EXPONENT_FROM = 1e16
_POSITIVE_EXPONENT = re.compile(r"\de\+")


@dataclass(frozen=True, slots=True)
class Searchable:
    """What to store of a document beside its own text.

    Attributes
    ----------
    text
        JSON for the body column.
    opaque
        The database cannot hold the document (NUL characters, lone surrogates): `text` is ``{}``, and the flag must be
        stored in a column that `compile_query` is given as `opaque`, so that such documents are matched in Python.
    document
        JSON from which the very same document is read, and which every database can hold.
    """

    text: str
    opaque: bool
    document: str


def searchable(document: dict[str, Any], dialect: Dialect) -> Searchable:
    """Return what to store of a document so that compiled queries find it.

    In PostgreSQL doubles are written out so that ``numeric`` keeps their exact value, and always with a decimal point,
    so that ``$type`` tells them from integers.

    Raises
    ------
    InvalidInput
        When the document is nested deeper than 100 levels or holds a number that JSON has not.
    """
    try:
        text = encoded_strictly(document)
    except ValueError:
        raise InvalidInput("The document holds a number that JSON has not.") from None
    except RecursionError:
        text = "[" * (MAX_DEPTH + 1)
    # Where there are no more brackets than levels, which is quickly told, it cannot be nested too deeply.
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(document)
    if not _is_unicode(text):
        return Searchable("{}", opaque=True, document=json.dumps(document, separators=(",", ":")))
    if "\\u0000" in text:
        return Searchable("{}", opaque=True, document=text)
    if dialect == "postgresql" and "e+" in text and _POSITIVE_EXPONENT.search(text):
        return Searchable(exact_json(document), opaque=False, document=text)
    return Searchable(text, opaque=False, document=text)


def exact_json(value: Any) -> str:
    """Return the JSON of a value with the exact digits of every double, and a decimal point in each."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_dumps(key)}:{exact_json(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(exact_json, value)) + "]"
    if isinstance(value, float) and abs(value) >= _EXPONENT_FROM:
        return f"{int(value)}.0"
    return _dumps(value)


def is_storable(value: Any) -> bool:
    """Tell whether the databases can hold a value's strings."""
    if isinstance(value, str):
        return "\0" not in value and _is_unicode(value)
    text = encoded_strictly(value)
    return "\\u0000" not in text and _is_unicode(text)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise InvalidInput(f"The document is nested deeper than {MAX_DEPTH} levels.")
