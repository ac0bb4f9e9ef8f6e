"""Storages of users: folders and buckets that they name, opened as far as the operator allows."""

import hashlib
import json
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from entrepot import net
from entrepot.errors import InvalidInput, Unavailable
from entrepot.net import proxy
from entrepot.objects.folder import BLOCK
from entrepot.objects.stores import CLIENT, RETRIES, BucketStore, FolderStore, Store, first_line
from entrepot.settings import Settings

TYPES = ("local", "s3", "gs", "az")
_NAME = re.compile(r"[A-Za-z0-9-]{1,63}")


def parse_url(url: str) -> tuple[str, str, str]:
    """Return type, bucket and path of a storage's URL.

    Raises
    ------
    InvalidInput
        It is not ``s3://bucket/path``, ``gs://bucket/path``, ``az://container/path`` or ``local:///folder``.
    """
    try:
        split = urlsplit(url)
    except ValueError:
        raise InvalidInput.field("url", "This is not a URL.") from None
    type_, bucket, path = split.scheme, split.netloc, split.path.strip("/")
    names = path.split("/") if path else []
    if type_ not in TYPES or split.query or split.fragment or not url.isprintable() or any(c in url for c in "%?#"):
        raise InvalidInput.field(
            "url", "Write s3://bucket/path, gs://bucket/path, az://container/path or local:///folder."
        )
    if any(name in ("", ".", "..") or "\\" in name or not name.isprintable() for name in names) or len(url) > 500:
        raise InvalidInput.field("url", "The path must be one of plain names.")
    if type_ == "local":
        if bucket or not path:
            raise InvalidInput.field("url", "Write local:/// and the absolute path of a folder.")
        return type_, "", f"/{path}"
    if not bucket or not all(character.isalnum() or character in "-._" for character in bucket):
        raise InvalidInput.field("url", "Name a bucket.")
    return type_, bucket, path


def open_store(settings: Settings, url: str, credentials: Mapping[str, Any] | None, *, own: bool) -> Store:
    """Return the store at a URL.

    Raises
    ------
    InvalidInput
        The URL or the credentials cannot be, or the place is not one that the operator allows.
    """
    type_, bucket, path = parse_url(url)
    if type_ == "local":
        return FolderStore(_allowed_root(settings, Path(path), own=own), shared=not own)
    given = _texts(credentials)
    prefix = path or None
    options: Any = CLIENT | _endpoint_options(settings, given)
    retries: Any = RETRIES
    try:
        match type_:
            case "s3":
                return BucketStore(
                    S3Store(bucket, prefix=prefix, config=_s3(given), client_options=options, retry_config=retries)
                )
            case "gs":
                return BucketStore(
                    GCSStore(bucket, prefix=prefix, config=_gcs(given), client_options=options, retry_config=retries)
                )
            case _:
                azure = _azure(given)
                return BucketStore(
                    AzureStore(bucket, prefix=prefix, config=azure, client_options=options, retry_config=retries)
                )
    except BaseError as error:
        raise InvalidInput.field("credentials", first_line(error)) from None


def try_out(store: Store, allowed: Sequence[net.Network] = ()) -> dict[str, str | None]:
    """Try a storage out with a small file, and return what went wrong in each step (None: nothing).

    Parameters
    ----------
    allowed
        Private networks that signed URLs may lead to.
    """
    content = secrets.token_bytes(4096)
    path = f"entrepot-test/{secrets.token_hex(8)}"
    steps: dict[str, str | None] = dict.fromkeys(("write", "read", "range", "sign", "delete"), "not tried")

    def write() -> None:
        with tempfile.TemporaryFile() as file:  # without a name, which a process that is killed would leave
            file.write(content)
            file.flush()
            store.put(path, Path(f"/proc/self/fd/{file.fileno()}"))

    def read() -> None:
        found = _beginning(store.read(path))
        if hashlib.sha256(found).digest() != hashlib.sha256(content).digest() or store.size(path) != len(content):
            raise Unavailable("What came back is not what was written.")

    def range_() -> None:
        if _beginning(store.read(path, 100, 1100)) != content[100:1100]:
            raise Unavailable("A range is not the part that was asked for.")

    def sign() -> None:
        if (url := store.sign(path, 60)) is not None:
            with net.client(allowed) as client, client.stream("GET", url) as answer:
                came = _beginning(answer.iter_raw(BLOCK))
            if came != content:
                raise Unavailable(f"The signed URL does not give the file: the answer was {answer.status_code}.")

    for name, step in (("write", write), ("read", read), ("range", range_), ("sign", sign), ("delete", None)):
        try:
            step() if step else store.delete(path)
            steps[name] = None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            steps[name] = getattr(error, "message", None) or first_line(error)
            if name == "write":
                break
    return steps


