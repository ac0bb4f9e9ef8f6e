"""Storage configs: the server's own storage, and folders and buckets of users."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.files.models import FileDefaults, StorageConfig
from entrepot.files.storage import LocalStorage, Storage, open_storage, parse_url
from entrepot.identity import ApiKey, Principal, Right, Vault
from entrepot.settings import Settings

STATES = ("new", "valid", "invalid", "deactivated")
#: How long signed URLs of the server's own storage work, in seconds.
OWN_EXPIRY = 7 * 86_400.0
_LONGEST_EXPIRY = 366 * 86_400.0


def own_storage(session: Session, settings: Settings, organization_id: str) -> StorageConfig:
    """Return the organization's part of the server's own storage, made when it is missing."""
    advisory_lock(session, "own storage", organization_id)
    if found := _own(session, organization_id):
        return found
    root = settings.files_dir.absolute() / organization_id
    config = StorageConfig(
        organization_id=organization_id,
        type="local",
        url=f"local://{root}",
        own=True,
        signed_urls_enabled=True,
        signed_urls_expiry=OWN_EXPIRY,
        state="valid",
    )
    session.add(config)
    session.flush()
    return config


def open_config(settings: Settings, vault: Vault, config: StorageConfig) -> Storage:
    """Return the storage of a config."""
    if config.own:
        # Wherever the data folder is now: backups are restored elsewhere.
        return LocalStorage(settings.files_dir.absolute() / config.organization_id)
    secret = config.credentials_encrypted
    credentials = None if secret is None else orjson.loads(vault.decrypt(secret))
    return open_storage(settings, config.url, credentials, own=False)


def create_config(
    session: Session,
    principal: Principal,
    settings: Settings,
    vault: Vault,
    *,
    url: str,
    credentials: Mapping[str, Any] | None = None,
    signed_urls_enabled: bool = False,
    signed_urls_expiry: float | None = None,
) -> StorageConfig:
    """Create a storage config; its place is not asked until it is tested or used."""
    principal.require("admin")
    open_storage(settings, url, credentials, own=False)
    type_, _, _ = parse_url(url)
    config = StorageConfig(
        organization_id=principal.organization_id,
        type=type_,
        url=url.rstrip("/"),
        credentials_encrypted=_encrypted(vault, credentials),
        signed_urls_enabled=signed_urls_enabled,
        signed_urls_expiry=check_expiry(signed_urls_expiry),
    )
    session.add(config)
    session.flush()
    return config


def update_config(
    session: Session,
    principal: Principal,
    settings: Settings,
    vault: Vault,
    config: StorageConfig,
    changes: Mapping[str, Any],
) -> StorageConfig:
    """Change a storage config; one whose place or credentials change must be tested anew.

    Parameters
    ----------
    changes
        Any of ``url``, ``credentials``, ``signed_urls_enabled``, ``signed_urls_expiry`` and ``state`` (only
        ``deactivated``, or ``new`` to undo that).
    """
    principal.require("admin", config.organization_id, "Storage config")
    if config.own and set(changes) - {"signed_urls_enabled", "signed_urls_expiry"}:
        raise Conflict("The server's own storage is the operator's.")
    if "url" in changes or "credentials" in changes:
        secret = config.credentials_encrypted
        credentials = changes.get("credentials", None if secret is None else orjson.loads(vault.decrypt(secret)))
        url = changes.get("url", config.url).rstrip("/")
        if url != config.url and "credentials" not in changes and secret is not None:
            raise InvalidInput.field("credentials", "Give them again with another url.")
        open_storage(settings, url, credentials, own=False)
        config.type, config.url, config.state, config.tested = parse_url(url)[0], url, "new", None
        config.credentials_encrypted = _encrypted(vault, credentials)
    if "signed_urls_enabled" in changes:
        config.signed_urls_enabled = changes["signed_urls_enabled"]
    if "signed_urls_expiry" in changes:
        config.signed_urls_expiry = check_expiry(changes["signed_urls_expiry"])
    if "state" in changes:
        if changes["state"] not in ("deactivated", "new"):
            raise InvalidInput.field("state", "Only deactivated, or new to undo that.")
        config.state = changes["state"]
    session.flush()
    return config


def deactivate_config(session: Session, principal: Principal, config: StorageConfig) -> StorageConfig:
    """Take a storage config out of use; what is stored there stays, and can be fetched."""
    return update_state(session, principal, config, "deactivated")


def update_state(session: Session, principal: Principal, config: StorageConfig, state: str) -> StorageConfig:
    """Change the state of a config of users."""
    principal.require("admin", config.organization_id, "Storage config")
    if config.own:
        raise Conflict("The server's own storage is the operator's.")
    config.state = state
    session.flush()
    return config


def get_config(session: Session, principal: Principal, config_id: str, right: Right = "read") -> StorageConfig:
    """Return a storage config of the caller's organizations."""
    config = session.scalar(select(StorageConfig).where(StorageConfig.id == config_id))
    if config is None:
        raise NotFound("Storage config not found.")
    principal.require(right, config.organization_id, "Storage config")
    return config


def choose_config(
    session: Session, principal: Principal, organization_id: str, config_id: str | None
) -> StorageConfig | None:
    """Return where a file is to be stored: as named, else as the caller's key says, else as the organization says.

    Otherwise it is the server's own storage; None as long as that has to be made (:func:`own_storage`).

    Raises
    ------
    InvalidInput
        It is deactivated, or no such config of the organization.
    """
    if config_id is None and principal.key_id is not None:
        key = session.get(ApiKey, principal.key_id)
        config_id = key.config.get("storage_config") if key else None
    if config_id is None:
        config_id = default_of(session, organization_id)
    if config_id is None:
        return _own(session, organization_id)
    query = select(StorageConfig).where(StorageConfig.id == config_id, StorageConfig.organization_id == organization_id)
    config = session.scalar(query)
    if config is None:
        raise InvalidInput.field("storage_config", "There is no such storage config.")
    if config.state in ("deactivated", "invalid"):
        raise InvalidInput.field("storage_config", f"It is {config.state}.")
    return config


def _own(session: Session, organization_id: str) -> StorageConfig | None:
    query = select(StorageConfig).where(StorageConfig.organization_id == organization_id, StorageConfig.own)
    return session.scalar(query)


def defaults_of(session: Session, organization_id: str) -> FileDefaults:
    """Return what an organization uses where nothing else is said; to change it, change the record."""
    found = session.get(FileDefaults, organization_id)
    if found is None:
        found = FileDefaults(organization_id=organization_id, storage_config_id=None)
        session.add(found)
    return found


def default_of(session: Session, organization_id: str) -> str | None:
    """Return the id of the storage config that an organization prefers; None is the server's own storage."""
    defaults = session.get(FileDefaults, organization_id)
    return defaults.storage_config_id if defaults else None


def set_default(session: Session, principal: Principal, config_id: str | None) -> None:
    """Have the caller's organization prefer a storage config; None: the server's own storage."""
    principal.require("admin")
    defaults_of(session, principal.organization_id).storage_config_id = config_id
    session.flush()


def check_expiry(seconds: float | None) -> float | None:
    """Return how long signed URLs shall work, checked."""
    if seconds is not None and not 1 <= seconds <= _LONGEST_EXPIRY:
        raise InvalidInput.field("signed_urls_expiry", "From 1 second to 366 days.")
    return seconds


def _encrypted(vault: Vault, credentials: Mapping[str, Any] | None) -> str | None:
    return None if credentials is None else vault.encrypt(orjson.dumps(dict(credentials)).decode())
