"""S3, and what speaks like it: the objects below a prefix of a bucket. They appear whole."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from entrepot import net
from entrepot.net.proxy import Proxy
from entrepot.pipeline.feeders.sources.base import (
    BLOCK,
    MOST_LISTED_BYTES,
    Access,
    Denied,
    Remote,
    Tally,
    Unreachable,
    Unreadable,
    Vanished,
)

_XML = 4  # what XML and TLS add to what a listing says


class S3Source:
    """A prefix of a bucket."""

    host_key: str | None = None

    def __init__(self, access: Access) -> None:
        self.problems: list[tuple[str, str]] = []
        self._recursive = access.options.recursive
        self._prefix = access.address.path.strip("/")
        self._etag: str | None = None
        self._proxy = Proxy(access.allowed, access.patience)
        credentials, endpoint = access.credentials, access.options.endpoint
        given = {
            "access_key_id": credentials.access_key_id or "",
            "secret_access_key": credentials.secret_access_key or "",
            "token": credentials.session_token,
            "expires_at": None,
        }
        bucket, region = access.address.host, access.options.region or "us-east-1"
        config: Any = {
            # All that the library would otherwise take from the server's own environment, or ask its machine for.
            "region": region,
            "endpoint": endpoint or f"https://{bucket}.s3.{region}.amazonaws.com",
            "virtual_hosted_style_request": "false" if endpoint else "true",
            "skip_signature": "false" if credentials.access_key_id else "true",
        }
        options: Any = {
            "proxy_url": self._proxy.url,
            "timeout": timedelta(seconds=access.seconds),
            "connect_timeout": timedelta(seconds=access.patience),
            "allow_http": (endpoint or "").startswith("http://"),
            "user_agent": "entrepot",
        }
        retries: Any = {"max_retries": 0}
        try:
            self._store = S3Store(
                bucket,
                config=config,
                client_options=options,
                retry_config=retries,
                credential_provider=lambda: given,  # type: ignore[arg-type, return-value, unused-ignore]
            )
        except BaseError as error:
            self._proxy.close()
            raise Denied(_first_line(error)) from error

    def files(self) -> Iterator[Remote]:
        """Yield the objects below the prefix."""
        tally = Tally()
        with self._translated(listing=True):
            for part in obstore.list(self._store, self._prefix or None, chunk_size=1000):
                for found in part:
                    tally.entry()
                    path = found["path"].removeprefix(self._prefix).lstrip("/")
                    if path and (self._recursive or "/" not in path):
                        etag = found.get("e_tag") or f"{found['size']} {found['last_modified']}"
                        yield Remote(path, found["size"], etag, found["last_modified"], whole=True)

    def read(self, remote: Remote) -> Iterator[bytes]:
        """Yield an object's bytes."""
        with self._translated():
            path = f"{self._prefix}/{remote.path}" if self._prefix else remote.path
            got = obstore.get(self._store, path)
            self._etag = got.meta.get("e_tag")
            for block in got.stream(min_chunk_size=BLOCK):
                yield bytes(block)

    def unchanged(self, remote: Remote) -> bool:
        """Tell whether what was read is what was listed."""
        return self._etag is None or self._etag == remote.version

    def abort(self) -> None:
        """Break off what goes on in another thread."""
        self._proxy.abort()

    def close(self) -> None:
        """End the connections."""
        self._proxy.close()

    @contextlib.contextmanager
    def _translated(self, *, listing: bool = False) -> Iterator[None]:
        # The library takes a page of a listing whole, however long it is.
        self._proxy.allowance = MOST_LISTED_BYTES * _XML if listing else None
        try:
            yield
        except (BaseError, OSError) as error:
            if self._proxy.refused is not None:
                raise net.Refused(self._proxy.refused) from error
            if isinstance(error, NotFoundError | FileNotFoundError):
                raise (Denied if listing else Vanished)(f"The store says: {_first_line(error)}") from error
            if isinstance(error, PermissionDeniedError | UnauthenticatedError | PermissionError):
                raise (Denied if listing else Unreadable)(f"The store says: {_first_line(error)}") from error
            if self._proxy.is_used_up:
                raise Denied("The listing has no end: name a prefix with fewer objects.") from error
            if listing and ("NoSuchBucket" in str(error) or "InvalidAccessKeyId" in str(error)):
                raise Denied(f"The store says: {_first_line(error)}") from error
            raise Unreachable(f"The store does not answer as it should: {_first_line(error)}") from error


def open_source(access: Access) -> S3Source:
    """Return the source; it is connected to with each request."""
    return S3Source(access)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
