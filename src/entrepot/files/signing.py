"""Signed URLs: whoever has one may fetch the file, until it expires; no token is needed."""

import time
from datetime import datetime, timedelta

from entrepot.db import now
from entrepot.errors import Conflict, Forbidden, Gone, InvalidInput
from entrepot.files.handed import AnyFile, AnyStorage
from entrepot.files.models import PublishedFile, Storage
from entrepot.files.storages import OWN_EXPIRY, check_expiry, open_storage
from entrepot.identity import Vault
from entrepot.settings import Settings

_PURPOSE = "file url"
#: A store cannot end its URLs early.
_ONWARD_SECONDS = 60.0


def signed_url(vault: Vault, file: PublishedFile, storage: Storage, base_url: str) -> tuple[str, datetime] | None:
    """Return the file's signed URL and the instant at which it ends; None when it has none, or no more.

    It is always one of this server, which can end it; from there it leads to the store's own, see :func:`onward`.

    Parameters
    ----------
    base_url
        Where users reach this server.
    """
    until = file.signed_until
    if until is None or until <= now() or _why_not(file, storage) is not None:
        return None
    expires = int(until.timestamp())
    signature = vault.sign(_PURPOSE, _message(file.id, expires))
    return f"{base_url.rstrip('/')}/api/v1/files/{file.id}/content?expires={expires}&signature={signature}", until


def renew(file: PublishedFile, storage: Storage, seconds: float | None = None) -> None:
    """Let the file's signed URL work from now on for so long, by default for what its storage says."""
    if reason := _why_not(file, storage):
        raise Conflict(reason)
    expiry = check_expiry(seconds) or storage.signed_for or OWN_EXPIRY
    file.signed_until = end_of(expiry)


def require_standing(file: AnyFile, storage: AnyStorage | None) -> None:
    """Raise Gone when a signed URL of a file, however long it was meant to work, has ended with the file or its place.

    Raises
    ------
    Gone
        The file was consumed or expired, its storage was taken out of use, or has signed URLs no more.
    """
    if reason := _why_not(file, storage):
        raise Gone(reason)


def onward(settings: Settings, vault: Vault, file: AnyFile, storage: AnyStorage) -> str | None:
    """Return a URL of the store's own at which the file can be had now; None where this server has the bytes."""
    if storage.type == "local" or storage.own:
        return None
    return open_storage(settings, vault, storage).sign(file.path, _ONWARD_SECONDS)


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


def _why_not(file: AnyFile, storage: AnyStorage | None) -> str | None:
    """Return why a file has no signed URL."""
    if file.status != "available":
        return (
            f"The file was {file.status}." if file.status == "consumed" else "The file expired; its bytes were deleted."
        )
    if storage is None or storage.status == "deactivated":
        return "The file's storage was taken out of use."
    if not storage.signed:
        return "Signed URLs are not enabled in the file's storage."
    return None


def _message(file_id: str, expires: int) -> str:
    return f"{file_id} {expires}"
