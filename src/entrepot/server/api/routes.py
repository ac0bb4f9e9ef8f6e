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
    keys,
    lineage,
    locks,
    members,
    parts,
    places,
    points,
    projects,
    result_sets,
    rows,
    runs,
    series,
    storages,
    uploads,
    watches,
    webhooks,
    works,
)
from entrepot.server.api.project_file import routes as project_file
from entrepot.server.problems import problem


def include(app: FastAPI) -> None:
    """Add the native API to the application."""
    # These first: `/rows/plot` is no row.
    for module in (points, works, uploads, files, storages, events, rows, gates):
        for endpoint in module.ENDPOINTS:
            app.router.routes.extend(endpoint.routes(problem))
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
        watches,
        keys,
        members,
        webhooks,
        files,
        storages,
        locks,
        parts,
        places,
        result_sets,
    ):
        app.router.routes.extend(module.router.routes)
