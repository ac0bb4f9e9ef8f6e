"""The product's errors in this dialect's words: ``{"status", "error", "message"}``."""

from starlette.responses import Response

from entrepot.errors import EntrepotError
from entrepot.server.endpoint import Json, challenge


def render(error: EntrepotError) -> Response:
    """Return the answer that tells of an error."""
    content = {"status": error.status, "error": error.code, "message": error.message}
    return Json(content, error.status, headers=challenge(error))
