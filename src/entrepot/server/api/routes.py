"""All routes of the native API."""

from fastapi import FastAPI

from entrepot.server.api import (
    account,
    analyses,
    attachments,
    audit,
    calls,
    channels,
    envelopes,
    events,
    exports,
    feeders,
    files,
    gates,
    importers,
    job_stream,
    keys,
    lineage,
    locks,
    many,
    members,
    organizations,
    parts,
    places,
    points,
    projects,
    requests,
    result_sets,
    result_sets_compared,
    rows,
    runs,
    series,
    sessions,
    storages,
    uploads,
    watches,
    webhooks,
    works,
    works_looked_at,
)
from entrepot.server.api.project_file import routes as project_file
from entrepot.server.problems import problem


def include(app: FastAPI) -> None:
    """Add the native API to the application."""
    # These first: `/works/board` is no work, `/rows/plot` no row.
    app.router.routes.extend(works_looked_at.router.routes)
    for module in (points, envelopes, works, uploads, files, storages, webhooks, events, job_stream, rows, gates,
                   attachments, account, calls):  # fmt: skip
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
        sessions,
        audit,
        organizations,
        webhooks,
        files,
        storages,
        requests,
        locks,
        parts,
        places,
        result_sets,
        result_sets_compared,
        many,
    ):
        app.router.routes.extend(module.router.routes)
