"""Works of the queue or of the archive that a query finds, what these have in common, and why those failed that did."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import ColumnElement, and_, or_
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.server.console.listing import LENGTH, Cell, Link, Listing, State
from entrepot.server.console.page import Data, Page, render
from entrepot.server.console.works_asked import LIST, PLACES, Asked
from entrepot.server.endpoint import Call
from entrepot.works import changes, cursors, facets, failures, fields
from entrepot.works import document as documents
from entrepot.works.collection import ARCHIVE, QUEUE
from entrepot.works.document import Document, instant
from entrepot.works.order import Order
from entrepot.works.query import OPERATORS
from entrepot.works.queue import STATUSES

_COLUMNS = ("Id", "Pipeline", "Site", "User", "Status", "Priority", "Attempt", "Created", "Parameters", "Results")
_LATEST = Order((("number", False),))
_LONGEST, _MOST_IN_CSV = 100, 100_000
_EMPTY = "There are none. Works are deposited by the workflow client, or at /api/v1/works."
_PLACE_OF_ERROR = re.compile(r"\(char (\d+)\)")
#: What is done to works, in words: in the button, and once it is done.
WORDS = {
    "retry": ("Requeue", "requeued"),
    "cancel": ("Cancel", "cancelled"),
    "lock": ("Lock", "locked"),
    "unlock": ("Unlock", "unlocked"),
    "delete": ("Delete", "deleted"),
}


@dataclass(frozen=True)
class Row:
    """A work of the list: by what it is chosen, and its cells."""

    chosen: str
    name: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class WorksList:
    """What the list shows.

    Attributes
    ----------
    asked
        Where, and by which query.
    places
        What can be chosen of `where`.
    columns, rows
        The table.
    buttons
        What the caller may do with works, by the action's name.
    following, csv, facets, failures
        Where the next page is, all of it as CSV, what the works have in common, and why those failed that did; empty
        where there is none.
    done
        What was just done, in words.
    """

    asked: Asked
    places: Sequence[tuple[str, str]]
    columns: Sequence[str]
    rows: Sequence[Row]
    buttons: Sequence[tuple[str, str]]
    following: str
    csv: str
    facets: str
    failures: str
    done: str


@dataclass(frozen=True)
class Facet:
    """A field, and its values with their counts, and where the list is of those alone."""

    name: str
    values: Sequence[tuple[str, int, str]]


@dataclass(frozen=True)
class FacetsView:
    """How many works match, of how many of the latest it is told, what they have; or why that is not known."""

    said: str
    fields: Sequence[Facet]
    refusal: str


def _list(call: Call) -> Response:
    asked = Asked.of(call)
    if call.query.get("format") == "csv" and not asked.refusal:
        works = _found(call, asked, None, None)
        read = lambda _, most: [_cells(asked, one) for one in islice(works, most)]  # noqa: E731
        return Listing("Works", _COLUMNS, read).shown(call)
    found: list[Document] = []
    numbers: list[str] = []
    if not asked.refusal:
        try:
            for row in _rows(call, asked, call.query.get("after"), LENGTH + 1):
                found.append(asked.collection.document_of(row))
                numbers.append(_place(asked, row))
        except InvalidInput as error:
            asked.refuse(error)
    following = cursors.write(numbers[LENGTH - 1]) if len(found) > LENGTH else ""
    address = f"{LIST}?{asked.address}"
    view = WorksList(
        asked=asked,
        places=PLACES,
        columns=_COLUMNS,
        rows=[Row(chosen(one), str(one["id"]), _cells(asked, one)) for one in found[:LENGTH]],
        buttons=buttons(call, asked.where),
        following=f"{address}&{urlencode({'after': following})}" if following else "",
        csv=f"{address}&format=csv",
        facets="" if asked.refusal else f"/console/works/facets?{asked.address}",
        failures="" if asked.refusal else f"/console/works/failures?{asked.address}",
        done=_done(call),
    )
    return render(call, "works_list.html", 400 if asked.refusal else 200, view=view, empty=_EMPTY)


def buttons(call: Call, where: str) -> list[tuple[str, str]]:
    """Return what the caller may do with works that are there, each with what its button says."""
    return [(name, WORDS[name][0]) for name in changes.actions(where)] if call.principal.can("write") else []


def chosen(work: Document) -> str:
    """Return by what a form says which work it means."""
    return documents.dumps([work["pipeline"], work["id"]])


def _rows(call: Call, asked: Asked, after: str | None, most: int | None) -> Iterator[Any]:
    later = [] if after is None else [_later(asked, after)]
    order = _LATEST if asked.where == "queue" else None
    found = asked.collection.find
    return found(call.session, call.principal.organization_id, asked.query, *later, limit=most, order=order)


def _later(asked: Asked, after: str) -> ColumnElement[bool]:
    """Return the condition of what comes after a place of the list."""
    (place,) = cursors.read(after, 1)
    if asked.where == "queue":
        if not place.isascii() or not place.isdigit():
            raise InvalidInput.field("after", "This is no place of a list.")
        return QUEUE.table.c.number < int(place[:18])
    work_id, pipeline = cursors.read(place, 2)
    table = ARCHIVE.table.c
    return and_(table.id <= work_id, or_(table.id < work_id, table.pipeline > pipeline))


def _place(asked: Asked, row: Any) -> str:
    return str(row.number) if asked.where == "queue" else cursors.write(row.id, row.pipeline)


def _found(call: Call, asked: Asked, after: str | None, most: int | None) -> Iterator[Document]:
    rows = _rows(call, asked, after, _MOST_IN_CSV if most is None else most)
    return (asked.collection.document_of(row) for row in rows)


def _cells(asked: Asked, work: Document) -> list[Cell]:
    return [
        Link(str(work["id"]), address_of(asked.where, work)),
        *(work.get(name) for name in ("pipeline", "site", "user")),
        State(str(work.get("status"))),
        *(_number(work.get(name)) for name in ("priority", "attempt")),
        instant(work["creation"]),
        *(_short(work.get(name)) for name in ("parameters", "results")),
    ]


def address_of(where: str, work: Document) -> str:
    """Return where a work is shown."""
    pipeline = f"?{urlencode({'pipeline': work['pipeline']})}" if where == "archive" else ""
    return f"/console/works/{where}/{quote(str(work['id']), safe='')}{pipeline}"


def _number(value: Any) -> int | float | str | None:
    return value if isinstance(value, int | float) else _short(value)


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = documents.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _done(call: Call) -> str:
    action, count = call.query.get("did", ""), call.query.get("works", "")
    if action not in WORDS or not count.isascii() or not count.isdigit():
        return ""
    return f"{int(count[:9]):,} {'work was' if count == '1' else 'works were'} {WORDS[action][1]}."


def _facets(call: Call) -> Response:
    asked = Asked.of(call)
    view = FacetsView("", (), asked.refusal)
    if not asked.refusal:
        try:
            view = _seen(asked, facets.facets(asked.collection, call.session, call.principal, asked.query))
        except InvalidInput as error:
            view = FacetsView("", (), error.message)
    return render(call, "facets.html", view=view)


def _seen(asked: Asked, found: facets.Facets) -> FacetsView:
    said = f"{found.count:,} {'work matches' if found.count == 1 else 'works match'}"
    if found.more:
        said = f"More than {found.count:,} works match; of the latest {found.count:,}"
    shown = [
        Facet(name, [(value or "(none)", count, asked.narrowed(name, value)) for value, count in values])
        for name, values in found.fields.items()
        if len(values) > 1 or any(count < found.count for _, count in values)  # what all have tells nothing
    ]
    return FacetsView(said, shown, "")


def _failures(call: Call) -> Response:
    asked = Asked.of(call)
    found = failures.Failures([], 0, False)
    if not asked.refusal:
        try:
            found = failures.failures(asked.collection, call.session, call.principal, asked.query)
        except InvalidInput as error:
            asked.refuse(error)

    def read(offset: int, most: int) -> list[list[Cell]]:
        return [_cause(asked, one) for one in found.items[offset : offset + most]]

    columns = ("Error", "Works", "First", "Last", "Pipelines", "The last of them")
    title = "Failures by their error"
    return Listing(title, columns, read, refusal=asked.refusal, empty="No work failed.").shown(
        call, template="failures.html", asked=asked, places=PLACES, found=found
    )


def _cause(asked: Asked, one: failures.Failure) -> list[Cell]:
    pipelines = sorted(one.pipelines.items(), key=lambda each: -each[1])
    told = ", ".join(f"{name} ({count:,})" for name, count in pipelines[:5])
    more = f" and {len(pipelines) - 5} more" if len(pipelines) > 5 else ""
    work = {"id": one.example, "pipeline": one.example_pipeline}
    return [
        Link(one.error or "No error is told: cancelled, or its worker was lost", asked.also(one.query)),
        one.count, one.first_at, one.last_at, told + more, Link(one.example, address_of(asked.where, work)),
    ]  # fmt: skip


def _fields(call: Call) -> dict[str, Any]:
    asked = Asked.of(call)
    pipelines = facets.facets(asked.collection, call.session, call.principal, {}).fields["pipeline"]
    return {
        "fields": fields.fields(asked.collection, call.session, call.principal),
        "operators": OPERATORS,
        "values": {"status": STATUSES, "pipeline": [value for value, _ in pipelines]},
    }


def _cost(call: Call) -> dict[str, Any]:
    asked = Asked.of(call)
    said = ""
    if not asked.refusal:
        try:
            said = _worded(asked.collection.explain(call.session, call.principal, asked.query))
        except InvalidInput as error:
            asked.refuse(error)
    place = _PLACE_OF_ERROR.search(asked.refusal)
    return {
        "said": said,
        "refusal": asked.refusal,
        "wrong": asked.wrong,
        "place": int(place.group(1)) if place else None,
    }


def _worded(plan: dict[str, Any]) -> str:
    """Return what a query costs."""
    without, within = (
        [one["path"] for one in plan["conditions"] if (one["by"] in _WITHOUT) is wanted] for wanted in (True, False)
    )
    parts = []
    if without:
        parts.append(f"Without reading works: {', '.join(dict.fromkeys(without))}.")
    if within:
        count = f"{'more than ' if plan['more'] else ''}{plan['documents']:,}"
        how = "" if plan["exact"] else ", some one by one"
        parts.append(f"For {', '.join(dict.fromkeys(within))}, {count} works are read{how}.")
    return " ".join(parts)


_WITHOUT = {"column", "columns", "side table"}

PAGES = (
    Page("GET", LIST, _list, "works", "read"),
    Page("GET", "/console/works/facets", _facets, "works", "read"),
    Page("GET", "/console/works/failures", _failures, "works", "read"),
    Data("GET", "/console/works/fields", _fields, "works", "read"),
    Data("GET", "/console/works/cost", _cost, "works", "read"),
)
