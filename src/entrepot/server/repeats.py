"""``Idempotency-Key``: a request that changes something and comes again is answered as it was the first time."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from entrepot.db import now
from entrepot.identity import Principal
from entrepot.identity.repeats import HEADER, Answer, Repeatable
from entrepot.server.services import Services

#: Says of an answer that it was given before.
REPLAYED = "idempotency-replayed"


def is_asked(request: Request) -> bool:
    """Whether the request carries a key, so that it may come again."""
    return HEADER in request.headers


def once(
    request: Request,
    principal: Principal,
    session: Session,
    content: Iterable[str | bytes],
    respond: Callable[[], Response],
) -> Response:
    """Return what `respond` answers within the session; for a request that came before, what it was answered then.

    Parameters
    ----------
    content
        What the body says: a repeated request says the same.
    """
    if not is_asked(request) or not principal.user_id:
        return respond()
    services: Services = request.app.state.services
    since = now() - timedelta(hours=services.settings.answer_retention_hours)
    asked = (request.method, request.url.path, request.url.query, *content)
    repeatable = Repeatable.of(principal, request.headers[HEADER], asked)
    if before := repeatable.find(session, services.vault, since):
        return Response(before.body, before.status, {**before.headers, REPLAYED: "true"})
    response = respond()
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    repeatable.keep(session, services.vault, Answer(response.status_code, headers, bytes(response.body)))
    return response
