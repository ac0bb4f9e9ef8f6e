"""What clients are told of failures: 4xx of what passes, for they try again; 5xx of what does not."""

import errno

import structlog
from sqlalchemy.exc import SQLAlchemyError

from entrepot.errors import EntrepotError, OutOfSpace, ReadOnly, TooLarge, Unavailable

log = structlog.get_logger("entrepot.ftp")

_FULL = {
    errno.ENOSPC: "452 No space left on the server",
    errno.EDQUOT: "552 The server's quota is used up",
    errno.EFBIG: "552 The file is too large for the server",
}
_FAILING = frozenset(
    (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EROFS, errno.ESTALE, errno.ETIMEDOUT)
)
NO_DATABASE = "421 The server's database does not answer; try again later."


class Refusal(Exception):
    """A command cannot be done.

    Parameters
    ----------
    text
        The answer, its code first.
    ends
        Whether the session ends with it.
    """

    def __init__(self, text: str, *, ends: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.ends = ends


def of_disk(error: OSError) -> str | None:
    """Return what is said when the server's disk is full or fails; None when it is about the path that was named."""
    if text := _FULL.get(error.errno or 0):
        return text
    return "451 The server's disk or system fails" if error.errno in _FAILING else None


def refusal(error: Exception) -> Refusal | None:
    """Return what a failed command is answered; None where nobody foresaw the failure."""
    match error:
        case Refusal():
            return error
        case OutOfSpace():
            log.warning("the disk is full", error=error.message)
            return Refusal(f"{_FULL[errno.ENOSPC]}; try again later.")
        case ReadOnly():
            return Refusal(f"450 {error.message}")
        case SQLAlchemyError() | Unavailable():
            log.warning("the database does not answer", error=str(error).partition("\n")[0])
            return Refusal(NO_DATABASE, ends=True)
        case TooLarge():
            return Refusal(f"552 {error.message}")
        case EntrepotError():
            return Refusal(f"550 {error.message}")
        case OSError() if text := of_disk(error):
            log.warning("the disk or system fails", error=error.strerror)
            return Refusal(f"{text}; try again later.")
    return None
