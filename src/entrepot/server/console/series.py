"""Series: those of a project, and one as a plot."""

from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from entrepot.identity import projects
from entrepot.plots.series import plot_series
from entrepot.series import store
from entrepot.server.api import rows_plot
from entrepot.server.api.series import find
from entrepot.server.console.listing import Field, Link, Listing, instant, part
from entrepot.server.console.page import Page, render
from entrepot.server.endpoint import Call

#: Of longer series, means of neighbouring points are drawn, and of very long ones the last part.
_MOST_DRAWN, _MOST_READ = 20_000, 5_000_000


def _list(call: Call) -> Response:
    known = projects.list_projects(call.session, call.principal)
    chosen, name = call.query.get("project", known[0].id if known else ""), call.query.get("name", "").strip()
    found: list[Any] = []
    if chosen:
        project = projects.get_project(call.session, call.principal, chosen)
        offset, limit = part(call)
        found = store.list_series(call.session, project_id=project.id, name=name or None, offset=offset, limit=limit)
    rows = [
        (
            Link(each.name, f"/console/series/{each.id}"),
            each.unit,
            each.generator_kind,
            each.step or "",
            f"{each.count:,}",
            _at(each.first),
            _at(each.last),
            "" if each.last_value is None else f"{each.last_value:g}",
        )
        for each in found
    ]
    fields = (
        Field("project", "Project", chosen, [(project.id, project.name) for project in known]),
        Field("name", "Name", name),
    )
    columns = ("Name", "Unit", "Made by", "Step", "Points", "First", "Last", "Last value")
    return Listing("Series", columns, rows, fields).shown(call)


def _show(call: Call) -> Response:
    return render(call, "series.html", series=find(call.session, call.principal, call.path["series_id"]))


def _plot(call: Call) -> Response:
    series = find(call.session, call.principal, call.path["series_id"])
    points = store.read(call.session, series.pk, limit=_MOST_READ, newest=True)
    utc = series.clock is not None
    plot = plot_series(series.name, series.unit, points.times, points.values, utc=utc, most=_MOST_DRAWN)
    return rows_plot.written(plot, call.query.get("format", "html"))


def _at(microseconds: int | None) -> str:
    return "" if microseconds is None else instant(datetime.fromtimestamp(microseconds / 1e6, UTC))


PAGES = (
    Page("GET", "/console/series", _list, "series", "read"),
    Page("GET", "/console/series/{series_id}", _show, "series", "read"),
    Page("GET", "/console/series/{series_id}/plot", _plot, "series", "read"),
)
