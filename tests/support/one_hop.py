"""Starlette's test client, with one change of threads a request in place of eight, where the whole answer is asked for.

An answer that is read as it comes (``client.stream``), and a web socket, go the client's own way.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

import httpx
from starlette import testclient

_WHOLE = "entrepot.whole"
_Transport = testclient._TestClientTransport
_in_hops = _Transport.handle_request

Message = MutableMapping[str, Any]


def install() -> None:
    """Have every test client of this process ask so."""
    testclient.TestClient.send = _send
    _Transport.handle_request = _handle_request  # type: ignore[assignment]


def _send(client: testclient.TestClient, request: httpx.Request, *, stream: bool = False, **options: Any) -> Any:
    request.extensions[_WHOLE] = not stream
    return httpx.Client.send(client, request, stream=stream, **options)


def _handle_request(transport: Any, request: httpx.Request) -> httpx.Response:
    if not request.extensions.get(_WHOLE) or request.url.scheme not in ("http", "https"):
        return _in_hops(transport, request)
    with transport.portal_factory() as portal:
        sent, failed = portal.call(_answer, transport.app, _scope(transport, request), request.read())
    if failed is not None and (transport.raise_server_exceptions or not sent):
        if transport.raise_server_exceptions:
            raise failed
        return httpx.Response(500, request=request)
    start, *parts = sent
    body = b"" if request.method == "HEAD" else b"".join(part.get("body", b"") for part in parts)
    return httpx.Response(
        start["status"], headers=start.get("headers", []), stream=httpx.ByteStream(body), request=request
    )


def _scope(transport: Any, request: httpx.Request) -> dict[str, Any]:
    url = request.url
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "path": unquote(url.path),
        "raw_path": url.raw_path.partition(b"?")[0],
        "root_path": transport.root_path,
        "scheme": url.scheme,
        "query_string": url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": transport.client,
        "server": [url.host, url.port or (443 if url.scheme == "https" else 80)],
        "extensions": {},
        "state": transport.app_state.copy(),
    }


async def _answer(app: Any, scope: dict[str, Any], body: bytes) -> tuple[list[Message], Exception | None]:
    """Return what the application sent, and what it raised."""
    sent: list[Message] = []
    asked: list[Message] = [{"type": "http.request", "body": body}]
    complete = asyncio.Event()

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await complete.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        assert not complete.is_set(), "sent more than the answer"
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            complete.set()

    try:
        await app(scope, receive, send)
    except Exception as error:
        return sent, error
    return sent, None
