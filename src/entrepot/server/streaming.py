"""Endpoints whose bodies are taken as they come: of any size, without being held in memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from entrepot.errors import EntrepotError, InvalidInput, TooLarge, TooManyRequests
from entrepot.identity import Principal
from entrepot.server.bodies import Body, Size
from entrepot.server.endpoint import NOBODY, Endpoint, ErrorRenderer, failure, refusal, require_ids
from entrepot.server.threads import in_thread

#: So much is handed to the disk at a time, while as much more may be coming in.
BLOCK_BYTES = 4 * 2**20
_RETRY_SECONDS = 5
_MOST_FIELDS = 50
_LONGEST_FIELD = 64 * 1024

Write = Callable[[list[bytes]], Any]


@dataclass(frozen=True)
class StreamEndpoint(Endpoint):
    """An endpoint whose handler is a coroutine of the request and the principal, and opens its own units of work.

    Its body is a stream of any length, or there is none.
    """

    handler: Callable[[Request, Principal], Awaitable[Response]]  # type: ignore[assignment]
    body: Size | None = "none"

    def _endpoint(self, errors: ErrorRenderer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                require_ids(request)
                principal = NOBODY if self.access == "open" else await in_thread(self.authenticate, request)
                if self.size == "stream":
                    Body.of(request.scope).stream()
                return await self.handler(request, principal)
            except EntrepotError as error:
                return await in_thread(refusal, request, error, errors)
            except ClientDisconnect:
                return errors(InvalidInput("The body ended early."))
            except Exception as error:  # noqa: BLE001 - it is logged
                return failure(request, error, errors)

        return endpoint


class Waiting:
    """How many requests of each user wait for something to happen; only the event loop looks at it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_user: Counter[str] = Counter()

    @contextmanager
    def one(self, principal: Principal) -> Iterator[None]:
        """Let a user have one more request that waits.

        Raises
        ------
        TooManyRequests
            As many as one may have wait already.
        """
        user = principal.user_id
        if self._by_user[user] >= self._most:
            message = f"You have {self._most} event streams and long polls already (max_streams_per_user)."
            raise TooManyRequests(message, _RETRY_SECONDS)
        self._by_user[user] += 1
        try:
            yield
        finally:
            self._by_user[user] -= 1
            if not self._by_user[user]:
                del self._by_user[user]


class Stream(StreamingResponse):
    """An answer that goes on until its `stack` is closed, which it is at its end, however that comes."""

    def __init__(self, stack: ExitStack, content: AsyncIterator[bytes], **options: Any) -> None:
        super().__init__(content, **options)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._stack:
            await super().__call__(scope, receive, send)


async def pour(blocks: AsyncIterator[bytes], write: Write) -> None:
    """Hand what comes to `write`, in large parts and in a thread; the next part comes in meanwhile."""
    waiting: list[bytes] = []
    size = 0
    writing: asyncio.Task[Any] | None = None
    try:
        async for block in blocks:
            waiting.append(block)
            size += len(block)
            if size >= BLOCK_BYTES:
                if writing is not None:
                    await writing
                writing = asyncio.create_task(in_thread(write, waiting))
                waiting, size = [], 0
    finally:
        # Whoever cleans up must not do so under the hands of a thread.
        if writing is not None:
            await asyncio.wait([writing])
    if writing is not None:
        await writing
    if waiting:
        await in_thread(write, waiting)


class Form:
    """A multipart form with one file, whose fields may stand before or after it.

    Attributes
    ----------
    fields
        The texts, complete at the :meth:`end`.
    filename
        What the client calls the file; None when there was none.
    """

    def __init__(self, request: Request, file_field: str = "file") -> None:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidInput("Send multipart/form-data, with the file in the field `file`.")
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self._file_field = file_field
        self._name = ""
        self._in_file = False
        self._header = [bytearray(), bytearray()]
        self._disposition = b""
        self._text = bytearray()
        self._blocks: list[bytes] = []
        self._ended = False
        names = (
            "part_begin",
            "part_data",
            "part_end",
            "header_field",
            "header_value",
            "header_end",
            "headers_finished",
        )
        callbacks: Any = {f"on_{name}": getattr(self, f"_{name}") for name in (*names, "end")}
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise InvalidInput("The boundary of the form cannot be.") from None

    def feed(self, chunks: list[bytes]) -> list[bytes]:
        """Take what came of the form, and return what is the file's of it; to be called in a thread.

        Raises
        ------
        InvalidInput
            The form is not well formed, or has several files.
        """
        self._blocks = []
        try:
            for chunk in chunks:
                self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidInput(f"The form is not well formed: {str(error)[:200]}") from None
        return self._blocks

    def end(self) -> None:
        """Say that this was all; afterwards everything is known.

        Raises
        ------
        InvalidInput
            The form ended early, or had no file.
        """
        try:
            self._parser.finalize()
        except FormParserError as error:
            raise InvalidInput(f"The form is not well formed: {str(error)[:200]}") from None
        if not self._ended:
            raise InvalidInput("The form ended early.")
        if self.filename is None:
            raise InvalidInput.field(self._file_field, "Send the file in this field.")

    def _part_begin(self) -> None:
        self._disposition, self._text, self._in_file = b"", bytearray(), False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _header_end(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])
        self._header = [bytearray(), bytearray()]

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise InvalidInput("A part of the form has no name.")
        self._name = options[b"name"].decode(errors="replace")
        if b"filename" not in options and self._name != self._file_field:
            if len(self.fields) >= _MOST_FIELDS or self._name in self.fields:
                raise InvalidInput.field(self._name[:100], "It is given twice, or there are too many fields.")
            return
        if self._name != self._file_field or self.filename is not None:
            raise InvalidInput.field(self._name[:100], "There may be one file, in the field `file`.")
        self._in_file = True
        self.filename = options.get(b"filename", b"").decode(errors="replace")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._blocks.append(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > _LONGEST_FIELD:
            raise TooLarge.field(self._name[:100], f"At most {_LONGEST_FIELD} bytes.")

    def _part_end(self) -> None:
        if self._in_file:
            return
        try:
            self.fields[self._name] = self._text.decode()
        except UnicodeDecodeError:
            raise InvalidInput.field(self._name[:100], "This must be text in UTF-8.") from None

    def _end(self) -> None:
        self._ended = True
