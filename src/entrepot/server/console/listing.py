"""Pages that are a table: filtered and sorted by their address, a page at a time, or all of it as CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from entrepot.bounds.cells import guarded
from entrepot.errors import InvalidInput
from entrepot.server.console.page import render
from entrepot.server.console.timeline import Timeline
from entrepot.server.endpoint import Call

LENGTH = 50
_MOST_PAGES = 10_000
_MOST_IN_CSV, _AT_ONCE = 100_000, 500


@dataclass(frozen=True)
class Link:
    """A text that leads somewhere."""

    text: str
    address: str


@dataclass(frozen=True)
class State:
    """A state, shown in its colour, with what there is to say of it."""

    state: str
    text: str = ""


@dataclass(frozen=True)
class Form:
    """A button in a cell, and where it sends the form that it is."""

    button: str
    action: str


Cell = str | int | float | datetime | Link | State | Form | None
#: Returns rows, from an offset on, at most so many.
Read = Callable[[int, int], Sequence[Sequence[Cell]]]


@dataclass(frozen=True)
class Column:
    """A column, which can be sorted by where it says how it is called in the address."""

    name: str
    sort: str = ""


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
    """A table.

    Attributes
    ----------
    title
        Of the page.
    columns
        Their names; those that can be sorted by as :class:`Column`.
    read
        Where the rows come from.
    fields
        What can be filtered by.
    empty
        What to do first, where there is nothing and nothing was asked for.
    refusal
        Why what was asked for cannot be found.
    make
        Where another one is made; None where the caller may not, or it is not made here.
    others
        The lists beside this one.
    seconds
        How often its first page is looked at again by itself; 0: not.
    """

    title: str
    columns: Sequence[str | Column]
    read: Read
    fields: Sequence[Field] = field(default_factory=tuple)
    empty: str = ""
    refusal: str = ""
    make: Link | None = None
    others: Sequence[Link] = ()
    seconds: int = 0

    def shown(
        self, call: Call, above: Timeline | None = None, template: str = "listing.html", **context: Any
    ) -> Response:
        """Return the page, or the table as CSV where the address says so; perhaps with counts in time above it.

        A page that shows more has a template of its own, and more to show.
        """
        if asks_csv(call) and not self.refusal:
            return self._csv()
        number = page_number(call)
        # Of rows one more than a page has, the last says that there is another page.
        rows = [] if self.refusal else self.read((number - 1) * LENGTH, LENGTH + 1)
        columns = [one if isinstance(one, Column) else Column(one) for one in self.columns]
        return render(
            call,
            template,
            400 if self.refusal else 200,
            view=self,
            above=above,
            columns=[
                (one.name, _address(call, sort=_turned(call, one.sort), page=None), _order(call, one.sort))
                for one in columns
            ],
            rows=rows[:LENGTH],
            filtered=any(call.query.get(one.name, "") for one in self.fields),
            earlier=_address(call, page=str(number - 1)) if number > 1 else "",
            later=_address(call, page=str(number + 1)) if len(rows) > LENGTH else "",
            live=call.request.url.query if self.seconds and number == 1 and not self.refusal else None,
            **context,
        )

    def _csv(self) -> Response:
        return as_csv(self.title, [one.name if isinstance(one, Column) else one for one in self.columns], self._rows())

    def _rows(self) -> Iterator[Sequence[Cell]]:
        for offset in range(0, _MOST_IN_CSV, _AT_ONCE):
            rows = self.read(offset, _AT_ONCE)
            yield from rows
            if len(rows) < _AT_ONCE:
                break


def asks_csv(call: Call) -> bool:
    """Tell whether the address asks for a list as CSV rather than for its page."""
    return call.query.get("format") == "csv"


def as_csv(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """Return a list as a file of CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    headers = {"content-disposition": f'attachment; filename="{title.lower().replace(" ", "-")}.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers | {"cache-control": "no-store"})


def order(call: Call, columns: Mapping[str, Any], usual: str) -> Any:
    """Return by what the address says to sort: one of the columns by name, with ``-`` before it the other way round."""
    text = call.query.get("sort", "") or usual
    column = columns.get(text.removeprefix("-"))
    if column is None:
        raise InvalidInput.field("sort", f"One of {', '.join(columns)}, perhaps with - before it.")
    return column.desc() if text.startswith("-") else column.asc()


def page_number(call: Call) -> int:
    """Return which page is asked for, from 1 on."""
    text = call.query.get("page", "1")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= _MOST_PAGES:
        raise InvalidInput.field("page", f"From 1 to {_MOST_PAGES}.")
    return int(text)


def _address(call: Call, **changed: str | None) -> str:
    """Return the query of this page with some parameters set, or left out."""
    kept = [(name, value) for name, value in call.query.multi_items() if name not in changed]
    return urlencode([*kept, *((name, value) for name, value in changed.items() if value is not None)])


def _turned(call: Call, sort: str) -> str:
    return f"-{sort}" if call.query.get("sort") == sort else sort


def _order(call: Call, sort: str) -> str:
    """Return how a column is sorted, in the words of ARIA; empty where it cannot be."""
    asked = call.query.get("sort", "")
    if not sort or asked.removeprefix("-") != sort:
        return "none" if sort else ""
    return "descending" if asked.startswith("-") else "ascending"


def _plain(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat()
    if isinstance(cell, Link):
        return guarded(cell.text)
    if isinstance(cell, State):
        return guarded(cell.text or cell.state)
    if isinstance(cell, Form):
        return ""
    return guarded(cell) if isinstance(cell, str) else "" if cell is None else repr(cell)
