"""Errors, as code catches them that was written for the published client: by the classes of the libraries it uses.

Whoever catches ``requests.HTTPError``, ``tenacity.RetryError`` or ``pydantic.ValidationError`` has that library
installed; then what is raised here is one, besides what it is of its own (``httpx.HTTPError``, ``ValueError``).
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

import httpx

#: The classes of ``requests`` for those of ``httpx``, the narrowest first.
_TWINS: tuple[tuple[type[httpx.HTTPError], str], ...] = (
    (httpx.HTTPStatusError, "HTTPError"),
    (httpx.ConnectTimeout, "ConnectTimeout"),
    (httpx.ReadTimeout, "ReadTimeout"),
    (httpx.TimeoutException, "Timeout"),
    (httpx.TransportError, "ConnectionError"),
    (httpx.HTTPError, "RequestException"),
)


def invalid(title: str, problems: Mapping[str, tuple[str, Any]]) -> ValueError:
    """Return the error that tells which fields are wrong: the reason and the value of each."""
    core = _library("pydantic_core")
    if core is None:
        said = "; ".join(f"{name}: {reason}" for name, (reason, _) in problems.items())
        return ValueError(f"{title}: {said}")
    lines = [
        {
            "type": core.PydanticCustomError("value_error", "{reason}", {"reason": reason}),
            "loc": (name,),
            "input": value,
        }
        for name, (reason, value) in problems.items()
    ]
    error: ValueError = core.ValidationError.from_exception_data(title, lines)
    return error


def failed(error: httpx.HTTPError, *, gave_up: bool = False) -> httpx.HTTPError:
    """Return an error of HTTP that is one of ``requests``, too, and of ``tenacity`` where it was given up."""
    # Refusals of the SDK are of built-in errors, too, which cannot be joined with those of `requests`.
    kind: Any = httpx.HTTPStatusError if isinstance(error, httpx.HTTPStatusError) else type(error)
    kind = _kind(kind, gave_up)
    new: httpx.HTTPError = kind.__new__(kind)
    new.args = error.args
    new.__dict__.update({"response": None, **error.__dict__})
    if gave_up and (tenacity := _library("tenacity")):
        attempt = tenacity.Future(1)
        attempt.set_exception(error)
        new.__dict__["last_attempt"] = attempt
    return new


@cache
def _kind(kind: type[httpx.HTTPError], gave_up: bool) -> Any:
    bases: list[type] = [kind]
    if requests := _library("requests"):
        twin = next(name for ours, name in _TWINS if issubclass(kind, ours))
        bases.append(getattr(requests.exceptions, twin))
    if gave_up and (tenacity := _library("tenacity")):
        bases.append(tenacity.RetryError)
    return type(kind.__name__, tuple(bases), {"__str__": _said})


def _said(error: BaseException) -> str:
    return str(error.args[0])


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None
