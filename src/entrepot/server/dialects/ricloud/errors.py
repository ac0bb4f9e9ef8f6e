"""The product's errors in this dialect's words: ``{"error", "message", "params"?}``."""

from typing import Any

from starlette.responses import Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.requests.sessions import SessionEnded
from entrepot.server.dialects.ricloud import names, parse
from entrepot.server.endpoint import Json, challenge

_CODES = {401: "unauthorized", 403: "missing-scope", 404: "not-found"}


def render(error: EntrepotError) -> Response:
    """Return the answer that tells of an error, of its fields in the words of the wire."""
    if isinstance(error, InvalidInput) and not isinstance(error, parse.AsSent) and _has_word_of_ours(error):
        error = error.renamed(names.word)
    content: dict[str, Any] = {"error": _CODES.get(error.status, error.code), "message": error.message}
    if isinstance(error, InvalidInput) and error.code == "invalid":
        content["error"] = "invalid-parameter" if error.fields else "invalid-body"
    if isinstance(error, SessionEnded):
        content["error"] = "session-expired"
    if isinstance(error, InvalidInput) and error.fields:
        content["params"] = error.fields
    return Json(content, error.status, headers=challenge(error))


def _has_word_of_ours(error: InvalidInput) -> bool:
    return any(names.word(name) != name for name in error.fields)
