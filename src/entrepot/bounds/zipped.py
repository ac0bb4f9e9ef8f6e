"""Bounds of zip archives, which Excel's workbooks are: how much is in them, read before anything is unpacked."""

import zipfile
from pathlib import Path

#: Bytes, of all members together.
MOST_UNPACKED = 1 << 30
MOST_MEMBERS = 100_000


def require_modest_zip(path: str | Path, most: int | None = None) -> None:
    """Refuse an archive that would unpack to more than it may.

    A member that says less than it has is cut by whoever unpacks it, at what it says.

    Parameters
    ----------
    most
        Bytes of all members together; by default :data:`MOST_UNPACKED`.

    Raises
    ------
    ValueError
        It would, or is no archive.
    """
    most = MOST_UNPACKED if most is None else most
    name = Path(path).name
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{name}: {error}") from None
    if len(members) > MOST_MEMBERS:
        raise ValueError(f"{name} has more than {MOST_MEMBERS} members")
    if sum(member.file_size for member in members) > most:
        raise ValueError(f"{name}: unpacked, it would take more than {most} bytes")
    # Members that lie over one another are the same bytes many times.
    if sum(member.compress_size for member in members) > Path(path).stat().st_size:
        raise ValueError(f"{name}: its members lie over one another")
