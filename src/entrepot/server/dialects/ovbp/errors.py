"""The product's errors in this dialect's words: ``{"field": [reasons]}`` for bad input, else ``{"detail": ...}``."""

from starlette.responses import Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.server.endpoint import Json, challenge


def render(error: EntrepotError) -> Response:
    """Return the answer that tells of an error."""
    if isinstance(error, InvalidInput) and error.fields:
        return Json(error.fields, error.status)
    return Json({"detail": error.message}, error.status, headers=challenge(error))
