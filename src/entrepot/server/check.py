"""Checks that everything stored is what it should be."""

import os
import shutil
from collections.abc import Callable

from sqlalchemy import text

from entrepot import scripts
from entrepot.series import integrity
from entrepot.server import sealed
from entrepot.server.private import open_to_others
from entrepot.server.services import Services

_LEAST_FREE_BYTES = 1 << 30


def run(services: Services) -> dict[str, list[str]]:
    """Return the problems that each check found, a sentence each; this reads everything that is stored."""
    return {name: check(services) for name, check in CHECKS.items()}


def _database(services: Services) -> list[str]:
    with services.database.read() as session:
        if services.database.dialect == "sqlite":
            damage = [row for (row,) in session.execute(text("PRAGMA integrity_check")) if row != "ok"]
            lost = session.execute(text("PRAGMA foreign_key_check")).all()
            return damage + [f"row {row.rowid} of {row.table} refers to nothing in {row.parent}" for row in lost]
        broken = session.scalars(text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"))
        return [f"index {name} is not valid" for name in broken]


def _secrets(services: Services) -> list[str]:
    problems = []
    if services.settings.secret_key_file.stat().st_mode & 0o077:
        problems.append(f"{services.settings.secret_key_file} can be read by other users of this machine")
    with services.database.read() as session:
        return problems + list(sealed.unreadable(session, services.vault))


def _folders(services: Services) -> list[str]:
    settings = services.settings
    folders = (settings.data_dir, settings.gates_dir, settings.users_dir, settings.files_dir)
    problems = [
        f"{folder} cannot be written"
        for folder in folders
        if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    ]
    problems += [f"{path} is open to other users of this machine" for path in open_to_others(settings.data_dir)]
    if (free := shutil.disk_usage(settings.data_dir).free) < _LEAST_FREE_BYTES:
        problems.append(f"only {free // 2**20} MiB are free in {settings.data_dir}")
    return problems


def _series(services: Services) -> list[str]:
    with services.database.read() as session:
        return integrity.check(session)


def _scripts(services: Services) -> list[str]:
    if services.settings.sandbox == "off":
        return []
    return [f"users' scripts lack {missing}" for missing in scripts.level().missing]


def notes(services: Services) -> dict[str, str]:
    """Return what is to be known of a check beside its problems."""
    found = scripts.level(wanted=services.settings.sandbox != "off")
    return {"scripts": f"{found.name}: run as {found.user}"}


CHECKS: dict[str, Callable[[Services], list[str]]] = {
    "database": _database,
    "secrets": _secrets,
    "folders": _folders,
    "series": _series,
    "scripts": _scripts,
}
