"""Data connections: what comes over them is kept when its client says that it was all."""

import errno
import select
import sys
from typing import Any

from pyftpdlib.exceptions import _FileReadWriteError
from pyftpdlib.handlers import DTPHandler
from pyftpdlib.log import logger

from entrepot.errors import TooLarge, Unavailable
from entrepot.server.ftp.answers import of_disk
from entrepot.server.ftp.uploads import Upload

_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
_BROKEN = select.POLLHUP | select.POLLERR
_FAREWELL_MS = 20


class Transfer(DTPHandler):  # type: ignore[misc]
    """A data connection. The file that comes in is kept only when its client closed this one and waits for an answer.

    The end of the data is all that FTP says of the end of a file; a client that dies ends it too. But such a client
    also ends its control connection.
    """

    transfer_finished: bool

    @property
    def timeout(self) -> float:
        """How long nothing may come or go."""
        return float(self.cmd_channel.services.settings.ftp_idle_seconds) / 3

    def close(self) -> None:
        """End; keep the upload before the client is told that it is complete."""
        # Over TLS, this is called once more when the farewells are over.
        if not self._closed and self.transfer_finished and isinstance(self.file_obj, Upload) and not self.file_obj.kept:
            try:
                self._keep(self.file_obj)
            except (OSError, TooLarge, Unavailable) as error:
                self.transfer_finished = False
                self._refuse(error)
        super().close()

    def handle_error(self) -> None:
        """End after an error; say so where the disk is full."""
        error = sys.exc_info()[1]
        cause = error.__cause__ if isinstance(error, _FileReadWriteError) else error
        if isinstance(cause, TooLarge | Unavailable) or (cause is not error and isinstance(cause, OSError)):
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

    def _refuse(self, error: OSError | TooLarge | Unavailable) -> None:
        if isinstance(self.file_obj, Upload) and not isinstance(error, ConnectionError | Unavailable):
            self.file_obj.goes_on = False  # for there was no room, or no disk, for what came
        if isinstance(error, TooLarge):
            text = f"552 {error.message.rstrip('.')}"
        elif isinstance(error, Unavailable):
            text = f"451 {error.message.rstrip('.')}"
        else:
            text = of_disk(error) or f"426 {error.strerror}"
        self._resp = (f"{text}; transfer aborted.", logger.warning)


def _events(sock: Any, milliseconds: int) -> int:
    """Return what happened to a connection, waiting for it to be closed by the other side."""
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLRDHUP)
    return sum(events for _, events in poll.poll(milliseconds))
