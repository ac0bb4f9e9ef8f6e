"""The native API, ``/api/v1``."""

from fastapi import FastAPI

from entrepot.server.api import account, lineage, points, projects, runs, series
from entrepot.server.endpoint import native_error

PREFIX = "/api/v1"


def include(app: FastAPI) -> None:
    """Add the native API to the application."""
    for module in (account, projects, series, runs, lineage):
        app.include_router(module.router, prefix=PREFIX)
    for endpoint in points.ENDPOINTS:
        app.router.routes.extend(endpoint.routes(native_error))
