"""Storages: the server's own, and folders and buckets of users."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import String, Text, bindparam, cast, select
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock
from entrepot.db.driver import fetch
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.files.handed import AnyStorage
from entrepot.files.models import FileDefaults, Storage
from entrepot.files.stores import open_store, parse_url
from entrepot.identity import ApiKey, Principal, Right, Vault, audit
from entrepot.objects.own import own_bucket
from entrepot.objects.stores import FolderStore, Store
from entrepot.settings import Settings

STATUSES = ("new", "valid", "invalid", "deactivated")
#: How long signed URLs of the server's own storage work, in seconds.
OWN_EXPIRY = 7 * 86_400.0
#: What of the server's own bucket is published files, by organization.
FILES = "files"
_LONGEST_EXPIRY = 366 * 86_400.0
audit.watch(
    Storage,
    audit.Watched(
        "storage",
        told=("url", "signed", "signed_for", "status"),
        words={"credentials_encrypted": "new credentials"},
        named=lambda _, row: (row.id, row.url),
    ),
)


def own_storage(session: Session, settings: Settings, organization_id: str) -> Storage:
    """Return the organization's part of the server's own storage, made when it is missing."""
    advisory_lock(session, "own storage", organization_id)
    if found := _own(session, organization_id):
        return found
    place = settings.storage_url
    storage = Storage(
        organization_id=organization_id,
        type="local" if place is None else "s3",
        url=f"local://{settings.files_dir.absolute() / organization_id}"
        if place is None
        else f"{place.rstrip('/')}/{FILES}/{organization_id}",
        own=True,
        signed=True,
        signed_for=OWN_EXPIRY,
        status="valid",
    )
    session.add(storage)
    session.flush()
    return storage


def open_storage(settings: Settings, vault: Vault, storage: AnyStorage) -> Store:
    """Return what puts bytes into a storage, and gets them back."""
    if storage.own:
        # Wherever the data folder or the bucket is now: backups are restored elsewhere.
        if (bucket := own_bucket(settings)) is not None:
            return bucket.below(f"{FILES}/{storage.organization_id}")
        return FolderStore(settings.files_dir.absolute() / storage.organization_id)
    secret = storage.credentials_encrypted
    credentials = None if secret is None else orjson.loads(vault.decrypt(secret))
    return open_store(settings, storage.url, credentials, own=False)


def create_storage(
    session: Session,
    principal: Principal,
    settings: Settings,
    vault: Vault,
    *,
    url: str,
    credentials: Mapping[str, Any] | None = None,
    signed: bool = False,
    signed_for: float | None = None,
) -> Storage:
    """Create a storage; its place is not asked until it is tested or used."""
    principal.require("admin")
    open_store(settings, url, credentials, own=False)
    type_, _, _ = parse_url(url)
    storage = Storage(
        organization_id=principal.organization_id,
        type=type_,
        url=url.rstrip("/"),
        credentials_encrypted=_encrypted(vault, credentials),
        signed=signed,
        signed_for=check_expiry(signed_for),
    )
    session.add(storage)
    session.flush()
    return storage


def change_storage(
    session: Session,
    principal: Principal,
    settings: Settings,
    vault: Vault,
    storage: Storage,
    changes: Mapping[str, Any],
) -> Storage:
    """Change a storage; one whose place or credentials change must be tested anew.

    Parameters
    ----------
    changes
        Any of ``url``, ``credentials``, ``signed``, ``signed_for`` and ``status`` (only ``deactivated``, or ``new`` to
        undo that).
    """
    principal.require("admin", storage.organization_id, "Storage")
    if storage.own and set(changes) - {"signed", "signed_for"}:
        raise Conflict("The server's own storage is the operator's.")
    if "url" in changes or "credentials" in changes:
        secret = storage.credentials_encrypted
        credentials = changes.get("credentials", None if secret is None else orjson.loads(vault.decrypt(secret)))
        url = changes.get("url", storage.url).rstrip("/")
        if url != storage.url and "credentials" not in changes and secret is not None:
            raise InvalidInput.field("credentials", "Give them again with another url.")
        open_store(settings, url, credentials, own=False)
        storage.type, storage.url, storage.status, storage.tested = parse_url(url)[0], url, "new", None
        storage.credentials_encrypted = _encrypted(vault, credentials)
    if "signed" in changes:
        storage.signed = changes["signed"]
    if "signed_for" in changes:
        storage.signed_for = check_expiry(changes["signed_for"])
    if "status" in changes:
        if changes["status"] not in ("deactivated", "new"):
            raise InvalidInput.field("status", "Only deactivated, or new to undo that.")
        storage.status = changes["status"]
    session.flush()
    return storage


def deactivate_storage(session: Session, principal: Principal, storage: Storage) -> Storage:
    """Take a storage out of use; what is stored there stays, and can be fetched."""
    principal.require("admin", storage.organization_id, "Storage")
    if storage.own:
        raise Conflict("The server's own storage is the operator's.")
    storage.status = "deactivated"
    session.flush()
    return storage


def get_storage(session: Session, principal: Principal, storage_id: str, right: Right = "read") -> Storage:
    """Return a storage of the caller's organizations."""
    storage = session.scalar(select(Storage).where(Storage.id == storage_id))
    if storage is None:
        raise NotFound("Storage not found.")
    principal.require(right, storage.organization_id, "Storage")
    return storage


