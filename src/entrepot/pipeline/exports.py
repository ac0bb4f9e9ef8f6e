"""Exports: series written into an archive in the folder of the user who asked for it."""

from pathlib import Path

EXPORTS = "series_exports"


def make_home(home: Path) -> Path:
    """Make the folder of an account; a user's has a place for exports."""
    (home / EXPORTS if home.parent.name == "users" else home).mkdir(parents=True, exist_ok=True)
    return home
