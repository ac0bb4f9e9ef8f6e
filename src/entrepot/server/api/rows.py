"""Rows: locks at ``/rows`` and ``/row-analyses``, and plots of rows as pages; all else is at the OWI door."""

import pandas as pd
from sqlalchemy import select
from starlette.responses import Response

from entrepot.client.owi.exceptions import InvalidParameterError
from entrepot.client.owi.plots import Plot, plot_rows
from entrepot.errors import InvalidInput
from entrepot.rows import Location, Row, analyses, results
from entrepot.rows.filters import ROWS, compile_filter, find
from entrepot.rows.lookups import parse
from entrepot.rows.vectors import unpack
from entrepot.server.endpoint import Call, Endpoint

_OWN = ("kind", "format", "unit", "x_unit", "title")
_MOST_ROWS = 1000


def lock_rows(call: Call) -> dict[str, int]:
    """Lock rows by ``ids``, so that nobody can change or delete them, or unlock them (``locked`` false)."""
    return {"changed": results.set_locked(call.session, call.principal, _ids(call), locked=_wanted(call))}


def lock_analysis(call: Call) -> dict[str, object]:
    """Lock an analysis with all its rows, or unlock it (``locked`` false)."""
    stored = analyses.set_locked(call.session, call.principal, int(call.path["id"]), locked=_wanted(call))
    return {"id": stored["id"], "locked": stored["locked"]}


def plot(call: Call) -> Response:
    """Return a plot of the rows that filters (as at the OWI door) let pass, as ``format`` html or png."""
    call.principal.require("read")
    asked = [(name, text) for name, text in call.query.multi_items() if name not in _OWN]
    filter_ = compile_filter(call.session, ROWS, call.principal.organization_id, asked)
    names = list(Row.__table__.columns.keys())
    found: list[dict[str, object]] = []
    for chunk in find(call.session, list(Row.__table__.columns), filter_, [Row.short_description, Row.id]):
        found += [_readable(dict(zip(names, values, strict=True))) for values in chunk]
        if len(found) > _MOST_ROWS:
            raise InvalidInput(f"These are more than {_MOST_ROWS} rows: filter them.")
    locations = select(Location.id, Location.title, Location.northing, Location.easting)
    places = call.session.execute(locations.where(Location.organization_id == call.principal.organization_id)).all()
    options = {name: call.query[name] for name in ("kind", "unit", "x_unit", "title") if name in call.query}
    try:
        figure: Plot = plot_rows(
            pd.DataFrame(found),
            locations=pd.DataFrame(places, columns=["id", "title", "northing", "easting"]),
            **options,  # type: ignore[arg-type]
        )
    except InvalidParameterError as error:
        raise InvalidInput(error.message) from None
    match call.query.get("format", "html"):
        case "html":
            return Response(figure.html(), media_type="text/html")
        case "png":
            return Response(figure.png(), media_type="image/png")
        case other:
            raise InvalidInput.field("format", f"{other!r} is neither html nor png.")


def _readable(stored: dict[str, object]) -> dict[str, object]:
    vectors = {name: unpack(value).tolist() for name, value in stored.items() if isinstance(value, bytes)}
    additional = stored["additional_data"]
    decoded = None if additional is None else ROWS.fields["additional_data"].decode(additional)  # type: ignore[misc]
    return stored | vectors | {"additional_data": decoded, "location": stored["location_id"]}


def _ids(call: Call) -> list[int]:
    ids = call.fields.get("ids")
    if not isinstance(ids, list) or not all(isinstance(id_, int) and not isinstance(id_, bool) for id_ in ids):
        raise InvalidInput.field("ids", "This must be an array of ids.")
    return [parse("integer", str(id_)) for id_ in ids]


def _wanted(call: Call) -> bool:
    locked = call.fields.get("locked", True)
    if not isinstance(locked, bool):
        raise InvalidInput.field("locked", "This must be true or false.")
    return locked


ENDPOINTS = (
    Endpoint("POST", "/api/v1/rows/lock", lock_rows, "rows", "write"),
    Endpoint("POST", "/api/v1/row-analyses/{id:int}/lock", lock_analysis, "rows", "write"),
    Endpoint("GET", "/api/v1/rows/plot", plot, "rows", "read"),
)
