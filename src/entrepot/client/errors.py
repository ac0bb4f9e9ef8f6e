"""What the SDK raises: one tree, worded by the server where the server has spoken.

::

    Error
    ├── Refused               the server said no: ``status``, ``title``, ``detail``, ``fields``, ``response``
    │   ├── Invalid           400, 413, 415, 422: what was sent; ``fields`` says what of it, and why
    │   ├── Unauthenticated   401: who is asking?
    │   ├── Forbidden         403: not with this key, or not this member
    │   ├── NotFound          404, 410: it does not exist, or belongs to others
    │   ├── Conflict          409, 423: it contradicts what is stored, or is locked
    │   │   └── Changed       412: somebody else changed it meanwhile
    │   ├── TooManyRequests   429: later
    │   └── Unavailable       500 and more: the server's own trouble
    ├── NoAnswer              nobody answered
    ├── Failed                a run, a trial or an export ended otherwise than well; ``job`` tells
    ├── Ambiguous             several have this name
    ├── NotTaken              something that a function uses cannot be taken along to the server
    └── Damaged               what was downloaded is not what was published

What comes of HTTP is an error of httpx, too: whoever catches those goes on doing so.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx


class Error(Exception):
    """Something could not be done."""


class Refused(Error, httpx.HTTPStatusError):
    """The server refuses.

    Attributes
    ----------
    status
        Of the answer.
    title, detail
        What is wrong, in a few words and in a sentence.
    fields
        For each field that is at fault, why.
    retry_after
        In how many seconds to try again, where the server says that.
    """

    def __init__(self, response: httpx.Response) -> None:
        problem = _problem(response)
        self.status = response.status_code
        self.title = str(problem.get("title") or response.reason_phrase)
        self.detail = str(problem.get("detail") or problem.get("message") or self.title)
        self.fields = {name: _sentence(why) for name, why in (problem.get("fields") or {}).items()}
        self.retry_after = retry_after(response)
        asked = f"{response.request.method} {response.request.url.copy_with(query=None)}"
        super().__init__(f"{self.status}: {self._said()} ({asked})", request=response.request, response=response)

    def _said(self) -> str:
        """Return the detail, with the fields that it leaves out."""
        missing = [f"{name}: {why}" for name, why in self.fields.items() if name not in self.detail]
        return "; ".join([self.detail, *missing])


class Invalid(Refused, ValueError):
    """What was sent is not valid; ``fields`` says what of it."""


class Unauthenticated(Refused):
    """The server does not know who asks."""


class Forbidden(Refused, PermissionError):
    """The caller may not do this."""


class NotFound(Refused, LookupError):
    """It does not exist, or belongs to others."""


class Conflict(Refused):
    """It contradicts what is stored, or is locked."""


class Changed(Conflict):
    """Somebody else changed it: find it again, and change that."""


class TooManyRequests(Refused):
    """It was asked too often."""


class Unavailable(Refused):
    """The server cannot answer now."""


class NoAnswer(Error, httpx.TransportError):
    """Nobody answered."""


class Failed(Error, RuntimeError):
    """A run, a trial or an export ended otherwise than well.

    Attributes
    ----------
    job
        What the server says of it, with ``status`` and ``error``.
    """

    def __init__(self, what: str, job: Mapping[str, Any]) -> None:
        super().__init__(f"{what} {job['status']}: {job.get('error') or 'the server does not say why'}")
        self.job = job


class Ambiguous(Error, LookupError):
    """Several have this name."""


class NotTaken(Error, TypeError):
    """Something that a function uses cannot be taken along to the server."""


class Damaged(Error):
    """What was downloaded is not what was published."""


_BY_STATUS: dict[int, type[Refused]] = {
    400: Invalid, 413: Invalid, 415: Invalid, 422: Invalid, 401: Unauthenticated, 403: Forbidden, 404: NotFound,
    410: NotFound, 409: Conflict, 423: Conflict, 412: Changed, 429: TooManyRequests,
}  # fmt: skip


def refused(response: httpx.Response) -> Refused:
    """Return what is raised for an answer that is an error."""
    kind = _BY_STATUS.get(response.status_code, Unavailable if response.is_server_error else Refused)
    return kind(response)


def no_answer(error: httpx.TransportError) -> NoAnswer:
    """Return what is raised in place of an error of the network: one of the same kind."""
    kind: Any = type(error)
    request = error._request  # noqa: SLF001 - httpx has no other way to say of which request
    asked = "" if request is None else f" ({request.method} {request.url.copy_with(query=None)})"
    made = _unanswered(kind)(f"{str(error) or type(error).__name__}{asked}")
    made._request = request  # noqa: SLF001 - nor to keep it
    return made


def retry_after(response: httpx.Response) -> float | None:
    """Return in how many seconds an answer says to try again."""
    said = response.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() else None


@cache
def _unanswered(kind: Any) -> type[NoAnswer]:
    return type("NoAnswer", (NoAnswer, kind), {"__module__": __name__, "__doc__": NoAnswer.__doc__})


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sentence(why: Any) -> str:
    return " ".join(map(str, why)) if isinstance(why, list) else str(why)
