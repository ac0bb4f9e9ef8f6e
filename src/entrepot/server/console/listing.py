"""Pages that are a table: columns, rows of texts and links, and a way on to the next part of a long list."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.server.console.page import render
from entrepot.server.endpoint import Call

LENGTH = 50
_MOST_PAGES = 10_000


@dataclass(frozen=True)
class Link:
    """A text that leads somewhere."""

    text: str
    address: str


@dataclass(frozen=True)
class Field:
    """A field of the form above the table; with choices, a list to choose from."""

    name: str
    label: str
    value: str
    choices: Sequence[tuple[str, str]] = ()
    wide: bool = False


@dataclass(frozen=True)
class Listing:
    """A table."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    fields: Sequence[Field] = field(default_factory=tuple)
    refusal: str = ""

    def shown(self, call: Call) -> Response:
        """Return the page; of rows one more than a page has, the last says that there is another page."""
        number = page_number(call)
        kept = [(name, value) for name, value in call.query.multi_items() if name != "page"]
        return render(
            call,
            "listing.html",
            400 if self.refusal else 200,
            listing=self,
            rows=self.rows[:LENGTH],
            earlier=urlencode([*kept, ("page", number - 1)]) if number > 1 else "",
            later=urlencode([*kept, ("page", number + 1)]) if len(self.rows) > LENGTH else "",
        )


def page_number(call: Call) -> int:
    """Return which page is asked for, from 1 on."""
    text = call.query.get("page", "1")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= _MOST_PAGES:
        raise InvalidInput.field("page", f"From 1 to {_MOST_PAGES}.")
    return int(text)


def part(call: Call) -> tuple[int, int]:
    """Return the offset of the page that is asked for, and one row more than it has."""
    return (page_number(call) - 1) * LENGTH, LENGTH + 1


def instant(value: datetime | None) -> str:
    """Return an instant to the second, in UTC."""
    return "" if value is None else value.strftime("%Y-%m-%d %H:%M:%S")
