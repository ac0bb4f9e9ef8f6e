"""Files as they are handed out: what that takes of a file and of its place, looked up by one statement."""

from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Table, bindparam, select

from entrepot.db.driver import fetch
from entrepot.db.types import read_instant
from entrepot.files.models import PublishedFile, Storage


class HandedFile(NamedTuple):
    """What is needed of a file to hand it out."""

    id: str
    organization_id: str
    project_id: str | None
    name: str
    path: str
    type: str | None
    size: int
    sha256: str
    leaves: bytes | None
    status: str
    created_at: datetime


class HandedStorage(NamedTuple):
    """What is needed of a storage to have its files."""

    id: str
    organization_id: str
    type: str
    url: str
    own: bool
    signed: bool
    status: str
    credentials_encrypted: str | None


AnyFile = PublishedFile | HandedFile
AnyStorage = Storage | HandedStorage

_file, _storage = (cast("Table", model.__table__).c for model in (PublishedFile, Storage))
_CREATED = HandedFile._fields.index("created_at")
_BY_ID = (
    select(*(_file[name] for name in HandedFile._fields), *(_storage[name] for name in HandedStorage._fields))
    .join_from(PublishedFile.__table__, Storage.__table__, _storage.id == _file.storage_id)
    .where(_file.id == bindparam("id"))
)


def find(connection: Connection, file_id: str) -> tuple[HandedFile, HandedStorage] | None:
    """Return a file and where it is, whoever asks; None when there is none."""
    for row in fetch(connection, _BY_ID, {"id": file_id}):
        kept: list[Any] = list(row)
        kept[_CREATED] = read_instant(kept[_CREATED])
        count = len(HandedFile._fields)
        return HandedFile(*kept[:count]), HandedStorage(*kept[count:])
    return None
