"""Bodies of requests: kept only of those who were admitted, and never more than there is room for."""

from dataclasses import dataclass
from typing import Literal, cast

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from entrepot.errors import InvalidInput, TooLarge, Unavailable
from entrepot.settings import Settings

#: What a route takes: no body, one of a few fields, one with data; or a stream, which it reads and bounds by itself.
Size = Literal["none", "small", "large", "stream"]

_KEY = "entrepot.body"
_RETRY_SECONDS = 5


@dataclass
class Room:
    """How much of bodies a process holds in memory: the most of each, and of all together.

    Only the event loop looks at it.
    """

    small: int
    large: int
    together: int
    held: int = 0

    @classmethod
    def of(cls, settings: Settings) -> "Room":
        """Return the room that the settings give."""
        return cls(settings.max_small_body_bytes, settings.max_body_bytes, settings.max_bodies_bytes)

    def most(self, size: Size) -> int:
        """Return how many bytes a body may have."""
        return self.large if size == "large" else self.small

    def take(self, count: int) -> None:
        """Take room for more bytes.

        Raises
        ------
        Unavailable
            All of it is taken by the bodies of other requests.
        """
        if self.held + count > self.together:
            raise Unavailable("Too many large requests are under way (max_bodies_bytes); try again.", _RETRY_SECONDS)
        self.held += count


class Body:
    """The body of one request.

    Until :meth:`stream` or :meth:`read` is called, the application sees an empty one, and what comes is dropped: so no
    route can keep a byte of what nobody answers for, whichever framework serves it.
    """

    def __init__(self, scope: Scope, receive: Receive, room: Room) -> None:
        self._receive = receive
        self._room = room
        self._open = self._told = False
        self._held = 0
        self._declared: int | None = None
        self.sent = False  #: whether the head announces any
        for name, value in scope["headers"]:
            if name == b"content-length":
                # The server has refused what is no number; one with more digits is as good as endless.
                self._declared = int(value[:18])
                self.sent = self._declared > 0
            elif name == b"transfer-encoding":
                self._declared, self.sent = None, True
                break
        scope[_KEY] = self

    @classmethod
    def of(cls, scope: Scope) -> "Body":
        """Return the body of a request."""
        return cast("Body", scope[_KEY])

    def awaited(self, size: Size) -> bool:
        """Tell whether a route has to wait for a body of its kind."""
        return self.sent and size != "none"

    async def receive(self) -> Message:
        """Return what comes next, as ASGI has it."""
        if self._open:
            return await self._receive()
        if not self._told:
            self._told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (message := await self._receive())["type"] != "http.disconnect":
            pass
        return message

    def stream(self) -> None:
        """Let the application have the body as it comes: whoever sends it has been admitted."""
        self._open = True

    async def read(self, size: Size) -> bytes:
        """Return the whole body of somebody who has been admitted.

        Raises
        ------
        TooLarge
            It is larger than what routes of this kind take; said before it has come, where its length is.
        Unavailable
            There is no room for it now.
        InvalidInput
            The client ended before the body did.
        """
        self._open = True
        most = self._room.most(size)
        if self._declared is not None and self._declared > most:
            raise self._too_large(most)
        chunks: list[bytes] = []
        while True:
            try:
                message = await self._receive()
            except ClientDisconnect:
                message = {"type": "http.disconnect"}
            if message["type"] == "http.disconnect":
                raise InvalidInput("The body ended early.")
            if chunk := message.get("body", b""):
                if self._held + len(chunk) > most:
                    raise self._too_large(most)
                self._room.take(len(chunk))
                self._held += len(chunk)
                chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def release(self) -> None:
        """Give back the room that the body took, at the end of its request."""
        self._room.held -= self._held
        self._held = 0

    def _too_large(self, most: int) -> TooLarge:
        name = "max_body_bytes" if most == self._room.large else "max_small_body_bytes"
        return TooLarge(f"The body may have at most {most} bytes here ({name}).")
