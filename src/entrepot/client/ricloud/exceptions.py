"""What can go wrong."""

from collections.abc import Mapping
from typing import Any


class RicloudError(Exception):
    """Anything that this client raises of its own."""


class ConfigurationError(RicloudError):
    """The address or the token is missing; the message says where it can be set."""


class ChecksumError(RicloudError):
    """What was downloaded is not what was published."""


class RequestError(RicloudError):
    """The server refused a request.

    Attributes
    ----------
    status, error, message, params
        HTTP status, code, sentence, and for each parameter at fault the reasons.
    content
        What the server answered.
    """

    def __init__(self, status: int, body: Mapping[str, Any], content: str = "") -> None:
        self.status = status
        self.content = content
        self.error = body.get("error")
        self.message = body.get("message")
        self.params = body.get("params", {})
        super().__init__(f"{status} {self.error}: {self.message} {self.params or ''}".rstrip())


class ServerError(RequestError):
    """The server failed."""
