"""All routes of the native API."""

from fastapi import FastAPI

from entrepot.server.api import (
    account,
    analyses,
    channels,
    events,
    exports,
    feeders,
    files,
    gates,
    importers,
    lineage,
    notices,
    parts,
    places,
    points,
    projects,
    result_sets,
    rows,
    runs,
    series,
    storage_configs,
    uploads,
    works,
)
from entrepot.server.api.project_file import routes as project_file
from entrepot.server.endpoint import native_error


def include(app: FastAPI) -> None:
    """Add the native API to the application."""
    # These first: `/rows/plot` is no row.
    for module in (points, works, uploads, files, storage_configs, events, rows, gates):
        for endpoint in module.ENDPOINTS:
            app.router.routes.extend(endpoint.routes(native_error))
    for module in (
        account,
        project_file,
        projects,
        series,
        exports,
        runs,
        lineage,
        gates,
        importers,
        channels,
        analyses,
        feeders,
        notices,
        storage_configs,
        parts,
        places,
        result_sets,
    ):
        app.router.routes.extend(module.router.routes)
