"""Plots of rows, as pages."""

from starlette.responses import Response

from entrepot.server.api import rows_plot
from entrepot.server.endpoint import Call, Endpoint


def plot(call: Call) -> Response:
    """Return a plot of the rows that filters let pass, as ``format`` html or png."""
    asked = [(name, text) for name, text in call.query.multi_items() if name not in (*rows_plot.OPTIONS, "format")]
    options = {name: call.query[name] for name in rows_plot.OPTIONS if name in call.query}
    return rows_plot.written(
        rows_plot.figure(call.session, call.principal, asked, options), call.query.get("format", "html")
    )


ENDPOINTS = (Endpoint("GET", "/api/v1/rows/plot", plot, "rows", "read"),)
