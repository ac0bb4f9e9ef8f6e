"""What of a request is looked up in a snapshot of its own, before the transaction that writes."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session
from starlette.requests import Request

from entrepot.identity import Principal
from entrepot.server.services import Services
from entrepot.works import withdraw

T = TypeVar("T")


def look_up(request: Request, find: Callable[[Session, Principal], T]) -> T:
    """Return what is found of works that the caller, whom the endpoint let in, may change."""
    services: Services = request.app.state.services
    with services.database.read() as session:
        return find(session, request.state.principal_in(session))


def to_withdraw(request: Request, query: Any, limit: int = 1) -> list[int] | None:
    """Return the works to withdraw by a query that documents must be read for; None of all others."""
    services: Services = request.app.state.services
    if withdraw.is_quick(services.database.dialect, query):
        return None
    return look_up(request, lambda session, principal: withdraw.candidates(session, principal, query, limit))
