"""Problem details (RFC 9457): how the native API tells of every error, whoever raised it."""

from collections.abc import Iterator
from typing import Any

from structlog.contextvars import get_contextvars

from entrepot.errors import EntrepotError
from entrepot.server.endpoint import Json, challenge

MEDIA = "application/problem+json"
#: Where each type of problem is told about; its code follows.
TYPES = "/docs#problem-"
_NUMBERS = ("No field", "One field", "Two fields", "Three fields", "Four fields", "Five fields")


class Problem(Json):
    """An error as RFC 9457 has it: a page of the docs by its `type`, the request in the log by its `instance`."""

    media_type = MEDIA


def problem(error: EntrepotError) -> Problem:
    """Return the answer that tells of an error; where fields are wrong, all of them by name."""
    fields = {name: " ".join(reasons) for name, reasons in getattr(error, "fields", {}).items()}
    status = status_of(error)
    content: dict[str, Any] = {
        "type": f"{TYPES}{error.code}",
        "title": _fields_are_wrong(len(fields)) if fields else title_of(type(error)),
        "status": status,
        "detail": error.message,
        "instance": f"urn:entrepot:request:{get_contextvars().get('request_id', '')}",
    }
    if fields:
        content["fields"] = fields
    return Problem(content, status, headers=challenge(error))


def status_of(error: EntrepotError) -> int:
    """Return the status of an error: what was understood, and is wrong, is no longer a bad request."""
    if error.status == 400 and getattr(error, "fields", None):
        return 422
    return error.status


def title_of(kind: type[EntrepotError]) -> str:
    """Return what all errors of a kind have in common, as a sentence without its full stop."""
    return (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")


def kinds() -> Iterator[type[EntrepotError]]:
    """Yield the kinds of errors by which a type is told from others, each code once."""
    known: set[str] = set()
    waiting: list[type[EntrepotError]] = [EntrepotError]
    while waiting:
        kind = waiting.pop(0)
        waiting += kind.__subclasses__()
        if kind.code not in known:
            known.add(kind.code)
            yield kind


def _fields_are_wrong(count: int) -> str:
    number = _NUMBERS[count] if count < len(_NUMBERS) else f"{count} fields"
    return f"{number} {'is' if count == 1 else 'are'} wrong"
