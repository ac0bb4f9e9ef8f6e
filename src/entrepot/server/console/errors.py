"""What is shown when there is nothing else to show."""

from http import HTTPStatus

from starlette.responses import Response

from entrepot.errors import EntrepotError
from entrepot.server.console.page import page


def render(error: EntrepotError) -> Response:
    """Return the page of an error; where nobody is logged in, the form to do so."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        return page("login.html", error.status, message="", next="", typed="")
    return page("error.html", error.status, title=HTTPStatus(error.status).phrase, message=error.message)
