"""Whether secret key and folders are those of the database: found out before anything starts."""

import secrets
from pathlib import Path

from entrepot.db import Database, installation, journal, migrate, real
from entrepot.errors import Conflict, NotFound
from entrepot.identity import BadKey, Vault
from entrepot.objects.own import own_bucket
from entrepot.server import sealed
from entrepot.server.services import Services
from entrepot.settings import Settings

#: In each folder that servers of one database share; what stands in it is in the database, too.
STORE = ".store"


def require_usable(settings: Settings) -> None:
    """Raise unless the data folder was initialised, is that of its database, and that one is up to date."""
    services = Services.open(settings)
    try:
        open_vault(services)
        real.require_real(services.database)
        if services.database.replica is not None:
            services.database.replica.require_of(services.database)
        migrate.require_current(services.database, settings.data_dir)
        if journal.is_target(services.database):
            raise Conflict("A move into this database has not ended: give entrepot move again where it came from.")
        recognise(services, asks_bucket=False)
    finally:
        services.close()


def recognise(services: Services, *, asks_bucket: bool = True) -> None:
    """Raise unless this is the key, and these are the folders, of the database; one that knows none takes these.

    Parameters
    ----------
    asks_bucket
        Whether the server's bucket is asked for its mark, which a process that forks others must not do.

    Raises
    ------
    NotFound
        The data folder was never initialised.
    BadKey
        The key is missing, damaged, or another one.
    Conflict
        The folders are not those in which the database's files are.
    """
    vault = open_vault(services)
    with services.database.read() as session:
        known = installation.find(session)
        complete = known is not None and known.key_check is not None and known.store is not None
        if known is not None and known.key_check is not None:
            _require_key(services.settings, known.key_check, vault)
        asked = asks_bucket or services.settings.storage_url is None
        if asked and known is not None and known.store is not None:
            _require_store(services.settings, known.store)
    if complete:
        return
    with services.database.write() as session:
        row = installation.find_or_make(session)
        if row.key_check is None:
            if not sealed.is_readable(session, vault):
                raise _other_key(services.settings)
            row.key_check = vault.checks()[0]
        if row.store is None and asked:
            row.store = _mark(services.settings, _found(services.settings))


def open_vault(services: Services) -> Vault:
    """Return the vault of a data folder, or say how to get the key back."""
    settings = services.settings
    is_there = settings.secret_key is not None or settings.secret_key_file.exists()
    if not is_there and not is_filled(services.database):
        raise NotFound(f"{settings.data_dir} is no data folder: make it with entrepot init --data-dir DATA_DIR ...")
    try:
        return services.vault
    except BadKey as error:
        raise BadKey(f"{error.message} {_way_out(settings)}") from None


def is_filled(database: Database) -> bool:
    """Tell whether a database has tables already; one of SQLite is not made by being asked."""
    if database.dialect == "sqlite" and not Path(database.engine.url.database or "").exists():
        return False
    return migrate.current(database) is not None


def adopt(services: Services) -> None:
    """Take these folders for those in which the database's files are, whatever was there before."""
    with services.database.write() as session:
        row = installation.find_or_make(session)
        row.store = _mark(services.settings, None)


def replace_broken_key(settings: Settings) -> None:
    """Have a key where there is none: a file that holds none is kept beside it; what a setting holds is taken."""
    if settings.secret_key is not None:
        return
    file = settings.secret_key_file
    try:
        Vault.open(file)
    except BadKey:
        if file.exists():
            file.rename(file.with_name(f"{file.name}.damaged"))
        Vault.create(file)


def _require_key(settings: Settings, check: str, vault: Vault) -> None:
    if check not in vault.checks():
        raise _other_key(settings)


def _other_key(settings: Settings) -> BadKey:
    return BadKey(
        f"{_where(settings)} is not the key of this database: it was exchanged, or folder and database "
        f"(database_url) are of two servers. {_way_out(settings)}"
    )


def _where(settings: Settings) -> str:
    return str(settings.secret_key_file) if settings.secret_key is None else "The setting secret_key"


def _way_out(settings: Settings) -> str:
    where = "it is secret.key in every backup" if settings.keeps_key else "backups do not hold it"
    return (
        f"Put the right one back: {where}. If it is lost for good, give up the passwords and "
        f"credentials that it encrypted: entrepot secret-key rotate --lost --data-dir {settings.data_dir}"
    )


def _require_store(settings: Settings, store: str) -> None:
    if settings.storage_url is not None:
        if _in_bucket(settings) != store:
            raise Conflict(
                f"{settings.storage_url} is not where the files of this database are (storage_url): name that bucket, "
                f"or, if these are its files, say so: entrepot db adopt --data-dir {settings.data_dir}"
            )
        return
    for folder in folders(settings):
        if _read(folder) != store:
            raise Conflict(
                f"{folder} is not the folder in which the files of this database are: mount or move that one here, or, "
                f"if these are its files, say so: entrepot db adopt --data-dir {settings.data_dir}"
            )


def _found(settings: Settings) -> str | None:
    if settings.storage_url is not None:
        return _in_bucket(settings)
    found = {mark for folder in folders(settings) if (mark := _read(folder)) is not None}
    if len(found) > 1:
        raise Conflict(
            f"The folders in {settings.data_dir} are of several servers: put the right ones there, or, if these are "
            f"the database's files, say so: entrepot db adopt --data-dir {settings.data_dir}"
        )
    return found.pop() if found else None


def _mark(settings: Settings, store: str | None) -> str:
    store = store or secrets.token_hex(16)
    if settings.storage_url is not None:
        _mark_bucket(settings, store)
        return store
    for folder in folders(settings):
        folder.mkdir(mode=0o700, exist_ok=True)
        new = folder / f"{STORE}.new"
        new.write_text(store)
        new.replace(folder / STORE)
    return store


def folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders of files, which the servers of one database share; none where a bucket has the files."""
    if settings.storage_url is not None:
        return ()
    return settings.gates_dir, settings.feeds_dir, settings.users_dir, settings.files_dir


def _read(folder: Path) -> str | None:
    try:
        return (folder / STORE).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _in_bucket(settings: Settings) -> str | None:
    bucket = own_bucket(settings)
    assert bucket is not None
    try:
        return b"".join(bucket.read(STORE)).decode()
    except NotFound:
        return None


def _mark_bucket(settings: Settings, store: str) -> None:
    bucket = own_bucket(settings)
    assert bucket is not None
    bucket.put(STORE, store.encode())
