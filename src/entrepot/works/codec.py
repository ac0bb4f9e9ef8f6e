"""JSON as documents need it: integers of any size, floats apart from integers, keys in order; fast where it can be."""

import json
from typing import Any

from pydantic_core import from_json, to_json

_DECODER = json.JSONDecoder()


def encoded(value: Any) -> str:
    """Return the compact JSON text of a value; what JSON has not is written as ``NaN`` or ``Infinity``.

    Raises
    ------
    RecursionError
        It is nested too deep.
    """
    try:
        return to_json(value, inf_nan_mode="constants").decode()
    except ValueError:  # lone surrogates, or more levels than it takes
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def encoded_strictly(value: Any) -> str:
    """Return the text of :func:`encoded`.

    Raises
    ------
    ValueError
        It holds a number that JSON has not.
    """
    text = encoded(value)
    if "NaN" in text or "Infinity" in text:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text


def decoded(text: str) -> Any:
    """Return the value of a text that :func:`encoded` made."""
    try:
        return from_json(text)
    except ValueError:  # lone surrogates, or more levels than it takes
        return _DECODER.decode(text)
