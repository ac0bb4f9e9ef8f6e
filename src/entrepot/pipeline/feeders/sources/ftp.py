"""FTP, and FTP over TLS (``AUTH TLS`` on the ordinary port)."""

import contextlib
import ftplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from socket import SHUT_RDWR, socket
from typing import Any

from ftputil.error import ParserError
from ftputil.stat import MSParser, UnixParser

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

_LONGEST_LINE = 8192
_MOST_LINES = 1000  # of one answer
_NOT_KNOWN = ("500", "501", "502", "504")
_BUSY = ("450", "451", "452")


class _Ftp(ftplib.FTP):
    """A control connection over a socket that is there. Data connections go to its peer, whatever PASV answers."""

    def begin(self, sock: socket, host: str, seconds: float) -> None:
        """Take up a connection."""
        self.host, self.timeout, self.sock, self.af = host, seconds, sock, sock.family
        self.file = sock.makefile("r", encoding=self.encoding, errors="surrogateescape")
        self.welcome = self.getresp()

    def getmultiline(self) -> str:
        """Return an answer, which may have several lines."""
        lines = [self.getline()]
        if lines[0][3:4] == "-":
            code = lines[0][:3]
            while not (lines[-1].startswith(code) and lines[-1][3:4] != "-"):
                lines.append(self.getline())
                if len(lines) > _MOST_LINES:
                    raise Unreachable("An answer of the server has no end.")
        return "\n".join(lines)

    def secure(self) -> None:
        """Encrypt, where the kind of connection is to be encrypted."""

    def secure_data(self) -> None:
        """Encrypt data connections, too."""


class _Ftps(_Ftp, ftplib.FTP_TLS):
    def secure(self) -> None:
        self.auth()

    def secure_data(self) -> None:
        self.prot_p()

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket, int | None]:
        """Open a data connection; servers often want the TLS session of the control connection on it."""
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - of an encrypted session
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return self.context.wrap_socket(connection, server_hostname=self.host, session=session), size


