"""HTTP: one address, or a page that lists a folder (its address ends with ``/``)."""

import contextlib
import socket
import ssl
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

import httpx

from entrepot import net
from entrepot.bounds.text import inflated
from entrepot.pipeline.feeders.sources.base import (
    BLOCK,
    DEEPEST,
    Access,
    Denied,
    Remote,
    Tally,
    Unreachable,
    Unreadable,
    Vanished,
)
from entrepot.pipeline.feeders.sources.listing import instant, is_name, parse_listing

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


class HttpSource:
    """What a web server has at one address, or below it."""

    host_key: str | None = None

    def __init__(self, access: Access) -> None:
        self.problems: list[tuple[str, str]] = []
        self._access = access
        self._url = access.address.url
        self._is_folder = access.address.path.endswith("/") and not access.address.query
        self._socket: Any = None
        self._got: str | None = None
        self._client = net.client(
            access.allowed,
            seconds=access.seconds,
            trust=access.trust(),
            timeout=access.patience,
            # Sizes are those of the file, not of what a server makes of it on the way.
            headers={"accept-encoding": "identity", "user-agent": "entrepot"},
        )

    def files(self) -> Iterator[Remote]:
        """Yield the file, or those that the listings show."""
        if not self._is_folder:
            name = unquote(self._access.address.path.rpartition("/")[2])
            yield self._described(self._url, name if is_name(name) else "index")
            return
        tally, folders = Tally(), [""]
        while folders:
            folder = folders.pop()
            try:
                url, content, content_type = self._page(self._address(folder) + "/" * bool(folder), tally)
            except (Unreadable, Vanished) as error:
                if not folder:
                    raise Denied(f"The folder cannot be listed. {error.message}") from error
                self.problems.append((folder, error.message))
                continue
            files, below = parse_listing(content, content_type, url, folder)
            for _ in (*files, *below):
                tally.entry()
            for remote in files:
                try:
                    # A bare link says nothing of its file.
                    yield remote if remote.version else self._described(self._address(remote.path), remote.path)
                except (Unreadable, Vanished) as error:
                    self.problems.append((remote.path, error.message))
            if self._access.options.recursive and folder.count("/") < DEEPEST:
                folders += below

    def read(self, remote: Remote) -> Iterator[bytes]:
        """Yield a file's bytes."""
        with self._asking("GET", self._address(remote.path)) as response:
            self._got = _version(response)
            yield from _unpacked(response)

    def unchanged(self, remote: Remote) -> bool:
        """Tell whether the server still describes the file as it did when it was read."""
        try:
            with self._asking("HEAD", self._address(remote.path)) as response:
                return _version(response) == self._got
        except (Unreadable, Vanished, Denied):
            return True

    def abort(self) -> None:
        """Break off what goes on in another thread."""
        if isinstance(connection := self._socket, socket.socket):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _address(self, below: str) -> str:
        return self._url + quote(below) if self._is_folder else self._url

    def _described(self, url: str, path: str) -> Remote:
        try:
            with self._asking("HEAD", url) as response:
                changed = instant(response.headers.get("last-modified"))
                return Remote(path, _length(response), _version(response), changed)
        except Unreadable:
            return Remote(path)  # some servers know no HEAD: the content will tell

    def _page(self, url: str, tally: Tally) -> tuple[str, bytes, str]:
        content = bytearray()
        with self._asking("GET", url) as response:
            for block in _unpacked(response):
                tally.took(len(block))
                content += block
            return str(response.url), bytes(content), response.headers.get("content-type", "")

    @contextlib.contextmanager
    def _asking(self, method: str, url: str) -> Iterator[httpx.Response]:
        """Send a request and what it is redirected to; credentials go to the source's own origin alone."""
        credentials = self._access.credentials
        with _translated():
            for _ in range(_MOST_REDIRECTS):
                headers, auth = {}, None
                if urlsplit(url)[:2] == urlsplit(self._url)[:2]:
                    headers = {"authorization": f"Bearer {credentials.token}"} if credentials.token else {}
                    auth = (credentials.login, credentials.password or "") if credentials.login else None
                with self._client.stream(method, url, headers=headers, auth=auth) as response:
                    if response.status_code not in _REDIRECTS or "location" not in response.headers:
                        _check(response)
                        stream = response.extensions.get("network_stream")
                        self._socket = stream.get_extra_info("socket") if stream else None
                        try:
                            yield response
                        finally:
                            self._socket = None
                        return
                    following = urljoin(url, response.headers["location"])
                    if url.startswith("https:") and not following.startswith("https:"):
                        raise Denied("The server redirects from https to where nothing is encrypted.")
                    url = following
            raise Denied("The server redirects again and again.")


def open_source(access: Access) -> HttpSource:
    """Return the source; it is connected to with each request."""
    return HttpSource(access)


def _check(response: httpx.Response) -> None:
    status = response.status_code
    message = f"The server answers {status} {response.reason_phrase}".rstrip() + "."
    if status in (404, 410):
        raise Vanished(message)
    if status in (401, 407):
        raise Denied(message)
    if status in (408, 425, 429) or (status >= 500 and status != 501):
        raise Unreachable(message)
    if status != 200:
        raise Unreadable(message)


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """Yield a body in small blocks, though the server packed it unasked: a block of it may stand for any number."""
    packed = response.headers.get("content-encoding", "identity").strip().lower()
    if packed in ("", "identity"):
        yield from response.iter_raw(BLOCK)
    elif packed in ("gzip", "x-gzip"):
        try:
            yield from inflated(response.iter_raw(BLOCK))
        except zlib.error as error:
            raise Unreadable(f"What the server packed by gzip is damaged: {error}.") from error
    else:
        raise Unreadable(f"The server packs what it sends by {packed[:40]!r}, which was not asked for.")


def _version(response: httpx.Response) -> str | None:
    if etag := response.headers.get("etag"):
        return str(etag)
    changed, length = response.headers.get("last-modified"), response.headers.get("content-length")
    return f"{length} {changed}" if changed else None


def _length(response: httpx.Response) -> int | None:
    length = response.headers.get("content-length", "")
    return int(length) if length.isdigit() and "content-encoding" not in response.headers else None


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise Unreachable("The server has fallen silent.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise Denied(f"The server's certificate is not trusted: {cause.verify_message}.") from error
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            raise Denied("The server redirects to what is no HTTP address.") from error
        raise Unreachable(f"The server does not answer as it should: {error or type(error).__name__}") from error