def choose_storage(
    session: Session, principal: Principal, organization_id: str, storage_id: str | None
) -> Storage | None:
    """Return where a file is to be stored: as named, else as the caller's key says, else as the organization says.

    Otherwise it is the server's own storage; None as long as that has to be made (:func:`own_storage`).

    Raises
    ------
    InvalidInput
        It is deactivated, or no such storage of the organization.
    """
    if storage_id is None:
        ((config, preferred),) = fetch(session, _PREFERRED, {"key": principal.key_id, "owner": organization_id})
        storage_id = (orjson.loads(config).get("storage") if config else None) or preferred
    if storage_id is None:
        return _own(session, organization_id)
    query = select(Storage).where(Storage.id == storage_id, Storage.organization_id == organization_id)
    storage = session.scalar(query)
    if storage is None:
        raise InvalidInput.field("storage", "There is no such storage.")
    if storage.status in ("deactivated", "invalid"):
        raise InvalidInput.field("storage", f"It is {storage.status}.")
    return storage


_PREFERRED = select(
    select(cast(ApiKey.config, Text)).where(ApiKey.id == bindparam("key", type_=String())).scalar_subquery(),
    select(FileDefaults.storage_id)
    .where(FileDefaults.organization_id == bindparam("owner", type_=String()))
    .scalar_subquery(),
)


def _own(session: Session, organization_id: str) -> Storage | None:
    query = select(Storage).where(Storage.organization_id == organization_id, Storage.own)
    return session.scalar(query)


def defaults_of(session: Session, organization_id: str) -> FileDefaults:
    """Return what an organization uses where nothing else is said; to change it, change the record."""
    found = session.get(FileDefaults, organization_id)
    if found is None:
        found = FileDefaults(organization_id=organization_id, storage_id=None)
        session.add(found)
    return found


def default_of(session: Session, organization_id: str) -> str | None:
    """Return the id of the storage that an organization prefers; None is the server's own storage."""
    defaults = session.get(FileDefaults, organization_id)
    return defaults.storage_id if defaults else None


def set_default(session: Session, principal: Principal, storage_id: str | None) -> None:
    """Have the caller's organization prefer a storage; None: the server's own storage."""
    principal.require("admin")
    defaults_of(session, principal.organization_id).storage_id = storage_id
    session.flush()


def check_expiry(seconds: float | None) -> float | None:
    """Return how long signed URLs shall work, checked."""
    if seconds is not None and not 1 <= seconds <= _LONGEST_EXPIRY:
        raise InvalidInput.field("signed_for", "From 1 second to 366 days.")
    return seconds


def _encrypted(vault: Vault, credentials: Mapping[str, Any] | None) -> str | None:
    return None if credentials is None else vault.encrypt(orjson.dumps(dict(credentials)).decode())