class FtpSource:
    """A folder of an FTP server."""

    host_key: str | None = None

    def __init__(self, access: Access) -> None:
        self.problems: list[tuple[str, str]] = []
        self._access = access
        self._data: socket | None = None
        self._listing = "MLSD"
        self._tally = Tally()
        options, address = access.options, access.address
        if address.scheme == "ftps":
            self._ftp: _Ftp = _Ftps(context=access.trust(), encoding=options.encoding)
        else:
            self._ftp = _Ftp(encoding=options.encoding)
        with _translated():
            sock = net.connect(address.host, address.port, access.allowed, seconds=access.patience)
            try:
                self._begin(sock)
            except BaseException:
                sock.close()
                self.close()
                raise

    def files(self) -> Iterator[Remote]:
        """Yield the files below the folder."""
        self._tally, folders = Tally(), [""]
        while folders:
            folder = folders.pop()
            try:
                entries = list(self._entries(folder))
            except (Unreadable, Vanished) as error:
                if not folder:
                    raise Denied(f"The folder cannot be listed. {error.message}") from error
                self.problems.append((folder, error.message))
                continue
            for kind, remote in entries:
                if kind == "file":
                    yield remote
                elif self._access.options.recursive and remote.path.count("/") < DEEPEST:
                    folders.append(remote.path)

    def read(self, remote: Remote) -> Iterator[bytes]:
        """Yield a file's bytes."""
        with self._answered(), self._transfer(f"RETR {self._path(remote.path)}") as connection:
            while block := connection.recv(BLOCK):
                yield block

    def unchanged(self, remote: Remote) -> bool:
        """Tell whether the file has the size, and where the server says so the time, that it was listed with."""
        path = self._path(remote.path)
        with contextlib.suppress(ftplib.Error), _translated(ftplib.Error):
            if self._listing == "MLSD":
                lines = self._ftp.voidcmd(f"MLST {path}").splitlines()
                facts = next((line.strip() for line in lines if "=" in line.partition(" ")[0] or line[:1] == " "), "")
                return _fact_version(_facts(facts)) == remote.version
            return remote.size is None or self._ftp.size(path) == remote.size
        return True

    def abort(self) -> None:
        """Break off what goes on in another thread."""
        for connection in (self._data, self._ftp.sock):
            if connection is not None:
                with contextlib.suppress(OSError):
                    # Not the TLS socket's own, which changes what the other thread works with.
                    socket.shutdown(connection, SHUT_RDWR)

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._ftp.close()

    def _begin(self, sock: socket) -> None:
        credentials, address = self._access.credentials, self._access.address
        try:
            self._ftp.begin(sock, address.host, self._access.patience)
            self._ftp.secure()
            # That of FTP_TLS would encrypt once more.
            ftplib.FTP.login(self._ftp, credentials.login or "anonymous", credentials.password or "")  # noqa: S321
            self._ftp.secure_data()
            self._ftp.voidcmd("TYPE I")
            # As in RFC 1738: from the account's folder, and from the root behind two slashes.
            home = "" if address.path.startswith("//") else self._ftp.pwd().rstrip("/")
        except ftplib.error_perm as error:
            raise Denied(f"The server refuses: {error}") from error
        self._root = f"{home}/{address.path.strip('/')}".rstrip("/")

    def _path(self, below: str) -> str:
        return f"{self._root}/{below}" if below else self._root or "/"

    def _entries(self, folder: str) -> Iterator[tuple[str, Remote]]:
        if self._listing == "MLSD":
            with self._answered():
                try:
                    lines = self._lines(f"MLSD {self._path(folder)}")
                except ftplib.error_perm as error:
                    if not str(error).startswith(_NOT_KNOWN):
                        raise
                    self._listing = "LIST"
                else:
                    yield from self._machine_entries(folder, lines)
                    return
        with self._answered():
            lines = self._lines(f"LIST {self._path(folder)}")
        yield from self._plain_entries(folder, lines)

    def _machine_entries(self, folder: str, lines: list[str]) -> Iterator[tuple[str, Remote]]:
        for line in lines:
            facts, _, name = line.partition(" ")
            found = _facts(facts)
            if found.get("type", "").lower() in ("file", "dir") and self._is_name(folder, name):
                size = int(found["size"]) if found.get("size", "").isdigit() else None
                remote = Remote(_join(folder, name), size, _fact_version(found), _instant(found.get("modify", "")))
                yield found["type"].lower(), remote

    def _plain_entries(self, folder: str, lines: list[str]) -> Iterator[tuple[str, Remote]]:
        for line in lines:
            found: Any = None
            for parser in (UnixParser(), MSParser()):
                with contextlib.suppress(ParserError, ValueError):
                    found = found or (None if parser.ignores_line(line) else parser.parse_line(line))
            if found is None:
                continue
            name: str = found._st_name  # noqa: SLF001 - ftputil's own way to say it
            kind = {0o040000: "dir", 0o100000: "file"}.get(found.st_mode & 0o170000)
            if kind is not None and self._is_name(folder, name):
                # Size and time as they are written: the time is without zone, and without minutes once it is old.
                described = " ".join(line.rpartition(name)[0].split()[-4:])
                yield kind, Remote(_join(folder, name), found.st_size, described)

    def _is_name(self, folder: str, name: str) -> bool:
        if name in ("", ".", ".."):
            return False
        if "/" in name or any(0xD800 <= ord(character) < 0xE000 for character in name):
            shown = _join(folder, name).encode(errors="replace").decode()
            self.problems.append((shown, "The name cannot be read: perhaps it has another encoding."))
            return False
        return True

    def _lines(self, command: str) -> list[str]:
        lines: list[str] = []
        with self._transfer(command) as connection, connection.makefile("rb") as file:
            while line := file.readline(_LONGEST_LINE + 1):
                if len(line) > _LONGEST_LINE:
                    raise Unreachable("A line of the listing has no end.")
                self._tally.entry()
                self._tally.took(len(line))
                lines.append(line.decode(self._access.options.encoding, "surrogateescape").rstrip("\r\n"))
        return lines

    @contextlib.contextmanager
    def _transfer(self, command: str) -> Iterator[socket]:
        """Open a data connection; when all was taken from it, hear what the server says to that."""
        with self._ftp.transfercmd(command) as connection:
            self._data = connection
            try:
                yield connection
                if isinstance(connection, ssl.SSLSocket):
                    with contextlib.suppress(OSError):
                        connection.unwrap()
            finally:
                self._data = None
        self._ftp.voidresp()

    @contextlib.contextmanager
    def _answered(self) -> Iterator[None]:
        """Say of a refusal that it is about a file or folder, not the source."""
        try:
            with _translated(ftplib.error_perm, ftplib.error_temp):
                yield
        except ftplib.error_perm as error:
            if "no such" in str(error).lower() or "not found" in str(error).lower():
                raise Vanished(f"The server says: {error}") from error
            raise Unreadable(f"The server says: {error}") from error
        except ftplib.error_temp as error:
            kind = Unreadable if str(error).startswith(_BUSY) else Unreachable
            raise kind(f"The server says: {error}") from error


def open_source(access: Access) -> FtpSource:
    """Connect and log in."""
    return FtpSource(access)


@contextlib.contextmanager
def _translated(*let: type[Exception]) -> Iterator[None]:
    try:
        yield
    except let:
        raise
    except ssl.SSLCertVerificationError as error:
        raise Denied(f"The server's certificate is not trusted: {error.verify_message}.") from error
    except (ftplib.Error, OSError, EOFError, ValueError) as error:
        raise Unreachable(f"The server does not answer as it should: {error or type(error).__name__}") from error


def _facts(text: str) -> dict[str, str]:
    pairs = (fact.partition("=") for fact in text.partition(" ")[0].split(";") if "=" in fact)
    return {name.lower(): value for name, _, value in pairs}


def _fact_version(facts: dict[str, str]) -> str:
    return f"{facts.get('size', '')} {facts.get('modify', '')} {facts.get('unique', '')}".strip()


def _instant(text: str) -> datetime | None:
    with contextlib.suppress(ValueError):
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
