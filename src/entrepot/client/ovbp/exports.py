"""Exports: archives of CSV files, made by the server, that users fetch from their FTP folder."""

import contextlib
import logging
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from entrepot.bounds.zipped import require_modest_zip
from entrepot.client.ovbp.ftp import FtpAccount

logger = logging.getLogger(__name__)

FOLDER: Final = "series_exports"


def download_latest(account: FtpAccount, folder: Path) -> Path:
    """Fetch the latest export of a user and unpack it.

    Parameters
    ----------
    account
        The user's own FTP account.
    folder
        Where to.

    Returns
    -------
    Path
        The new folder, named after the archive, with the CSV files.
    """
    archives = [entry for entry in account.list_dir(path=FOLDER) if entry.type == "file"]
    if not archives:
        raise RuntimeError(f"The export is said to be done, but the FTP folder {FOLDER!r} has no file.")
    # Names begin with the time at which the export was made.
    latest = max(archives, key=lambda entry: str(entry.name))
    archive = folder / Path(latest.name).name
    logger.info("Fetching the export %s.", latest.name)
    with account.get_ftputil_client() as ftp:
        ftp.download(latest.path, str(archive))
    unpacked = archive.with_suffix("")
    require_modest_zip(archive, shutil.disk_usage(folder).free)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(unpacked)
    archive.unlink()
    return unpacked


def read(folder: Path, out_mode: str, sep: str, decimal: str) -> "list[pd.Series[float]] | pd.DataFrame":
    """Read the files of an unpacked export.

    Parameters
    ----------
    folder
        Where they are.
    out_mode, sep, decimal
        As they were asked for.

    Returns
    -------
    list of pandas.Series or pandas.DataFrame
        A series for each file, named after it, in alphabetical order; or the frame of the only file, in mode
        ``dataframe``.
    """
    # Letters sort before brackets, as on file systems that do not tell upper from lower case.
    files = sorted(folder.iterdir(), key=lambda file: file.name.upper())
    if not files:
        raise RuntimeError("The export is empty.")
    for file in files:
        if file.suffix != ".csv":
            raise RuntimeError(f"The export holds something else than CSV files: {file.name}")
    if out_mode != "dataframe":
        return [_frame(file, sep, decimal).iloc[:, 0].rename(file.stem) for file in files]
    if len(files) > 1:
        raise RuntimeError(f"The export holds {len(files)} files, where one frame was asked for.")
    return _frame(files[0], sep, decimal)


def _frame(file: Path, sep: str, decimal: str) -> pd.DataFrame:
    frame = pd.read_csv(file, sep=sep, decimal=decimal, index_col=0).astype("float64")
    frame.index = pd.DatetimeIndex(pd.to_datetime(frame.index, format="ISO8601")).as_unit("ns")
    frame.index.name = None
    return frame


@contextlib.contextmanager
def folder_for(path: str | Path | None) -> Iterator[Path]:
    """Give the folder of this path; without one, a folder that is gone afterwards."""
    if path is not None:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)
