"""Series: found by words, labels, unit and project, seen on one plot with two axes, and had as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson
from sqlalchemy import Select, select
from sqlalchemy.orm import aliased
from starlette.responses import RedirectResponse, Response

from entrepot.errors import InvalidInput
from entrepot.identity import projects
from entrepot.pipeline.generators import catalog
from entrepot.pipeline.models import Channel, Cleaner
from entrepot.series import labels
from entrepot.series.models import Series, SeriesHead
from entrepot.server.api import envelopes, points
from entrepot.server.api.envelopes import look_of
from entrepot.server.api.nouns import makers, project_names
from entrepot.server.api.parameters import instant_of
from entrepot.server.api.series import sought
from entrepot.server.console import looks
from entrepot.server.console.form_page import refusal, status_of
from entrepot.server.console.listing import Column, Field, Link, Listing, order
from entrepot.server.console.page import Data, Page, render
from entrepot.server.console.places import page_of
from entrepot.server.endpoint import Call

_MOST_CHOSEN, _MOST_ROWS, _MOST_FOUND = 12, 100, 25
#: Of the view that a page opens with, asked for before its scripts know how wide the plot is: wide enough for most.
_PIXELS = 1500
_NAMES = ("q", "label", "unit", "project", "damaged")


@dataclass(frozen=True)
class Found:
    """A series that was found, and where it is added to the plot; empty where it is there."""

    series: Series
    project: str
    add: str


@dataclass(frozen=True)
class Chosen:
    """A series on the plot.

    Attributes
    ----------
    of
        What makes it; None where it was pushed.
    remove, other_axis
        Where it is taken from the plot, or moved to the other axis.
    parquet
        Where its points are had.
    raw
        Where the series that it was cleaned from lies beside it; empty where there is none, or it does already.
    """

    series: Series
    project: Link
    of: Link | None
    labels: dict[str, str]
    is_right: bool
    first: datetime | None
    last: datetime | None
    remove: str
    other_axis: str
    parquet: str
    raw: str


@dataclass(frozen=True)
class Line:
    """What one line of the plot shows: a series, now or in the earlier period.

    Attributes
    ----------
    colour
        Which of the plot's colours, from 0.
    envelope
        Where its extremes are had, of the view that the page opens with.
    """

    id: str
    name: str
    unit: str
    right: bool
    colour: int
    earlier: bool
    envelope: str


@dataclass(frozen=True)
class Explorer:
    """What the page shows.

    Attributes
    ----------
    fields
        By which series are found; `kept` is what the form sends besides, so that the plot stays.
    looks
        By which it is chosen how they are looked at; `kept_looks` is what that form sends besides.
    refusal
        Why what was chosen there is no way to look; empty where it is one.
    zone
        In which the plot shows instants.
    found, more
        The first of those found, and where all of them are listed; empty where these are all.
    chosen
        The series on the plot.
    lines, plot
        The lines that are drawn of them, and the same as JSON; none where there are no points.
    first, last
        Of all their points, in microseconds; None where there are none.
    view
        From when to when is shown, in microseconds; None: all.
    window
        The same as the address has it.
    csv, frame, table
        Where the points are had, one after the other or side by side, and seen.
    all_csv, all_frame
        Where all points are had, whatever is seen.
    basket
        Ids of the series, to be exported with others.
    """

    fields: Sequence[Field]
    kept: Sequence[tuple[str, str]]
    looks: Sequence[Field]
    kept_looks: Sequence[tuple[str, str]]
    refusal: str
    zone: str
    found: Sequence[Found]
    more: str
    chosen: Sequence[Chosen]
    lines: Sequence[Line]
    plot: str
    first: int | None
    last: int | None
    view: tuple[int, int] | None
    window: dict[str, str]
    csv: str
    frame: str
    all_csv: str
    all_frame: str
    basket: str
    table: str
    is_empty: bool


def _show(call: Call) -> Response:
    ids, right = list(dict.fromkeys(call.query.getlist("series"))), set(call.query.getlist("right"))
    if len(ids) > _MOST_CHOSEN:
        raise InvalidInput.field("series", f"Choose {_MOST_CHOSEN} at most.")
    chosen = in_order(call, ids)
    by_id = {one.id: one for one in chosen}
    asked = {name: call.query.get(name, "").strip() for name in _NAMES}
    rows = call.session.scalars(_query(call, asked).order_by(Series.name, Series.id).limit(_MOST_FOUND + 1)).all()
    names = project_names(call, rows)
    found = [
        Found(
            one,
            names[one.project_id].name if one.project_id in names else "",
            "" if one.id in by_id else _address(call, series=[*ids, one.id]),
        )
        for one in rows[:_MOST_FOUND]
    ]
    first = min((one.first for one in chosen if one.first is not None), default=None)
    last = max((one.last for one in chosen if one.last is not None), default=None)
    window = {name: call.query[name] for name in ("from", "to") if call.query.get(name)}
    asked_points = [("series", one.id) for one in chosen]
    look, error = looks.read(call)
    looked = looks.asked(call)
    steps = {name: text for name, text in looked.items() if name != "before"} if look.step else {}
    beside = {**steps, **({"before": look.before} if look.before else {})}
    on_plot = [*asked_points, *(("right", one) for one in right if one in by_id)]
    seen = _view(call)
    lines = []
    if first is not None and last is not None:
        start, stop = seen or (first, last + 1)
        of_view = {"from": start, "to": stop, "pixels": _PIXELS}
        lines = _lines(chosen, right, {"clock": looked.get("clock", ""), **steps, **of_view})
        if look.before:
            said = looks.said_before(look)
            lines += _lines(chosen, right, {**beside, **of_view}, said)
    view = Explorer(
        fields=_fields(call, asked),
        kept=[*on_plot, *looked.items()],
        looks=looks.fields(looked),
        kept_looks=[*on_plot, *((name, text) for name, text in asked.items() if text)],
        refusal=refusal(error),
        zone=looks.preferences(call, look).zone,
        found=found,
        more=f"/console/series?{urlencode(asked)}" if len(rows) > _MOST_FOUND else "",
        chosen=_chosen(call, chosen, right, {**window, **steps}),
        lines=lines,
        plot=orjson.dumps(lines).decode(),
        first=first,
        last=last,
        view=seen,
        window=window,
        csv=_points_as("frame" if beside else "points", [*asked_points, ("format", "csv")], beside, window),
        frame=_points_as("frame", asked_points, beside, window),
        all_csv=_points_as("frame" if steps else "points", [*asked_points, ("format", "csv")], steps),
        all_frame=_points_as("frame", asked_points, steps),
        basket=" ".join(one.id for one in chosen),
        table=_points_as("table", asked_points, looked if error is None else {}),
        is_empty=not found and not any(asked.values()),
    )
    return render(call, "explorer.html", status_of(error), view=view)


def _points_as(form: str, asked: list[tuple[str, str]], *options: dict[str, str]) -> str:
    return f"/console/explorer/{form}?{urlencode([*asked, *(pair for some in options for pair in some.items())])}"


def _list(call: Call) -> Response:
    asked = {name: call.query.get(name, "").strip() for name in _NAMES}
    sorts = {"name": Series.name, "points": SeriesHead.count, "last": SeriesHead.last, "unit": Series.unit}
    query = _query(call, asked).join(Series.head).order_by(order(call, sorts, "name"), Series.id)

    def read(offset: int, limit: int) -> list[tuple[Any, ...]]:
        found = call.session.scalars(query.offset(offset).limit(limit)).all()
        names, known = project_names(call, found), makers(call, (one.generator_id for one in found))
        return [
            (
                Link(one.name, f"/console/explorer?{urlencode({'series': one.id})}"),
                names[one.project_id].name if one.project_id in names else "",
                one.unit,
                known[one.generator_id or ""].name if one.generator_id in known else one.generator_kind,
                one.step or "",
                one.count,
                at_of(one.first),
                at_of(one.last),
                one.last_value,
            )
            for one in found
        ]

    columns = (
        *(Column("Name", "name"), "Project", Column("Unit", "unit"), "Made by", "Step", Column("Points", "points")),
        *("First", Column("Last", "last"), "Last value"),
    )
    return Listing("Series", columns, read, _fields(call, asked), _EMPTY).shown(call)


_EMPTY = "There are no series yet: importers make them out of files, or clients push them to /api/v1/points."


def _query(call: Call, asked: dict[str, str]) -> Select[Series]:
    wanted = [text for text in asked["label"].split(",") if text]
    project, unit = asked["project"] or None, asked["unit"] or None
    query = sought(call, asked["q"], [text.strip() for text in wanted], project=project, unit=unit)
    return query.where(Series.damage.is_not(None)) if asked["damaged"] else query


def _fields(call: Call, asked: dict[str, str]) -> list[Field]:
    known = projects.list_projects(call.session, call.principal)
    fields = [
        Field("q", "Words of the name or title", asked["q"]),
        Field("label", "Label, as turbine:R80711", asked["label"]),
        Field("unit", "Unit", asked["unit"]),
        Field("project", "Project", asked["project"], (("", "any"), *((one.id, one.name) for one in known))),
    ]
    if asked["damaged"]:
        fields.append(Field("damaged", "Damaged", asked["damaged"], (("", "or not"), ("yes", "alone"))))
    return fields


def _chosen(call: Call, chosen: list[Series], right: set[str], window: dict[str, str]) -> list[Chosen]:
    if not chosen:
        return []
    names, known = project_names(call, chosen), makers(call, (one.generator_id for one in chosen))
    described = labels.of(call.session, chosen)
    ids = [one.id for one in chosen]
    raw = _raw(call, ids)
    found = []
    for one in chosen:
        of, other = known.get(one.generator_id or ""), right ^ {one.id}
        found.append(
            Chosen(
                series=one,
                project=Link(names[one.project_id].name, f"/console/projects/{one.project_id}"),
                of=Link(f"{of.kind} {of.name}", page_of(of)) if of else None,
                labels=described.get(one.number, {}),
                is_right=one.id in right,
                first=at_of(one.first),
                last=at_of(one.last),
                remove=_address(call, series=[id_ for id_ in ids if id_ != one.id]),
                other_axis=_address(call, right=[id_ for id_ in ids if id_ in other]),
                parquet=f"/console/series/{one.id}/points?{urlencode({'format': 'parquet', **window})}",
                raw=_address(call, series=[*ids, raw[one.id]]) if raw.get(one.id, ids[0]) not in ids else "",
            )
        )
    return found


def _raw(call: Call, ids: list[str]) -> dict[str, str]:
    """Return the ids of the series that others were cleaned from, by those of these."""
    raw = aliased(Series)
    query = (
        select(Series.id, raw.id)
        .join(Channel, (Channel.cleaner_id == Series.generator_id) & (Channel.name == Series.name))
        .join(Cleaner, Cleaner.id == Channel.cleaner_id)
        .join(raw, (raw.generator_id == Cleaner.importer_id) & (raw.name == Channel.raw))
        .where(Series.id.in_(ids), call.principal.within(raw))
    )
    return dict(call.session.execute(query).all())


def in_order(call: Call, ids: list[str]) -> list[Series]:
    """Return series in the order in which they are named."""
    found = {one.id: one for one in catalog.find_series(call.session, call.principal, ids=ids)} if ids else {}
    return [found[id_] for id_ in dict.fromkeys(ids)]


def _lines(chosen: list[Series], right: set[str], asked: dict[str, Any], earlier: str = "") -> list[Line]:
    return [
        Line(
            id=one.id,
            name=", ".join(filter(None, (one.title or one.name, earlier))),
            unit=one.unit,
            right=one.id in right,
            colour=at,
            earlier=bool(earlier),
            envelope=f"/console/series/{one.id}/envelope?{urlencode(asked)}",
        )
        for at, one in enumerate(chosen)
    ]


def _view(call: Call) -> tuple[int, int] | None:
    start, stop = instant_of(call, "from"), instant_of(call, "to")
    if start is None or stop is None:
        return None
    if stop <= start:
        raise InvalidInput.field("to", "This is not after `from`.")
    return start, stop


def _table(call: Call) -> Response:
    """Return the first points of the same part of the same series, a row a stamp."""
    chosen = in_order(call, call.query.getlist("series")[:_MOST_CHOSEN])
    look = look_of(call)
    start, stop = looks.window(call, chosen)
    seen = looks.columns(look, chosen)
    held = [one.points(call, start, stop, _MOST_ROWS)[:_MOST_ROWS] for one in seen]
    stamps = np.unique(np.concatenate([one.times for one in held]))[:_MOST_ROWS].tolist() if held else []
    values = [dict(zip(one.times.tolist(), one.values.tolist(), strict=True)) for one in held]
    rows = [(at_of(stamp), [of_one.get(stamp) for of_one in values]) for stamp in stamps]
    shown = looks.preferences(call, look).at
    return render(call, "points.html", columns=seen, rows=rows, most=_MOST_ROWS, shown=shown)


def _points(call: Call) -> Response:
    return _named(points.read_points(call), f"points.{call.query.get('format', 'arrow')}")


def _points_of_one(call: Call) -> Response:
    return _named(points.read_series(call), f"points.{call.query.get('format', 'json')}")


def _named(response: Response, name: str) -> Response:
    response.headers["content-disposition"] = f'attachment; filename="{name}"'
    return response


def _one(call: Call) -> Response:
    series = catalog.get_series(call.session, call.principal, call.path["series_id"])
    return RedirectResponse(f"/console/explorer?{urlencode({'series': series.id})}", 303)


def _address(call: Call, **changed: list[str]) -> str:
    kept = [(name, value) for name, value in call.query.multi_items() if name not in changed and value]
    pairs = [*kept, *((name, value) for name, values in changed.items() for value in values)]
    return f"/console/explorer?{urlencode(pairs)}"


def at_of(microseconds: int | None) -> datetime | None:
    """Return the instant of a stamp."""
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(microsecond=microseconds % 1_000_000)


PAGES = (
    Page("GET", "/console/explorer", _show, "series", "read"),
    Page("GET", "/console/explorer/table", _table, "series", "read"),
    Data("GET", "/console/explorer/points", _points, "series", "read"),
    Page("GET", "/console/series", _list, "series", "read"),
    Page("GET", "/console/series/{series_id}", _one, "series", "read"),
    Data("GET", "/console/series/{series_id}/points", _points_of_one, "series", "read"),
    Data("GET", "/console/series/{series_id}/envelope", envelopes.read_envelope, "series", "read"),
)
