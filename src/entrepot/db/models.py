"""Every table of the product, known to :class:`entrepot.db.Base` once :func:`import_all` was called."""

import importlib
import importlib.util

# By name, and imported only when asked for: the database layer lies below the packages that own the tables.
PACKAGES = ("identity", "jobs", "events", "lineage", "series", "pipeline", "rows", "works", "requests", "files")


def import_all() -> None:
    """Import the module ``models`` of every package that has one, and the database's own table."""
    importlib.import_module("entrepot.db.installation")
    for package in PACKAGES:
        name = f"entrepot.{package}.models"
        if importlib.util.find_spec(name):
            importlib.import_module(name)
