"""How the server is asked: with the address and the token that are set at that moment."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx

from entrepot.client._quiet import quiet
from entrepot.client.ricloud import conf
from entrepot.client.ricloud.conf import settings
from entrepot.client.ricloud.exceptions import ConfigurationError, RequestError, ServerError

_BLOCK = 1 << 20
_PAUSE_SECONDS = 0.2


def request(method: str, path: str, *, params: Any = None, body: Any = None) -> dict[str, Any]:
    """Return what a request is answered with; one that changes nothing is tried again.

    Raises
    ------
    ConfigurationError
        There is no token, or no server at the address that is taken where none is set.
    RequestError
        The server refused the request; ServerError when it failed.
    """
    address = f"{settings.url.rstrip('/')}/{path}"
    content = {"json": body} if method == "POST" else {}
    tries = 1 + (settings.max_retries if method == "GET" else 0)
    while True:
        tries -= 1
        try:
            with quiet():
                answer = httpx.request(
                    method, address, params=params, headers=_headers(), timeout=settings.timeout, **content
                )
        except httpx.TransportError as error:
            if tries > 0:
                time.sleep(_PAUSE_SECONDS)
                continue
            if settings.url == conf.DEFAULT_URL and not conf.get("url"):
                raise ConfigurationError(f"No server at {settings.url}: {conf.how_to_set('url')}.") from error
            raise
        if answer.is_server_error and tries > 0:
            time.sleep(_PAUSE_SECONDS)
            continue
        _raise_for(answer)
        return _body(answer)


def blocks(signed_url: str | None, file_id: str, start: int) -> Iterator[bytes]:
    """Yield the content of a published file from a byte on."""
    address = signed_url or f"{settings.url.rstrip('/').removesuffix('/ricloud')}/api/v1/files/{file_id}/download"
    headers = {} if signed_url else _headers()
    if start:
        headers["range"] = f"bytes={start}-"
    with ExitStack() as stack:
        with quiet():
            stream = httpx.stream("GET", address, headers=headers, timeout=settings.timeout, follow_redirects=True)
            answer = stack.enter_context(stream)
        if not answer.is_success or (start and answer.status_code != httpx.codes.PARTIAL_CONTENT):
            answer.read()
            raise _error(answer)
        yield from answer.iter_raw(_BLOCK)


def _headers() -> dict[str, str]:
    if not settings.token:
        raise ConfigurationError(f"There is no token: {conf.how_to_set('token')}.")
    return {
        "authorization": f"Token {settings.token}",
        "ricloud-await": f"{settings.await_for:g}",
        "user-agent": "entrepot",
    }


def _raise_for(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise _error(answer)


def _error(answer: httpx.Response) -> RequestError:
    kind = ServerError if answer.is_server_error else RequestError
    return kind(answer.status_code, _body(answer), answer.text)


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": answer.text[:300]}
