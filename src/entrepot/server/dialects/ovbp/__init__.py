"""The ovbp dialect."""

from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    """Return the routes of this door."""
    return []
