"""SFTP: a folder of an SSH server, whose host key is pinned, or known from the first visit on."""

import base64
import contextlib
import hashlib
import io
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import paramiko

from entrepot import net
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

_REQUESTS_AHEAD = 32
_LISTINGS_AHEAD = 8
#: Bytes of a file, whatever size the server says that it has, that are asked for ahead: each 32 KiB is noted.
_MOST_AHEAD = 8 * 2**30
_KEYS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


class SftpSource:
    """A folder of an SSH server."""

    def __init__(self, access: Access) -> None:
        self.problems: list[tuple[str, str]] = []
        self._access = access
        address, seconds = access.address, access.patience
        with _translated():
            sock = net.connect(address.host, address.port, access.allowed, seconds=seconds)
            try:
                self._transport = paramiko.Transport(sock)
                self._transport.banner_timeout = self._transport.auth_timeout = seconds
                self._transport.start_client(timeout=seconds)
                self.host_key: str | None = self._check_host_key()
                self._log_in()
                opened = paramiko.SFTPClient.from_transport(self._transport)
                assert opened is not None
                self._sftp: Any = opened
                self._sftp.get_channel().settimeout(seconds)
            except BaseException:
                self.close()
                sock.close()
                raise
        # An address names the whole path; /~/ is the account's folder.
        path = address.path.rstrip("/")
        self._root = (path[3:] or ".") if path == "/~" or path.startswith("/~/") else path

    def files(self) -> Iterator[Remote]:
        """Yield the files below the folder."""
        tally, folders = Tally(), [""]
        while folders:
            folder = folders.pop()
            try:
                entries = self._entries(folder, tally)
            except (Unreadable, Vanished) as error:
                if not folder:
                    raise Denied(f"The folder cannot be listed. {error.message}") from error
                self.problems.append((folder, error.message))
                continue
            for entry in entries:
                if not isinstance(entry.filename, str) or not entry.filename.isprintable():
                    self.problems.append((f"{folder}/{entry.filename!r}", "The name cannot be read."))
                    continue
                path = f"{folder}/{entry.filename}" if folder else entry.filename
                mode, found = entry.st_mode or 0, entry
                if stat.S_ISLNK(mode):
                    with contextlib.suppress(Unreadable, Vanished), self._answered():
                        found = self._sftp.stat(self._path(path))
                if stat.S_ISREG(found.st_mode or 0):
                    yield _remote(path, found)
                elif stat.S_ISDIR(mode) and self._access.options.recursive and path.count("/") < DEEPEST:
                    folders.append(path)

    def read(self, remote: Remote) -> Iterator[bytes]:
        """Yield a file's bytes."""
        with self._answered(), self._sftp.open(self._path(remote.path), "rb") as file:
            if remote.size:
                file.prefetch(min(remote.size, _MOST_AHEAD), max_concurrent_requests=_REQUESTS_AHEAD)
            while block := file.read(BLOCK):
                yield block

    def unchanged(self, remote: Remote) -> bool:
        """Tell whether the file has the size and the time that it was listed with."""
        try:
            with self._answered():
                return _remote(remote.path, self._sftp.stat(self._path(remote.path))).version == remote.version
        except (Unreadable, Vanished):
            return True

    def abort(self) -> None:
        """Break off what goes on in another thread."""
        self.close()

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError, EOFError, AttributeError):
            self._transport.close()

    def _entries(self, folder: str, tally: Tally) -> list[Any]:
        entries = []
        with self._answered():
            for entry in self._sftp.listdir_iter(self._path(folder), read_aheads=_LISTINGS_AHEAD):
                tally.entry()
                tally.took(len(entry.filename))
                entries.append(entry)
        return entries

    @contextlib.contextmanager
    def _answered(self) -> Iterator[None]:
        """Say of a refusal that it is about a file or folder, not the source."""
        with _translated():
            try:
                yield
            except FileNotFoundError as error:
                raise Vanished(f"The server says: {error.strerror}") from error
            except PermissionError as error:
                raise Unreadable(f"The server says: {error.strerror}") from error
            except OSError as error:
                # How SFTP says that something failed, and also how a connection that ended is told.
                if type(error) is OSError and error.errno is None and self._transport.is_active():
                    raise Unreadable(f"The server says: {error}") from error
                raise

    def _path(self, below: str) -> str:
        return f"{self._root}/{below}" if below else self._root or "/"

    def _check_host_key(self) -> str:
        key = self._transport.get_remote_server_key()
        found = "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
        expected = self._access.options.host_key or self._access.known_host_key
        if expected is not None and found != expected:
            raise Denied(f"The server's host key has changed: it is {found}, and {expected} is expected.")
        return found

    def _log_in(self) -> None:
        credentials = self._access.credentials
        try:
            if credentials.private_key is not None:
                key = _private_key(credentials.private_key, credentials.passphrase)
                self._transport.auth_publickey(credentials.login or "", key)
            else:
                self._transport.auth_password(credentials.login or "", credentials.password or "")
        except (paramiko.BadAuthenticationType, paramiko.AuthenticationException) as error:
            raise Denied(f"The server refuses the login: {error}") from error
        if not self._transport.is_authenticated():
            raise Denied("The server wants more than these credentials.")


def open_source(access: Access) -> SftpSource:
    """Connect, check the host key, and log in."""
    return SftpSource(access)


def _private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    for kind in _KEYS:
        with contextlib.suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(io.StringIO(text), passphrase)
    raise Denied("The private key cannot be read: is it one, and is this its passphrase?")


def _remote(path: str, entry: Any) -> Remote:
    modified = datetime.fromtimestamp(entry.st_mtime, UTC) if entry.st_mtime else None
    return Remote(path, entry.st_size, f"{entry.st_size} {entry.st_mtime}", modified)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise Unreachable("The server has fallen silent.") from error
    except (paramiko.SSHException, paramiko.SFTPError, EOFError, OSError) as error:
        raise Unreachable(f"The server does not answer as it should: {error or type(error).__name__}") from error
