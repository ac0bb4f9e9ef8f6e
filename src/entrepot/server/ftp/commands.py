"""Commands that pyftpdlib lacks, or understands otherwise than loggers mean them."""

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.handlers.ftp.producers import BufferedIteratorProducer
from pyftpdlib.utils import strerror

from entrepot.server.ftp.answers import Refusal, of_disk, refusal
from entrepot.server.ftp.uploads import Upload

_LIST_OPTIONS = re.compile(r"(-\w*(\s+|$))+")
_ASCII = re.compile(r"A( ?[NTC])?|L ?7", re.IGNORECASE)
_BINARY = re.compile(r"I|L ?8", re.IGNORECASE)


def _accepted(**options: Any) -> dict[str, Any]:
    return {"perm": None, "auth": True, "arg": None, "help": "Accepted, without effect."} | options


class Commands(FTPHandler):  # type: ignore[misc]
    """What a session does when it is told to."""

    _in_dtp_queue: Any
    _restart_position: int
    _written = ""  #: argument of the command that is done, as it was written

    proto_cmds: ClassVar[Mapping[str, Any]] = {
        **FTPHandler.proto_cmds,
        "ACCT": _accepted(),
        "CLNT": _accepted(auth=False),
        "OPTS": FTPHandler.proto_cmds["OPTS"] | {"auth": False},
        "SITE UTIME": _accepted(),
    }

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Take the options of a listing for what they are."""
        if cmd in ("LIST", "NLST") and (options := _LIST_OPTIONS.match(arg)):
            arg = arg[options.end() :]
        self._written = arg
        super().pre_process_command(line, cmd, arg)

    def run_as_current_user(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """Do something with the disk; what fails there through nobody's fault is no 550, as pyftpdlib would say."""
        try:
            return function(*arguments, **options)
        except OSError as error:
            if of_disk(error) is not None and (refused := refusal(error)) is not None:
                raise refused from error
            raise

    # Files keep the bytes that came, whatever type was said.
    @property
    def _current_type(self) -> str:
        return "i"

    @_current_type.setter
    def _current_type(self, _type: str) -> None:
        pass

    def ftp_TYPE(self, line: str) -> None:  # noqa: N802 - found by its name
        """Take a type, which changes nothing."""
        if _ASCII.fullmatch(line):
            self.respond("200 Type set to: ASCII; bytes are kept as they are.")
        elif _BINARY.fullmatch(line):
            self.respond("200 Type set to: Binary.")
        else:
            self.respond(f'504 Unsupported type "{line}".')

    def ftp_NLST(self, path: str) -> Any:  # noqa: N802
        """List names, those that fit a pattern where the path is one."""
        names, above = self._matching(path), self._written[: self._written.rfind("/") + 1]
        if names is None:
            try:
                is_folder = self.fs.isdir(path)
                names = self.run_as_current_user(self.fs.listdir, path) if is_folder else [Path(path).name]
                above = ""
                self.fs.lstat(path)
            except OSError as error:
                raise Refusal(f"550 {strerror(error)}.") from error
        lines = (f"{above}{name}\r\n".encode(self.encoding, self.unicode_errors) for name in sorted(names))
        # Not as bytes, of which pyftpdlib sends none at all too early over TLS.
        self.push_dtp_data(BufferedIteratorProducer(lines), isproducer=True, cmd="NLST")
        return path

    def ftp_LIST(self, path: str) -> Any:  # noqa: N802
        """List files, those that fit a pattern where the path is one."""
        names = self._matching(path)
        if names is None:
            return super().ftp_LIST(path)
        lines = self.fs.format_list(str(Path(path).parent), sorted(names))
        self.push_dtp_data(BufferedIteratorProducer(lines), isproducer=True, cmd="LIST")
        return path

    def ftp_SIZE(self, path: str) -> None:  # noqa: N802
        """Return a file's size: of an upload that broke off, what came, for there it goes on."""
        self.server.sessions.wait_for_part(self, path)
        came = self.fs.came(path)
        if came is None:
            super().ftp_SIZE(path)
        else:
            self.respond(f"213 {came}")

    def ftp_STOR(self, file: str, mode: str = "w") -> str:  # noqa: N802
        """Store a file, or go on with one."""
        position, self._restart_position = self._restart_position, 0
        upload = self._open(file, "r+" if position else mode, position)
        self._receive(upload, "APPE" if mode == "a" else "STOR", "File status okay. About to open data connection.")
        return file

    def ftp_STOU(self, line: str) -> str | None:  # noqa: N802
        """Store a file under a name that no other has: the one that is wished for, with the instant in it."""
        if not self.authorizer.has_perm(self.username, "w"):
            self.respond("550 Not enough privileges.")
            return None
        wished = PurePosixPath(line or "upload")
        name = f"{wished.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}{wished.suffix}"
        path = self.fs.ftp2fs(str(wished.with_name(name)))
        if not self.fs.validpath(path):
            self.respond("550 This is outside of the account's folder.")
            return None
        self._restart_position = 0
        self._receive(self._open(path, "w"), "STOU", f"FILE: {wished.with_name(name)}")
        return name

    def ftp_ACCT(self, _line: str) -> None:  # noqa: N802
        """Take an account, of which there is need for none."""
        self.respond("202 Superfluous.")

    def ftp_CLNT(self, _line: str) -> None:  # noqa: N802
        """Hear what a client is called."""
        self.respond("200 Noted.")

    def ftp_SITE_UTIME(self, _line: str) -> None:  # noqa: N802
        """Leave a file's time as it is, as MFMT does."""
        self.respond("200 Accepted: a file's time is when it was complete.")

    def _drop_queued(self) -> None:
        if self._in_dtp_queue is not None:
            self._in_dtp_queue[0].close()
            self._in_dtp_queue = None

    def _open(self, path: str, mode: str, position: int = 0) -> Upload:
        self._drop_queued()
        if mode != "w":
            self.server.sessions.wait_for_part(self, path)
        try:
            upload: Upload = self.run_as_current_user(self.fs.receive, path, mode, position)
        except (OSError, FilesystemError) as error:
            raise Refusal(f"550 {strerror(error)}.") from error
        return upload

    def _receive(self, upload: Upload, command: str, text: str) -> None:
        if self.data_channel is None:
            self.respond(f"150 {text}")
            self._in_dtp_queue = (upload, command)
        else:
            self.respond(f"125 {text}")
            self.data_channel.file_obj = upload
            self.data_channel.enable_receiving("i", command)

    def _matching(self, path: str) -> list[str] | None:
        """Return the names that fit a path whose last part is a pattern; None where it is none."""
        if not has_magic(Path(path).name) or self.fs.lexists(path):
            return None
        try:
            names: list[str] = self.run_as_current_user(self.fs.matching, path)
        except OSError as error:
            raise Refusal(f"550 {strerror(error)}.") from error
        return names
