"""A run as it goes, for its page: what the interface streams of its job, to whom the session's cookie tells of."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from entrepot.identity import Principal
from entrepot.server.api.job_stream import streamed
from entrepot.server.console.page import Data
from entrepot.server.streaming import StreamEndpoint


@dataclass(frozen=True)
class Live(Data, StreamEndpoint):
    """A stream that a page's script listens to."""

    handler: Callable[[Request, Principal], Awaitable[Response]]  # type: ignore[assignment]


async def _stream(request: Request, principal: Principal) -> Response:
    return await streamed(request, principal, request.path_params["id"], lambda: _STREAM.authenticate(request))


_STREAM = Live("GET", "/console/runs/{id}/stream", _stream, "series", "read")
PAGES = (_STREAM,)
