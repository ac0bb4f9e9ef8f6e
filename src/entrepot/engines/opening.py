"""The engine of the settings."""

from entrepot.db import Database
from entrepot.scripts.engine import Engine
from entrepot.settings import Settings


def open_engine(settings: Settings, database: Database) -> Engine | None:
    """Return where the calls of scripts are made; None: on this machine."""
    match settings.engine:
        case "remote":
            from entrepot.engines.remote import Remote

            return Remote(database, settings.job_lease_seconds)
        case "dask":
            from entrepot.engines.dask import Dask

            return Dask(settings)
    return None
