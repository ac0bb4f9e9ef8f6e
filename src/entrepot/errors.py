"""The exceptions of the product: one small tree, raised by the domain, worded for the wire by each dialect.

::

    EntrepotError
    ├── InvalidInput          what was sent cannot be accepted; ``fields`` says what and why
    │   ├── TooLarge          ... because it is larger than what is allowed
    │   └── NotJson           ... because it does not say that it is JSON
    ├── Unauthenticated       no or wrong credentials
    ├── Forbidden             known, but without the right
    │   └── LimitReached      ... because the organization has as much as it may have
    ├── NotFound              does not exist, or belongs to others
    │   └── Gone              ... because it was deleted
    ├── Conflict              contradicts what is stored
    │   ├── Locked            ... because the result is locked
    │   └── Changed           ... because somebody else changed it meanwhile
    ├── TooManyRequests       tried too often; try again later
    └── Unavailable           cannot be answered now; try again
        ├── Away              ... because the database, or what makes calls of scripts, does not answer
        │   └── ReadOnly      ... because it takes nothing new for a moment
        │       └── Moved     ... or for good: the sentence says where it is now
        └── OutOfSpace        ... because a disk is full
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Self


class EntrepotError(Exception):
    """The request could not be fulfilled."""

    status = 500
    code = "error"
    #: In how many seconds to try again, where that is known.
    retry_after: float | None = None

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (self.__doc__ or "").strip().splitlines()[0]
        super().__init__(self.message)


class InvalidInput(EntrepotError):
    """The input is not valid.

    Parameters
    ----------
    message
        What was wrong, in one sentence.
    fields
        For each field that is at fault, the reasons. Always given when a single field can be named.
    """

    status = 400
    code = "invalid"

    def __init__(self, message: str | None = None, fields: Mapping[str, Sequence[str]] | None = None) -> None:
        self.fields = {name: list(reasons) for name, reasons in (fields or {}).items()}
        if message is None and self.fields:
            message = "; ".join(f"{name}: {' '.join(reasons)}" for name, reasons in self.fields.items())
        super().__init__(message)

    @classmethod
    def field(cls, name: str, reason: str) -> "InvalidInput":
        """Return the error for one field at fault."""
        return cls(fields={name: [reason]})

    def renamed(self, rename: Callable[[str], str]) -> Self:
        """Return the same error, its fields by other names."""
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        InvalidInput.__init__(other, fields={rename(name): reasons for name, reasons in self.fields.items()})
        return other


class TooLarge(InvalidInput):
    """The input is larger than what is allowed."""

    status = 413
    code = "too-large"


class NotJson(InvalidInput):
    """Send JSON, with the header `Content-Type: application/json`."""

    status = 415
    code = "not-json"


class Unauthenticated(EntrepotError):
    """Authentication is required."""

    status = 401
    code = "unauthenticated"


class Forbidden(EntrepotError):
    """You do not have the right to do this."""

    status = 403
    code = "forbidden"


class LimitReached(Forbidden):
    """The organization's limit is reached."""

    # Not 429, which clients answer by trying again: nothing changes before something is deleted or the limit raised.
    code = "limit-reached"


class NotFound(EntrepotError):
    """Not found."""

    status = 404
    code = "not-found"


class Gone(NotFound):
    """It existed, and was deleted."""

    status = 410
    code = "gone"


class Conflict(EntrepotError):
    """This contradicts what is stored."""

    status = 409
    code = "conflict"


class Locked(Conflict):
    """The result is locked."""

    code = "locked"


class Changed(Conflict):
    """Somebody else changed it: read it again, and change that."""

    status = 412
    code = "changed"


class TooManyRequests(EntrepotError):
    """This was tried too often; try again later."""

    status = 429
    code = "too-many-requests"

    def __init__(self, message: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(EntrepotError):
    """The service cannot answer now; try again."""

    status = 503
    code = "unavailable"

    def __init__(self, message: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Away(Unavailable):
    """The database does not answer; try again."""

    def __init__(self, message: str | None = None, retry_after: float = 5.0) -> None:
        super().__init__(message, retry_after)


class ReadOnly(Away):
    """The database takes nothing new for a moment; try again."""

    code = "read-only"


class Moved(ReadOnly):
    """The database was moved: nothing new is taken here."""

    code = "moved"


class OutOfSpace(Unavailable):
    """The server's disk is full, so nothing was stored; try again once there is room."""

    status = 507
    code = "out-of-space"

    def __init__(self, message: str | None = None, retry_after: float = 60.0) -> None:
        super().__init__(message, retry_after)
