"""Rows: their locks, and plots of them as pages."""

from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.rows import analyses, results
from entrepot.rows.lookups import parse
from entrepot.server.api import rows_plot
from entrepot.server.endpoint import Call, Endpoint


def lock_rows(call: Call) -> dict[str, int]:
    """Lock rows by ``ids``, so that nobody can change or delete them, or unlock them (``locked`` false)."""
    return {"changed": results.set_locked(call.session, call.principal, _ids(call), locked=_wanted(call))}


def lock_analysis(call: Call) -> dict[str, object]:
    """Lock an analysis with all its rows, or unlock it (``locked`` false)."""
    stored = analyses.set_locked(call.session, call.principal, int(call.path["id"]), locked=_wanted(call))
    return {"id": stored["id"], "locked": stored["locked"]}


def plot(call: Call) -> Response:
    """Return a plot of the rows that filters (as at the OWI door) let pass, as ``format`` html or png."""
    asked = [(name, text) for name, text in call.query.multi_items() if name not in (*rows_plot.OPTIONS, "format")]
    options = {name: call.query[name] for name in rows_plot.OPTIONS if name in call.query}
    return rows_plot.written(
        rows_plot.figure(call.session, call.principal, asked, options), call.query.get("format", "html")
    )


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
    Endpoint("POST", "/api/v1/rows/lock", lock_rows, "rows", "write", body="large"),
    Endpoint("POST", "/api/v1/row-analyses/{id:int}/lock", lock_analysis, "rows", "write"),
    Endpoint("GET", "/api/v1/rows/plot", plot, "rows", "read"),
)
