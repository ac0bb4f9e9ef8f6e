"""Native routes: FastAPI's typed parameters and OpenAPI, around the same unit of work as every other door."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from entrepot.identity import Principal, Right
from entrepot.server.endpoint import Access, authenticate
from entrepot.server.services import Services
from entrepot.server.writers import in_turn


@dataclass(frozen=True)
class Unit:
    """What a native endpoint works with: who asks, and one transaction that commits when the endpoint returns."""

    services: Services
    principal: Principal
    session: Session
    request: Request


@dataclass(frozen=True)
class Declared:
    """Who may ask, as :class:`~entrepot.server.endpoint.Endpoint` says it."""

    area: str
    right: Right
    access: Access


class NativeRouter(APIRouter):
    """A router whose endpoints take a :class:`Unit` first and run in a thread of their own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(prefix="/api/v1", **options)

    def serve(
        self,
        method: str,
        path: str,
        *,
        area: str,
        right: Right,
        write: bool | None = None,
        status: int = 200,
        access: Access = "member",
        **options: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register an endpoint, with what its caller's key must be scoped to."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            def admit(request: Request) -> None:
                # As a dependency it comes before anything of the request is looked at.
                request.state.principal = authenticate(request, area, right, access)

            writing = write if write is not None else method != "GET"

            def work(request: Request, arguments: dict[str, Any]) -> Any:
                services: Services = request.app.state.services
                principal: Principal = request.state.principal
                with services.database.write() if writing else services.database.read() as session:
                    return function(Unit(services, principal, session, request), **arguments)

            @functools.wraps(function)
            async def endpoint(request: Request, **arguments: Any) -> Any:
                return await in_turn(request, writing, work, request, arguments)

            signature = inspect.signature(function, eval_str=True)
            _, *parameters = signature.parameters.values()
            request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)
            endpoint.__signature__ = signature.replace(parameters=[request, *parameters])  # type: ignore[attr-defined]
            # FastAPI reads annotations through the wrapped function otherwise, and would ask callers for a unit.
            del endpoint.__wrapped__
            endpoint.__annotations__ = {p.name: p.annotation for p in (request, *parameters)}
            response_class = options.pop("response_class", None)
            extra = {"response_class": response_class} if response_class else {}
            endpoint.entrepot = Declared(area, right, access)  # type: ignore[attr-defined]
            self.add_api_route(
                path,
                endpoint,
                methods=[method],
                status_code=status,
                dependencies=[Depends(admit)],
                response_model=None if _is_response(signature.return_annotation) else signature.return_annotation,
                **extra,
                **options,
            )
            return function

        return register


def _is_response(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, Response)
