"""The door for clients of Openergy's platform (``ovbpclient``): see README.md beside this file."""

from starlette.routing import BaseRoute

from entrepot.server.dialects.ovbp import analyses, ftp, gates, generators, series, tasks, teams
from entrepot.server.dialects.ovbp.table import unknown

RESOURCES = (
    *teams.RESOURCES,
    *ftp.RESOURCES,
    *gates.RESOURCES,
    *generators.RESOURCES,
    *analyses.RESOURCES,
    *series.RESOURCES,
    *tasks.RESOURCES,
)


def routes() -> list[BaseRoute]:
    """Return the routes of this door."""
    return [*(route for resource in RESOURCES for route in resource.routes()), *unknown()]
