"""Cursors: where a walk through documents goes on, as text that only the server reads."""

import base64
import binascii
import json

from entrepot.errors import InvalidInput


def write(*place: str) -> str:
    """Return the cursor of what comes after a place."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def read(cursor: str, parts: int) -> list[str]:
    """Return the place that a cursor stands for.

    Raises
    ------
    InvalidInput
        It is none that was handed out.
    """
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, binascii.Error, RecursionError):
        place = None
    if not isinstance(place, list) or len(place) != parts or not all(isinstance(part, str) for part in place):
        raise InvalidInput.field("cursor", "is none that this server handed out; leave it out to begin anew")
    return place
