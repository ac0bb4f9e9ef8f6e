"""Plots of rows that filters choose, as pages that show without a network and reach nothing, or as PNG."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.plots.figures import NotDrawable, Plot
from entrepot.plots.rows import plot_rows
from entrepot.rows import Location, Row
from entrepot.rows.filters import ROWS, compile_filter, find
from entrepot.rows.vectors import listed

OPTIONS = ("kind", "unit", "x_unit", "title")
_MOST_ROWS = 1000
#: What the page of a figure may do, names and descriptions of users being in it: run its own script, in no origin.
_CONFINED = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; frame-ancestors 'self'"
)


def figure(
    session: Session, principal: Principal, filters: Iterable[tuple[str, str]], options: Mapping[str, Any]
) -> Plot:
    """Return the plot of the caller's rows that these filters let pass; `options` are those of `plot_rows`.

    Raises
    ------
    InvalidInput
        There is nothing to draw or too much of it, or a unit does not convert.
    """
    principal.require("read")
    filter_ = compile_filter(session, ROWS, principal.organization_id, filters)
    names = list(Row.__table__.columns.keys())
    found: list[dict[str, Any]] = []
    for chunk in find(session, list(Row.__table__.columns), filter_, ["name", "id"]):
        found += [_readable(dict(zip(names, values, strict=True))) for values in chunk]
        if len(found) > _MOST_ROWS:
            raise InvalidInput(f"These are more than {_MOST_ROWS} rows: filter them.")
    locations = select(Location.id, Location.name, Location.northing, Location.easting)
    places = session.execute(locations.where(Location.organization_id == principal.organization_id)).all()
    try:
        return plot_rows(
            pd.DataFrame(found),
            locations=pd.DataFrame(places, columns=["id", "name", "northing", "easting"]),
            **options,
        )
    except NotDrawable as error:
        raise InvalidInput(error.message) from None


def written(plot: Plot, format_: str) -> Response:
    """Return a plot as ``html`` or ``png``."""
    match format_:
        case "html":
            return Response(plot.html(), media_type="text/html", headers={"content-security-policy": _CONFINED})
        case "png":
            return Response(plot.png(), media_type="image/png")
        case other:
            raise InvalidInput.field("format", f"{other!r} is neither html nor png.")


def _readable(stored: dict[str, Any]) -> dict[str, Any]:
    vectors = {name: listed(value) for name, value in stored.items() if isinstance(value, bytes)}
    extra = None if stored["extra"] is None else orjson.loads(stored["extra"])
    ids = {"result_set": stored["result_set_id"], "location": stored["location_id"]}
    return stored | vectors | ids | {"extra": extra}
