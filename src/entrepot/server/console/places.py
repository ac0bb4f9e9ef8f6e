"""Where things are shown."""

from entrepot.server.api.nouns import Maker
from entrepot.server.console.listing import Link

#: Of what runs by itself; a feeder's page is told by its gate, and its runs by its id.
PAGES_OF = {"importer": "/console/importers", "cleaner": "/console/cleaners", "analysis": "/console/analyses"}

#: Runs, and what begins them by itself.
RUNS = (Link("Runs", "/console/runs"), Link("Schedules", "/console/runs/schedules"))


def page_of(maker: Maker) -> str:
    """Return where an importer, a cleaner or an analysis is shown; of a feeder, its runs."""
    place = PAGES_OF.get(maker.kind)
    return f"{place}/{maker.id}" if place else f"/console/runs?of={maker.id}"
