"""Sessions: who is signed in, how long they last, and what they answer when something fails."""

import time
from pathlib import Path
from typing import Any

import structlog

from entrepot.pipeline.gates.configuration import quota_of_home
from entrepot.pipeline.gates.files import Quota
from entrepot.pipeline.gates.folders import is_text
from entrepot.server.ftp.accounts import Account
from entrepot.server.ftp.answers import Refusal, refusal
from entrepot.server.ftp.bans import Bans
from entrepot.server.ftp.commands import Commands
from entrepot.server.ftp.folder import Folder
from entrepot.server.ftp.transfers import Transfer
from entrepot.server.ftp.uploads import Upload
from entrepot.server.services import Services

log = structlog.get_logger("entrepot.ftp")

#: How long a session outlives the right to it.
_LOOK_SECONDS = 2.0


class Session(Commands):
    """A control connection. Settings of the server are attributes of the class, see :func:`session_class`."""

    services: Services
    bans: Bans
    staging: Path
    home = ""
    retiring = False
    _looking: Any = None

    banner = "Entrepot"
    abstracted_fs = Folder
    dtp_handler = Transfer
    timeout = 0  # pyftpdlib's own, which runs in another thread; see :meth:`_look`
    auth_failed_timeout = 0.5
    unicode_errors = "replace"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._began = self._active = time.monotonic()
        super().__init__(*arguments, **options)
        self.authorizer = Account(self.services, self.bans)
        if self.connected:
            self.server.sessions.add(self)

    def add_channel(self, *arguments: Any, **options: Any) -> None:
        """Take part in a loop; from when it is that of the session's own thread, look after the session there."""
        super().add_channel(*arguments, **options)
        if self._looking is None and self.ioloop is not self.server.ioloop:
            settings = self.services.settings
            seconds = min(_LOOK_SECONDS, settings.ftp_login_seconds, settings.ftp_idle_seconds)
            self._looking = self.ioloop.call_every(seconds, self._look, _errback=self.handle_error)

    def close(self) -> None:
        """End."""
        if self._looking is not None and not self._looking.cancelled:
            self._looking.cancel()
        self.server.sessions.remove(self)
        super().close()

    def idle_seconds(self) -> float:
        """Return how long nothing has been said or sent."""
        is_busy = getattr(self, "data_channel", None) is not None
        return 0.0 if is_busy else time.monotonic() - self._active

    @property
    def under_way(self) -> Upload | None:
        """The file that comes in."""
        file = getattr(getattr(self, "data_channel", None), "file_obj", None)
        return file if isinstance(file, Upload) and not file.closed else None

    def take_place(self, home: str) -> bool:
        """Become one of an account's sessions; false when these are too many."""
        return bool(self.server.sessions.sign_in(self, home))

    def _look(self) -> None:
        settings = self.services.settings
        if self.retiring:
            self._end("421 Silent for longest, and others need the place: connect again.")
        elif not self.authenticated:
            if time.monotonic() - self._began > settings.ftp_login_seconds:
                self.handle_timeout()
        elif self.idle_seconds() > settings.ftp_idle_seconds:
            self.handle_timeout()
        elif not self.authorizer.stands():
            log.info("signed out", home=self.authorizer.home, address=self.remote_ip)
            self._end("421 The password changed, or the account ended: sign in again.")

    def _end(self, text: str) -> None:
        self.respond(text)
        self.close()

    def _on_dtp_close(self) -> None:
        self._active = time.monotonic()
        super()._on_dtp_close()

    def decode(self, line: bytes) -> str:
        """Return a command; older clients write latin-1."""
        try:
            return line.decode()
        except UnicodeDecodeError:
            return line.decode("latin-1")

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Check a command's argument."""
        if not is_text(arg):
            self.respond("501 Control characters are not allowed.")
            return
        self._active = time.monotonic()
        super().pre_process_command(line, cmd, arg)

    def process_command(self, cmd: str, *arguments: Any, **options: Any) -> None:
        """Do a command, or say why it cannot be done."""
        try:
            super().process_command(cmd, *arguments, **options)
        except Exception as error:
            refused = refusal(error)
            if refused is None:
                raise
            if cmd == "PASS" and not refused.ends:
                refused = Refusal(f"421 {refused.text[4:]}", ends=True)
            self.respond(refused.text)
            if refused.ends:
                self.close_when_done()

    def quota(self) -> Quota:
        """Return the most that the session's gate takes."""
        with self.services.database.read() as session:
            return quota_of_home(session, self.authorizer.home)

    def flush_account(self) -> None:
        """Forget the account, and an upload whose data has not begun to come."""
        self._drop_queued()
        self.home = ""
        self._began = time.monotonic()
        super().flush_account()

    def on_file_received(self, file: str) -> None:
        """Tell those who wait for uploads."""
        path = self.fs.within(file)
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
