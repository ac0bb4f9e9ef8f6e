"""Parameters of query strings that several endpoints read alike."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from entrepot.errors import InvalidInput
from entrepot.server.endpoint import Call

T = TypeVar("T")

_MICROSECONDS = re.compile(r"-?[0-9]{1,18}")
_COUNT = re.compile(r"[0-9]{1,9}")


def known_parameters(call: Call, *names: str) -> None:
    """Refuse a request that has other parameters than these."""
    for name in call.query:
        if name not in names:
            raise InvalidInput.field(name[:100], f"This is no parameter here; there are {', '.join(names)}.")


def instant_of(call: Call, name: str) -> int | None:
    """Return the instant that a parameter names, in microseconds since 1970."""
    text = call.query.get(name)
    if text is None:
        return None
    if _MICROSECONDS.fullmatch(text):
        return int(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput.field(name, "An ISO 8601 date and time, or microseconds since 1970.") from None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def count_of(call: Call, name: str, what: str) -> int | None:
    """Return the number of things that a parameter asks for."""
    text = call.query.get(name)
    if text is None:
        return None
    if not _COUNT.fullmatch(text):
        raise InvalidInput.field(name, f"A whole number of {what}.")
    return int(text)


def parsed_of(call: Call, name: str, parse: Callable[[str], T]) -> T | None:
    """Return what a parameter's text means, as :func:`read_as` does; None where it is not given."""
    text = call.query.get(name)
    return None if text is None else read_as(name, text, parse)


def read_as(name: str, text: str, parse: Callable[[str], T]) -> T:
    """Return what a text means; what is wrong with it is said of the parameter."""
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput.field(name, error.message) from None
