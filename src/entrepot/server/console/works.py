"""The board of works: how each pipeline stands, by status, with the age of the oldest and how many end an hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from entrepot.db import now
from entrepot.server.console import listing
from entrepot.server.console.ages import age
from entrepot.server.console.listing import Listing
from entrepot.server.console.page import Page, render
from entrepot.server.console.works_asked import list_of
from entrepot.server.endpoint import Call
from entrepot.works import board
from entrepot.works.board import Standing
from entrepot.works.queue import STATUSES

_MOST = 500
_COLUMNS = (
    "Pipeline",
    "Queued",
    "Waiting since",
    "Running",
    "Running since",
    "Success",
    "Failure",
    "Ended within the hour",
)


@dataclass(frozen=True)
class Cell:
    """A number of works, where these are listed, and how old the oldest is."""

    count: int
    address: str
    age: str = ""


@dataclass(frozen=True)
class Line:
    """A pipeline: where all of its works are listed, those of each status, and how many ended within the hour."""

    pipeline: str
    address: str
    cells: Sequence[tuple[str, Cell]]
    ended: int


@dataclass(frozen=True)
class Board:
    """What the board shows.

    Attributes
    ----------
    q
        The words of a pipeline's name that are sought.
    lines, more
        The pipelines, and how many there are besides.
    totals
        Of all of them, by status.
    ended
        How many works ended within the hour.
    is_empty
        Whether there is no work of any pipeline.
    """

    q: str
    lines: Sequence[Line]
    more: int
    totals: Sequence[tuple[str, Cell]]
    ended: int
    is_empty: bool


def _show(call: Call) -> Response:
    q = call.query.get("q", "").strip()
    every = board.board(call.session, call.principal)
    found = [one for one in every if all(word in one.pipeline.lower() for word in q.lower().split())]
    if call.query.get("format") == "csv":
        return Listing("Works by pipeline", _COLUMNS, lambda at, most: _rows(found[at : at + most])).shown(call)
    # What fails or waits first.
    found.sort(key=lambda one: (-one.counts["failure"], one.oldest_created_at or now(), one.pipeline))
    totals = [
        (name, Cell(sum(one.counts[name] for one in found), list_of("queue", {"status": name}))) for name in STATUSES
    ]
    view = Board(
        q=q,
        lines=[_line(one) for one in found[:_MOST]],
        more=max(0, len(found) - _MOST),
        totals=totals,
        ended=sum(one.ended for one in found),
        is_empty=not every,
    )
    return render(call, "works.html", view=view)


def _line(one: Standing) -> Line:
    ages = {"queued": one.oldest_created_at, "running": one.oldest_started_at}
    cells = [
        (
            name,
            Cell(one.counts[name], list_of("queue", {"pipeline": one.pipeline, "status": name}), _age(ages.get(name))),
        )
        for name in STATUSES
    ]
    return Line(one.pipeline, list_of("queue", {"pipeline": one.pipeline}), cells, one.ended)


def _rows(found: Sequence[Standing]) -> list[tuple[listing.Cell, ...]]:
    return [
        (
            one.pipeline,
            one.counts["queued"],
            one.oldest_created_at,
            one.counts["running"],
            one.oldest_started_at,
            one.counts["success"],
            one.counts["failure"],
            one.ended,
        )
        for one in found
    ]


def _age(since: datetime | None) -> str:
    return "" if since is None else age(max(0.0, (now() - since).total_seconds()))


PAGES = (Page("GET", "/console/works", _show, "works", "read"),)
