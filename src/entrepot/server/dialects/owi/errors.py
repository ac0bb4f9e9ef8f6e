"""The product's errors in Django REST's words: reasons by field, an array of these for many rows, or a detail."""

from starlette.responses import Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.rows.checks import InvalidRows
from entrepot.server.endpoint import Call, Handler, Json, challenge


def render(error: EntrepotError) -> Response:
    """Return the answer that tells of an error."""
    if isinstance(error, InvalidRows):
        return Json([error.rows.get(at, {}) for at in range(error.count)], error.status)
    if isinstance(error, InvalidInput) and error.fields:
        return Json(error.fields, error.status)
    return Json({"detail": error.message}, error.status, headers=challenge(error))


def of_one(handler: Handler) -> Handler:
    """Make a handler of one row tell what is wrong with it as an object, not as an array of one."""

    def handle(call: Call) -> object:
        try:
            return handler(call)
        except InvalidRows as error:
            raise InvalidInput(fields=error.rows[0]) from None

    return handle