def _beginning(blocks: Iterator[bytes]) -> bytes:
    """Return what comes, as far as it can be what was written: a store may answer without end."""
    came = bytearray()
    for block in blocks:
        came += block
        if len(came) > BLOCK:
            break
    return bytes(came)


def _allowed_root(settings: Settings, root: Path, *, own: bool) -> Path:
    resolved = root.resolve()
    # In its own folder the server places files by organization; users name folders that the operator allowed.
    allowed = [settings.files_dir] if own else settings.file_local_roots
    if not any(resolved.is_relative_to(folder.resolve()) for folder in allowed):
        raise InvalidInput.field("url", "The operator does not allow this folder (setting file_local_roots).")
    return resolved


def _texts(credentials: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(name): str(value) for name, value in (credentials or {}).items() if value is not None}


def _require(given: Mapping[str, str], *names: str) -> None:
    missing = [name for name in names if not given.get(name)]
    if missing:
        # Without any, the library would ask the machine that it runs on for its own.
        raise InvalidInput.field("credentials", f"Needed: {', '.join(missing)}.")


def _plain(given: Mapping[str, str], *names: str) -> None:
    """Refuse what would lead to another host than that of the store, of whose name these become a part."""
    for name in names:
        if not _NAME.fullmatch(given.get(name, "x")):
            raise InvalidInput.field("credentials", f"{name}: letters, digits and hyphens.")


def _s3(given: Mapping[str, str]) -> Any:
    _plain(given, "region")
    _require(given, "access_key_id", "secret_access_key")
    names = ("access_key_id", "secret_access_key", "session_token", "endpoint", "region")
    config = {name: given[name] for name in names if given.get(name)}
    config.setdefault("region", "us-east-1")
    # The key is the path of the url, without its first slash; stores at an address of their own have no bucket hosts.
    config["virtual_hosted_style_request"] = "false" if "endpoint" in config else "true"
    return config


def _gcs(given: Mapping[str, str]) -> Any:
    _require(given, "private_key", "client_email")
    # Of a service account's file, only what identifies it: the rest are addresses that the library would follow.
    names = ("private_key", "private_key_id", "client_email")
    key = {"private_key_id": "", **{name: given[name] for name in names if name in given}}
    if endpoint := given.get("endpoint"):
        key["gcs_base_url"] = endpoint
    return {"service_account_key": json.dumps(key)}


def _azure(given: Mapping[str, str]) -> Any:
    _require(given, "account_name")
    _plain(given, "account_name", "tenant_id")
    if not (given.get("account_key") or given.get("sas_key") or given.get("client_secret")):
        _require(given, "account_key")
    names = ("account_name", "account_key", "sas_key", "client_id", "client_secret", "tenant_id", "endpoint")
    return {name: given[name] for name in names if given.get(name)}


def _endpoint_options(settings: Settings, given: Mapping[str, str]) -> dict[str, Any]:
    """Return how an address that a user named is reached, checked."""
    endpoint = given.get("endpoint")
    if not endpoint:
        return {}
    allowed = settings.webhook_allowed_networks
    net.check_url(endpoint, allowed, field="credentials")
    return {"allow_http": endpoint.startswith("http://"), "proxy_url": proxy.shared_url(allowed)}
