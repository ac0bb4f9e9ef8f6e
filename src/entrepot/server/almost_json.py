"""Bodies that would be JSON but for the numbers it lacks: NaN and the infinities, which are named by place."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from entrepot.errors import InvalidInput

Path = tuple[str | int, ...]
_MOST_NAMED = 20


@dataclass(frozen=True)
class _NoNumber:
    spelling: str


class NoNumbers(InvalidInput):
    """The body has what is no number.

    Attributes
    ----------
    content
        The body, with what is no number replaced.
    places
        Where these are, and how they are spelled; the first of them, where there are many.
    """

    def __init__(self, content: Any, places: list[tuple[Path, str]]) -> None:
        self.content = content
        self.places = places
        super().__init__(
            fields={
                ".".join(map(str, path)) or "body": [f"{spelling} is no number of JSON: send null."]
                for path, spelling in places
            }
        )


def refuse(body: bytes, reason: str) -> InvalidInput:
    """Return the error that tells why a body is no JSON; `reason` is the parser's."""
    if b"NaN" in body or b"Infinity" in body:
        try:
            content = json.loads(body, parse_constant=_NoNumber)
        except (ValueError, RecursionError):
            pass
        else:
            return NoNumbers(content, list(islice(_places(content, ()), _MOST_NAMED)))
    return InvalidInput(f"The body is not valid JSON: {reason}.")


def _places(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    waiting = [(value, path)]
    while waiting:
        one, path = waiting.pop()
        if isinstance(one, _NoNumber):
            yield path, one.spelling
        elif isinstance(one, dict):
            waiting += [(item, (*path, key)) for key, item in reversed(one.items())]
        elif isinstance(one, list):
            waiting += [(item, (*path, at)) for at, item in reversed([*enumerate(one)])]
