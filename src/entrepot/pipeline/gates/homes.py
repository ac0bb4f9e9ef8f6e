"""Which home is kept where: in the server's bucket where it has one, else in the data folder."""

from sqlalchemy.orm import Session

from entrepot.db import Database
from entrepot.objects.own import own_bucket
from entrepot.pipeline.gates.folder_home import FolderHome
from entrepot.pipeline.gates.folder_home import sweep_parts as sweep_folders
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.gates.stored_home import StoredHome, sweep_parts
from entrepot.settings import Settings


def open_home(settings: Settings, at: Database | Session, name: str) -> Home:
    """Return a home by its name.

    Parameters
    ----------
    at
        The database, of which each call has a unit of work of its own, or one that is open.
    """
    if (bucket := own_bucket(settings)) is not None:
        return StoredHome(at, bucket, name, settings.data_dir)
    return FolderHome(settings.data_dir / name)


def sweep(settings: Settings, database: Database, seconds: float) -> int:
    """Remove the parts that nobody has gone on with for so long, and return how many these were."""
    if settings.storage_url is not None:
        with database.write() as session:
            return sweep_parts(session, seconds)
    return sweep_folders(settings.gates_dir, seconds)
