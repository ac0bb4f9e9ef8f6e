"""Checks that everything stored is what it should be."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy import select, text

from entrepot import scripts
from entrepot.files import damage as files_damage
from entrepot.files.models import PublishedFile, Storage
from entrepot.files.storages import open_storage
from entrepot.pipeline.runs.remake import remake
from entrepot.series import integrity
from entrepot.series import repair as series_repair
from entrepot.series.models import Series
from entrepot.server import sealed
from entrepot.server.private import open_to_others
from entrepot.server.run import objects
from entrepot.server.run.serve import alone
from entrepot.server.run.upgrade import require_unused
from entrepot.server.services import Services

_LEAST_FREE_BYTES = 1 << 30
_FILES_AT_ONCE = 500
_SAMPLE, _SAMPLE_BYTES = 50, 16 * 2**20  #: of so many files one is read, unless it is large


def run(services: Services, *, files: bool = False) -> dict[str, list[str]]:
    """Return the problems that each check found, a sentence each; this reads everything that is stored.

    Parameters
    ----------
    files
        Read all published files to the last byte; False: look at the size of each, and read a few.
    """
    found = {name: check(services) for name, check in CHECKS.items()}
    return found | {"files": [sentence for *_, sentence in _damaged_files(services, whole=files)]}


def repair(services: Services) -> list[str]:
    """Drop points that cannot be read, have those made again that can be; set damaged files of the own storage aside.

    Returns
    -------
    list[str]
        What was done.

    Raises
    ------
    Conflict
        A server, or a worker, runs.
    """
    with alone(services.settings.data_dir):
        require_unused(services.database)
        with services.database.read() as session:
            damaged = list(integrity.find(session))
        done = []
        for number in damaged:
            with services.database.write() as session:
                dropped = series_repair.repair(session, number, partial(remake, services.settings))
                name = session.scalars(select(Series.name).where(Series.number == number)).one()
                done += [f"series {name}: dropped what was stored {each}" for each in dropped]
                done += [] if dropped else [f"series {name}: counted anew"]
        if count := objects.let_go(services):
            done.append(f"{count} objects that were nobody's are removed a day from now")
        for file, storage, reason, _ in list(_damaged_files(services, whole=True)):
            if storage.own and not reason.startswith("cannot be read now"):
                told = files_damage.set_aside(services.database, services.settings, file, storage, reason)
                done += [] if told is None else [f"file {file.name} ({file.id}): {told}"]
    return done


def _damaged_files(services: Services, *, whole: bool) -> Iterator[tuple[PublishedFile, Storage, str, str]]:
    """Yield files whose bytes are not right, with their storage, the reason and a sentence."""
    after = 0
    while True:
        with services.database.read() as session:
            query = (
                select(PublishedFile, Storage)
                .join(Storage, Storage.id == PublishedFile.storage_id)
                .where(PublishedFile.status != "expired", PublishedFile.number > after)
                .order_by(PublishedFile.number)
                .limit(_FILES_AT_ONCE)
            )
            rows = session.execute(query if whole else query.where(Storage.own)).all()
        for index, (file, storage) in enumerate(rows):
            read = whole or (index % _SAMPLE == 0 and file.size < _SAMPLE_BYTES)
            store = open_storage(services.settings, services.vault, storage)
            if reason := files_damage.problem(store, file, whole=read):
                remedy = f"restore {storage.url}/{file.path}, or publish it again"
                yield file, storage, reason, f"file {file.name} ({file.id}) {reason}: {remedy}"
        if len(rows) < _FILES_AT_ONCE:
            return
        after = rows[-1][0].number


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
    settings = services.settings
    if settings.secret_key is None and settings.secret_key_file.stat().st_mode & 0o007:
        problems.append(f"{settings.secret_key_file} can be read by other users of this machine")
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
    found = services.script_level()
    return {"scripts": f"{found.name}: run as {found.user}"}


CHECKS: dict[str, Callable[[Services], list[str]]] = {
    "database": _database,
    "secrets": _secrets,
    "folders": _folders,
    "objects": objects.check,
    "series": _series,
    "scripts": _scripts,
}
