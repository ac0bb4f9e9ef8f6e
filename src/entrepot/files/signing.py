"""Signed URLs: whoever has one may fetch the file, until it expires; no token is needed."""

import time
from datetime import datetime, timedelta

from entrepot.db import now
from entrepot.errors import Conflict, Forbidden, InvalidInput
from entrepot.files.configs import OWN_EXPIRY, check_expiry, open_config
from entrepot.files.models import PublishedFile, StorageConfig
from entrepot.identity import Vault
from entrepot.settings import Settings

_PURPOSE = "file url"


def signed_url(
    settings: Settings, vault: Vault, file: PublishedFile, config: StorageConfig, base_url: str
) -> tuple[str, datetime] | None:
    """Return the file's signed URL and the instant at which it ends; None when it has none, or no more.

    Parameters
    ----------
    base_url
        Where users reach this server, for URLs of its own.
    """
    until = file.signed_until
    if file.state == "expired" or not config.signed_urls_enabled or until is None:
        return None
    seconds = (until - now()).total_seconds()
    if seconds <= 0:
        return None
    if config.type != "local" and (url := open_config(settings, vault, config).sign(file.path, seconds)):
        return url, until
    expires = int(until.timestamp())
    signature = vault.sign(_PURPOSE, _message(file.id, expires))
    return f"{base_url.rstrip('/')}/api/v1/files/{file.id}/content?expires={expires}&signature={signature}", until


def renew(file: PublishedFile, config: StorageConfig, seconds: float | None = None) -> None:
    """Let the file's signed URL work from now on for so long, by default for what its storage config says."""
    if file.state == "expired":
        raise Conflict("The file expired.")
    if not config.signed_urls_enabled:
        raise Conflict("Signed URLs are not enabled in the file's storage config.")
    expiry = check_expiry(seconds) or config.signed_urls_expiry or OWN_EXPIRY
    file.signed_until = end_of(expiry)


def end_of(seconds: float) -> datetime:
    """Return the instant at which a URL ends that works for so long from now on: a whole second, as the URL says it."""
    return (now() + timedelta(seconds=seconds + 1)).replace(microsecond=0)


def check(vault: Vault, file_id: str, expires: str, signature: str) -> None:
    """Raise unless a URL with these parameters is one of ours, for this file, and has not expired.

    Raises
    ------
    Forbidden
        It was not made here, or its time is over.
    """
    if not expires.isascii() or not expires.isdigit() or len(expires) > 12:
        raise InvalidInput.field("expires", "This is no instant.")
    if not vault.verify(_PURPOSE, _message(file_id, int(expires)), signature):
        raise Forbidden("The signature is not right.")
    if int(expires) <= time.time():
        raise Forbidden("This URL has expired.")


def _message(file_id: str, expires: int) -> str:
    return f"{file_id} {expires}"
