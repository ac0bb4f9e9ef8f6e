"""Checking what people send, field by field; the words are those that Django REST's users know."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from entrepot.errors import InvalidInput
from entrepot.rows import lookups, vectors

REQUIRED = "This field is required."
NULL = "This field may not be null."
NAME_MOST = 300
DESCRIPTION_MOST = 500

Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class Column:
    """A field that may be sent, and how its value becomes what is stored."""

    convert: Convert
    required: bool = False
    null: bool = True


Spec = Mapping[str, Column]


class Refused(ValueError):
    """A value cannot be accepted, for this reason."""


class Taken(InvalidInput):
    """Another thing of this kind has the same values in fields that only one may have.

    Attributes
    ----------
    kind
        What it is: a site, a result set.
    names
        The fields.
    """

    def __init__(self, kind: str, names: tuple[str, ...]) -> None:
        self.kind, self.names = kind, names
        words = " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))).replace("_", " ")
        super().__init__(fields={names[0]: [f"A {kind} with this {words} already exists."]})


class Ambiguous(InvalidInput):
    """Rows are matched by their name, and several have the same.

    Attributes
    ----------
    names
        Those that several have.
    sent
        Whether these came in one request, and are not there already.
    """

    def __init__(self, names: Sequence[str], *, sent: bool) -> None:
        self.names, self.sent = names, sent
        where = "The request has" if sent else "There are"
        super().__init__(fields={"name": [f"{where} several rows of the same name: {', '.join(names)}."]})


class InvalidRows(InvalidInput):
    """Some of many rows are not valid; `rows` tells for each which fields are at fault, by position."""

    def __init__(self, rows: Mapping[int, Mapping[str, list[str]]], count: int) -> None:
        self.rows = rows
        self.count = count
        super().__init__(
            fields={f"{at}.{name}": reasons for at, fields in sorted(rows.items()) for name, reasons in fields.items()}
        )


def check(payload: Any, spec: Spec, *, partial: bool = False) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the values of the fields that were sent, and the reasons against those at fault.

    Fields that the specification does not have are ignored.

    Parameters
    ----------
    partial
        Whether required fields may be missing.
    """
    if not isinstance(payload, dict):
        return {}, {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {type(payload).__name__}."]}
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, column in spec.items():
        if name not in payload:
            if column.required and not partial:
                errors[name] = [REQUIRED]
        elif (value := payload[name]) is None:
            if column.null:
                values[name] = None
            else:
                errors[name] = [NULL]
        else:
            try:
                values[name] = column.convert(value)
            except ValueError as error:
                errors[name] = [str(error)]
    return values, errors


def checked(payload: Any, spec: Spec, *, partial: bool = False) -> dict[str, Any]:
    """Return the values of the fields that were sent, or raise InvalidInput naming those at fault."""
    values, errors = check(payload, spec, partial=partial)
    if errors:
        raise InvalidInput(fields=errors)
    return values


def text(value: Any) -> str:
    """Return a text; numbers become one."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Refused("Not a valid string.")
    converted = str(value)
    if "\0" in converted:
        raise Refused("Null characters are not allowed.")
    return converted


def anything(value: Any) -> Any:
    """Return the value as it was sent."""
    return value


def title(most: int = NAME_MOST) -> Convert:
    """Return the check of a text that is not blank and not longer than this."""

    def convert(value: Any) -> str:
        converted = text(value)
        if not converted.strip():
            raise Refused("This field may not be blank.")
        if len(converted) > most:
            raise Refused(f"Ensure this field has no more than {most} characters.")
        return converted

    return convert


def key(value: Any) -> int:
    """Return the id of something; digits are one."""
    if isinstance(value, float) and value.is_integer():  # tables turn ids into floats where some are missing
        value = int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"Incorrect type. Expected pk value, received {type(value).__name__}.")
    if not 0 < value < 2**31:
        raise Refused(no_such(value))
    return value


def no_such(key_: int | str) -> str:
    """Return what is said of an id that nothing has."""
    return f'Invalid pk "{key_}" - object does not exist.'


def number(value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Refused("A valid number is required.")
    try:
        converted = float(value)
    except (ValueError, OverflowError):
        raise Refused("A valid number is required.") from None
    if not math.isfinite(converted):
        raise Refused("The number must be finite.")
    return converted


def flag(value: Any) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise Refused("Must be a valid boolean.")
    return value


def vector(value: Any) -> bytes:
    """Return the stored form of a list of finite numbers and gaps (null) that is not empty."""
    if not isinstance(value, list):
        raise Refused(f'Expected a list of items but got type "{type(value).__name__}".')
    if not value:
        raise Refused("This list may not be empty.")
    return vectors.pack(value)


def instant(value: Any) -> datetime:
    """Return an instant; a text without an offset is UTC."""
    if not isinstance(value, str):
        raise Refused("Enter a valid date and time.")
    return lookups.parse_instant(value)


def _text_of(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise Refused(f"This cannot be kept: {error}.") from None


def json_object(value: Any) -> str:
    """Return the text of a JSON object."""
    if not isinstance(value, dict):
        raise Refused(f"Expected an object but got type {type(value).__name__}.")
    return _text_of(value)


def about(value: Any) -> str:
    """Return the text of ``{"type": ..., "id": ...}``, which has nothing else."""
    if not isinstance(value, dict) or value.keys() != {"type", "id"}:
        raise Refused("Expected an object with exactly type and id.")
    if not isinstance(value["type"], str) or isinstance(value["id"], bool) or not isinstance(value["id"], int):
        raise Refused("The type must be a string, the id an integer.")
    return _text_of(value)
