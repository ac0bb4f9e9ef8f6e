"""What comes in the bodies of this dialect's requests, checked."""

from typing import Any

from entrepot.errors import InvalidInput
from entrepot.server.endpoint import Call

_LONGEST = 1000


class AsSent(InvalidInput):
    """What is wrong is named as it was sent, whatever else the domain may call by that name."""


def fields(call: Call, *names: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the body's fields, of which only these names may be there, and these must."""
    given = call.fields
    wrong = {name[:100]: ["There is no such parameter."] for name in given if name not in (*names, *required)}
    wrong |= {name: ["This is required."] for name in required if given.get(name) is None}
    if wrong:
        raise AsSent("One or more parameters are invalid.", wrong)
    return given


def text(name: str, value: Any, longest: int = _LONGEST) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise InvalidInput.field(name, "A text is required.")
    if len(value) > longest:
        raise InvalidInput.field(name, f"At most {longest} characters.")
    return value


def boolean(name: str, value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise InvalidInput.field(name, "true or false.")
    return value


def number(name: str, value: Any) -> float:
    """Return a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput.field(name, "A number is required.")
    return float(value)


def mapping(name: str, value: Any) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise InvalidInput.field(name, "An object is required.")
    return value


def resource_id(name: str, value: Any) -> str:
    """Return the id of a resource."""
    return text(name, value, 100)
