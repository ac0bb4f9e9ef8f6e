"""All routes of the console."""

from starlette.routing import BaseRoute

from entrepot.server.console import errors, events, files, home, jobs, login, reference, rows, series, works

_MODULES = (login, home, series, rows, works, files, jobs, events, reference)


def routes() -> list[BaseRoute]:
    """Return the routes of all pages."""
    return [route for module in _MODULES for page in module.PAGES for route in page.routes(errors.render)]
