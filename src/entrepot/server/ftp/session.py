"""Sessions and their transfers, on top of pyftpdlib's."""

import errno
import re
import select
import sys
from pathlib import Path
from typing import Any, ClassVar

import structlog
from pyftpdlib.exceptions import _FileReadWriteError
from pyftpdlib.handlers import DTPHandler, FTPHandler
from pyftpdlib.log import logger

from entrepot.errors import TooLarge
from entrepot.pipeline.folders import is_text
from entrepot.pipeline.gate_files import Quota
from entrepot.pipeline.gates import quota_of_home
from entrepot.server.ftp.accounts import Account
from entrepot.server.ftp.bans import Bans
from entrepot.server.ftp.folder import Folder
from entrepot.server.ftp.uploads import Upload
from entrepot.server.services import Services

log = structlog.get_logger("entrepot.ftp")

_LIST_OPTIONS = re.compile(r"(-\w*(\s+|$))+")
_NO_SPACE = {
    errno.ENOSPC: "452 No space left on the server",
    errno.EDQUOT: "552 The server's quota is used up",
    errno.EFBIG: "552 The file is too large for the server",
}
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
_BROKEN = select.POLLHUP | select.POLLERR
_FAREWELL_MS = 20
#: How long a session outlives the right to it.
_LOOK_SECONDS = 2.0


class Transfer(DTPHandler):  # type: ignore[misc]
    """A data connection. The file that comes in is kept only when its client closed this one and waits for an answer.

    The end of the data is all that FTP says of the end of a file; a client that dies ends it too. But such a client
    also ends its control connection.
    """

    transfer_finished: bool

    def close(self) -> None:
        """End; keep the upload before the client is told that it is complete."""
        # Over TLS, this is called once more when the farewells are over.
        if not self._closed and self.transfer_finished and isinstance(self.file_obj, Upload) and not self.file_obj.kept:
            try:
                self._keep(self.file_obj)
            except (OSError, TooLarge) as error:
                self.transfer_finished = False
                self._refuse(error)
        super().close()

    def handle_error(self) -> None:
        """End after an error; say so where the disk is full."""
        error = sys.exc_info()[1]
        cause = error.__cause__ if isinstance(error, _FileReadWriteError) else error
        if isinstance(cause, TooLarge) or (cause is not error and isinstance(cause, OSError)):
            self._refuse(cause)
            self.close()
        else:
            super().handle_error()

    def _keep(self, upload: Upload) -> None:
        if _events(self.socket, 0) & _BROKEN:
            raise ConnectionResetError(errno.ECONNRESET, "Data connection broken")
        upload.sync()
        # A client that dies closes its connections in any order.
        if _events(self.cmd_channel.socket, _FAREWELL_MS) & _GONE:
            raise ConnectionAbortedError(errno.ECONNABORTED, "Client gone")
        upload.keep()

    def _refuse(self, error: OSError | TooLarge) -> None:
        if isinstance(error, TooLarge):
            text = f"552 {error.message.rstrip('.')}"
        else:
            text = _NO_SPACE.get(error.errno or 0) or f"426 {error.strerror}"
        self._resp = (f"{text}; transfer aborted.", logger.warning)


class Session(FTPHandler):  # type: ignore[misc]
    """A control connection. Settings of the server are attributes of the class, see :func:`session_class`."""

    services: Services
    bans: Bans
    staging: Path
    _in_dtp_queue: Any
    _login: Any = None  #: what ends a session in which nobody has signed in
    _looking: Any = None

    banner = "Entrepot"
    abstracted_fs = Folder
    dtp_handler = Transfer
    timeout = 900  # clients keep a session idle while another one transfers
    auth_failed_timeout = 0.5
    unicode_errors = "replace"
    # Times of files are when they were complete, which importers rely on; names are chosen by those who upload.
    proto_cmds: ClassVar = {
        name: value for name, value in FTPHandler.proto_cmds.items() if name not in ("MFMT", "SITE CHMOD", "STOU")
    }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.authorizer = Account(self.services, self.bans)
        if self.connected:
            seconds = 2 * self.services.settings.head_seconds
            self._login = self.ioloop.call_later(seconds, self._require_login, _errback=self.handle_error)

    def on_login(self, username: str) -> None:
        """Look again and again whether who signed in still may."""
        self._stop_looking()
        self._looking = self.ioloop.call_every(_LOOK_SECONDS, self._require_standing)

    def close(self) -> None:
        """End."""
        self._stop_looking()
        if self._login is not None and not self._login.cancelled:
            self._login.cancel()
        super().close()

    def _require_standing(self) -> None:
        if self.authenticated and not self.authorizer.stands():
            log.info("signed out", home=self.authorizer.home, address=self.remote_ip)
            self.respond("421 The password changed, or the account ended: sign in again.")
            self.close()

    def _stop_looking(self) -> None:
        if self._looking is not None and not self._looking.cancelled:
            self._looking.cancel()
        self._looking = None

    def decode(self, line: bytes) -> str:
        """Return a command; older clients write latin-1."""
        try:
            return line.decode()
        except UnicodeDecodeError:
            return line.decode("latin-1")

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Check a command's argument, and take the options of a listing for what they are."""
        if not is_text(arg):
            self.respond("501 Control characters are not allowed.")
            return
        if cmd in ("LIST", "NLST") and (options := _LIST_OPTIONS.match(arg)):
            arg = arg[options.end() :]
        super().pre_process_command(line, cmd, arg)

    def ftp_STOR(self, file: str, mode: str = "w") -> Any:  # noqa: N802 - found by its name
        """Store a file."""
        self._drop_queued()
        try:
            return super().ftp_STOR(file, mode)
        except TooLarge as error:
            self.respond(f"552 {error.message}")
            return None

    def quota(self) -> Quota:
        """Return the most that the session's gate takes."""
        with self.services.database.read() as session:
            return quota_of_home(session, self.authorizer.home)

    def flush_account(self) -> None:
        """Forget the account, and an upload whose data has not begun to come."""
        self._drop_queued()
        super().flush_account()

    def on_file_received(self, file: str) -> None:
        """Tell those who wait for uploads."""
        path = Path(file).relative_to(self.authorizer.root).as_posix()
        for hook in self.server.on_upload:
            try:
                hook(self.services, self.authorizer.home, path)
            except Exception:
                log.exception("upload hook failed", home=self.authorizer.home, path=path)

    def log_transfer(
        self,
        cmd: str,
        filename: str,
        receive: bool,
        completed: bool,
        elapsed: float,
        bytes: int,  # noqa: A002
    ) -> None:
        """Log a transfer."""
        path = self.fs.fs2ftp(filename) if self.fs else filename
        log.info(
            "transfer", command=cmd, home=self.authorizer.home, path=path, bytes=bytes, seconds=elapsed,
            complete=bool(completed), address=self.remote_ip,
        )  # fmt: skip

    def _require_login(self) -> None:
        if not self.authenticated:
            self.handle_timeout()

    def _drop_queued(self) -> None:
        if self._in_dtp_queue is not None:
            self._in_dtp_queue[0].close()
            self._in_dtp_queue = None


def _events(sock: Any, milliseconds: int) -> int:
    """Return what happened to a connection, waiting for it to be closed by the other side."""
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLRDHUP)
    return sum(events for _, events in poll.poll(milliseconds))
