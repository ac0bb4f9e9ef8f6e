"""What the client surfaces share over HTTP: one connection with its address, credentials and patience."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from entrepot.client._quiet import Client

#: Seconds between the attempts at a request that the server does once.
_PAUSES = (0.2, 1.0)
#: What a server, or a proxy before it, answers that cannot do it now.
_NOT_NOW = (502, 503, 504)


class Connection:
    """An HTTP connection to a base address.

    Parameters
    ----------
    base_url
        Address, without a slash at its end, to which paths are added.
    headers
        Sent with each request.
    auth
        Login and password for Basic authentication.
    timeout
        Seconds until a request without an answer is given up; None: never.
    transport
        In place of the network, for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._client = Client(headers=headers, auth=auth, timeout=timeout, transport=transport)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        once: bool = False,
    ) -> httpx.Response:
        """Return the answer to a request, whose body is sent as JSON.

        Parameters
        ----------
        once
            Whether the server is to do this once, however often it hears of it: the request carries a key of its own,
            and is sent again while there is no answer.

        Raises
        ------
        httpx.HTTPStatusError
            The answer is an error; its message says what the server said.
        httpx.TransportError
            There is no answer.
        """
        # Not httpx's own encoder, which refuses some of what servers return.
        content = None if body is None else json.dumps(body, ensure_ascii=True).encode()
        return self.send(method, path, params=params, content=content, headers=headers, timeout=timeout, once=once)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        content: bytes | Iterator[bytes] | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        once: bool = False,
    ) -> httpx.Response:
        """Return the answer to a request whose body is sent as it is; parameters and errors as of :meth:`request`."""
        headers = {**(headers or {}), **({} if content is None else {"content-type": content_type})}
        patience: Any = httpx.USE_CLIENT_DEFAULT if timeout is None else timeout
        request = self._client.build_request(
            method, f"{self.base_url}{path}", params=params, content=content, headers=headers, timeout=patience
        )
        response = self._once(request) if once else self._client.send(request)
        if response.is_error:
            raise httpx.HTTPStatusError(_message(response), request=response.request, response=response)
        return response

    def _once(self, request: httpx.Request) -> httpx.Response:
        request.headers["idempotency-key"] = str(uuid.uuid4())
        for pause in _PAUSES:
            try:
                response = self._client.send(request)
            except httpx.TransportError:
                pass
            else:
                if response.status_code not in _NOT_NOW:
                    return response
            time.sleep(pause)
        return self._client.send(request)

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """Give the answer to a GET before its body has come; raises as :meth:`request` does."""
        url = f"{self.base_url}{path}"
        with ExitStack() as stack:
            response = stack.enter_context(self._client.stream("GET", url, headers=headers, follow_redirects=True))
            if response.is_error:
                response.read()
                raise httpx.HTTPStatusError(_message(response), request=response.request, response=response)
            yield response

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Return the JSON value with which a request is answered."""
        return self.request(method, path, **options).json()

    def pages(self, path: str, **params: Any) -> Iterator[Any]:
        """Yield the items of a list, page by page."""
        given = {name: value for name, value in params.items() if value is not None}
        page = self.json("GET", path, params={"limit": 1000, **given})
        yield from page["items"]
        while page["next"] is not None:
            page = self.json("GET", page["next"])
            yield from page["items"]

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Send these headers with each request from now on, beside the others."""
        self._client.headers.update(headers)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _message(response: httpx.Response) -> str:
    try:
        said = response.json()
        said = said["detail"] if "detail" in said else said["message"]
    except (ValueError, KeyError, TypeError):
        said = response.reason_phrase
    return f"{response.status_code}: {said} ({response.request.method} {response.request.url.copy_with(query=None)})"
