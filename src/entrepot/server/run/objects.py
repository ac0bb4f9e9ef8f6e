"""Whether the server's own bucket holds what the database speaks of, and nothing besides."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import select

from entrepot.db import Session, now
from entrepot.files.models import PublishedFile, Storage
from entrepot.files.storages import FILES
from entrepot.objects.loose import PATIENCE
from entrepot.objects.models import LooseObject
from entrepot.objects.own import own_bucket
from entrepot.pipeline.gates.models import StoredFile
from entrepot.server.services import Services

_FOLDERS = ("gates", "users", FILES)


def check(services: Services) -> list[str]:
    """Return what is wrong, in sentences; published files that are missing are told elsewhere."""
    if own_bucket(services.settings) is None:
        return []
    # Before the bucket is listed: what is written meanwhile is not missed, and what is replaced stays for a day.
    with services.database.read() as session:
        query = select(StoredFile.home, StoredFile.path, StoredFile.key).where(StoredFile.key.is_not(None))
        files = session.execute(query).all()
    kept = dict(_kept(services))
    problems = [
        f"{one.home}/{one.path}: its object {one.key} is not in the bucket" for one in files if one.key not in kept
    ]
    if strays := _strays(services, kept):
        problems.append(
            f"{len(strays)} objects are nobody's, such as {strays[0]}: entrepot check --repair lets them go"
        )
    return problems


def let_go(services: Services) -> int:
    """Have what is nobody's removed a day from now, and return how much that is."""
    found = _strays(services, dict(_kept(services)))
    with services.database.write() as session:
        session.add_all(LooseObject(key=key, due_at=now() + PATIENCE) for key in found)
    return len(found)


def _strays(services: Services, kept: Mapping[str, datetime]) -> list[str]:
    """Return the keys of objects that no record refers to, and that are too old to be on their way."""
    old = now() - PATIENCE
    aged = [path for path, modified in kept.items() if modified < old]
    if not aged:
        return []
    with services.database.read() as session:
        known = _known(session)
    return [path for path in aged if path not in known]


def _known(session: Session) -> set[str]:
    known = {key for key in session.scalars(select(StoredFile.key)) if key is not None}
    known |= set(session.scalars(select(LooseObject.key)))
    own = select(PublishedFile.organization_id, PublishedFile.path).join(
        Storage, Storage.id == PublishedFile.storage_id
    )
    for organization_id, path in session.execute(own.where(Storage.own, PublishedFile.status != "expired")):
        known.add(f"{FILES}/{organization_id}/{path}")
    return known


def _kept(services: Services) -> Iterator[tuple[str, datetime]]:
    bucket = own_bucket(services.settings)
    if bucket is None:
        return
    for folder in _FOLDERS:
        for one in bucket.list(folder):
            yield one.path, one.modified
