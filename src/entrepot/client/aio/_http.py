"""What the client surfaces share over HTTP: one connection with its address, credentials and patience."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx

from entrepot.client import errors
from entrepot.client._quiet import AsyncClient

#: Seconds between the attempts at a request that the server may be asked again.
_PAUSES = (0.2, 1.0)
#: What a server, or a proxy before it, answers that cannot do it now.
_NOT_NOW = (502, 503, 504)
#: Asking again does no more than asking once.
_SAFE = ("GET", "HEAD", "OPTIONS")
#: Whatever else the status of a job or a run is, it has ended.
_UNDER_WAY = ("pending", "running")
_POLL_SECONDS = (0.1, 0.2, 0.3, 0.5, 1.0)


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
    patience
        Seconds that a request may be put off altogether by a server that says when to try again (``Retry-After``).
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
        patience: float = 0.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._patience = patience
        self._client = AsyncClient(headers=headers, auth=auth, timeout=timeout, transport=transport)

    async def request(
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
        Refused
            The answer is an error; its message says what the server said.
        NoAnswer
            There is no answer.
        """
        # Not httpx's own encoder, which refuses some of what servers return.
        content = None if body is None else json.dumps(body, ensure_ascii=True).encode()
        return await self.send(
            method, path, params=params, content=content, headers=headers, timeout=timeout, once=once
        )

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        content: bytes | AsyncIterator[bytes] | None = None,
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
        if once:
            request.headers["idempotency-key"] = str(uuid.uuid4())
        again = content is None or isinstance(content, bytes)
        response = await self._answer(request, again=again, safe=again and (once or method in _SAFE))
        if response.is_error:
            raise errors.refused(response)
        return response

    async def _answer(self, request: httpx.Request, *, again: bool, safe: bool) -> httpx.Response:
        """Return the answer to a request.

        Parameters
        ----------
        again
            Whether it can be sent again at all, as it is where the server says when.
        safe
            Whether it may be, where nobody knows what became of it.
        """
        pauses, waited = iter(_PAUSES if safe else ()), 0.0
        while True:
            pause: float | None
            try:
                response = await self._client.send(request)
            except httpx.TransportError as error:
                if (pause := next(pauses, None)) is None:
                    raise errors.no_answer(error) from error
            else:
                said = errors.retry_after(response) if response.status_code in (429, 503) else None
                if said is not None and again and waited + said <= self._patience:
                    pause, waited = said, waited + said
                elif response.status_code not in _NOT_NOW or (pause := next(pauses, None)) is None:
                    return response
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[httpx.Response]:
        """Give the answer to a GET before its body has come; raises as :meth:`request` does."""
        url = f"{self.base_url}{path}"
        async with AsyncExitStack() as stack:
            answer = self._client.stream("GET", url, headers=headers, follow_redirects=True)
            response = await stack.enter_async_context(answer)
            if response.is_error:
                await response.aread()
                raise errors.refused(response)
            yield response

    async def json(self, method: str, path: str, **options: Any) -> Any:
        """Return the JSON value with which a request is answered."""
        return (await self.request(method, path, **options)).json()

    async def pages(self, path: str, **params: Any) -> AsyncIterator[Any]:
        """Yield the items of a list, page by page."""
        given = {name: value for name, value in params.items() if value is not None}
        page = await self.json("GET", path, params={"limit": 1000, **given})
        while True:
            for item in page["items"]:
                yield item
            if page["next"] is None:
                return
            page = await self.json("GET", page["next"])

    async def ended(self, path: str, job: dict[str, Any], what: str, follow: Any = None) -> dict[str, Any]:
        """Wait until a job has ended, and return it.

        Parameters
        ----------
        path
            Where it is asked for, less its id.
        job
            As it was when it was begun.
        what
            What it is, for who reads that it failed.
        follow
            Called with each state of it.

        Raises
        ------
        Failed
            It did not end well.
        """
        pauses = iter(_POLL_SECONDS)
        pause = _POLL_SECONDS[-1]
        while job["status"] in _UNDER_WAY:
            pause = next(pauses, pause)
            await asyncio.sleep(pause)
            job = await self.json("GET", f"{path}/{job['id']}")
            if follow is not None:
                follow(job)
        if job["status"] != "finished":
            raise errors.Failed(what, job)
        return job

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Send these headers with each request from now on, beside the others."""
        self._client.headers.update(headers)

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
