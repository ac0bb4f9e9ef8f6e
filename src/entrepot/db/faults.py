"""What keeps a database or a disk from working, in the words of :mod:`entrepot.errors`: the one table of it."""

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from entrepot.errors import Away, EntrepotError, InvalidInput, Moved, OutOfSpace, ReadOnly, Unavailable
from entrepot.measures import DATABASE_FULL

_Make = Callable[[], Unavailable]


def _busy() -> Unavailable:
    return Unavailable("The database is busy with what others write; try again.", retry_after=2)


def _crowded() -> Unavailable:
    return Away("The database has no connection left; try again.", retry_after=2)


def _too_many_files() -> Unavailable:
    return Unavailable("The server has as many files open as it may; try again.", retry_after=5)


def _disk() -> Unavailable:
    return Unavailable("The server's disk fails, or cannot be written to.", retry_after=60)


_SYSTEM: dict[int, _Make] = {
    errno.ENOSPC: OutOfSpace,
    errno.EDQUOT: OutOfSpace,
    errno.EMFILE: _too_many_files,
    errno.ENFILE: _too_many_files,
    errno.EROFS: _disk,
    errno.EIO: _disk,
}
#: By primary result code of SQLite: BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
_SQLITE: dict[int, _Make] = {5: _busy, 6: _busy, 8: _disk, 10: _disk, 13: OutOfSpace, 14: _disk}
#: By SQLSTATE, or its class.
_POSTGRESQL: dict[str, _Make] = {
    "53100": OutOfSpace,
    "53300": _crowded,
    "55P03": _busy,
    "40001": _busy,
    "40P01": _busy,
    "25006": Away,  # a standby
    "58030": _disk,
    "08": Away,
    "53": Away,
    "57": Away,
}
_CANCELLED = "57014"  # by whoever set a time limit, who knows what it means
#: What the guard of a database says to those who write; see :mod:`entrepot.db.guard`.
_REFUSED = re.compile(r"entrepot (read-only|moved): (.*)")
_NO_SPACE = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))


def named(error: BaseException) -> Unavailable | None:
    """Return what an operator is to be told of an exception, when it is one that no code is at fault for; else None."""
    found: Unavailable | None = error if isinstance(error, Unavailable) else None
    cause: BaseException | None = error
    while cause is not None:
        if make := _make(cause):
            return make() if found is None or make is OutOfSpace else found
        cause = cause.__cause__
    return found


def refused(original: object) -> ReadOnly | None:
    """Return what the guard of a database says, where it is that which an error of a driver tells."""
    diagnosis = getattr(original, "diag", None)
    found = _REFUSED.match(str(original) if diagnosis is None else diagnosis.message_primary or "")
    if found is None:
        return None
    return Moved(found[2], retry_after=300.0) if found[1] == "moved" else ReadOnly(found[2])


@contextmanager
def naming() -> Iterator[None]:
    """Have exceptions of drivers and of the system raised by the names that the product has for them."""
    try:
        yield
    except DataError as error:  # on PostgreSQL, such as for the character NUL
        raise InvalidInput("A text or a number is none that can be stored or looked up.") from error
    except (DBAPIError, PoolTimeout, OSError) as error:
        if (name := named(error)) is None:
            raise
        raise name from error


def _make(error: BaseException) -> _Make | None:
    match error:
        case PoolTimeout():
            return _crowded
        case DBAPIError(orig=original):
            found = _of_driver(error, original)
            if found is OutOfSpace:
                DATABASE_FULL.inc()
            return found
        case EntrepotError():
            return None
        case OSError(errno=int(number)):
            return _SYSTEM.get(number)
    # Object stores have one class for whatever fails.
    text = str(error) if type(error).__module__.startswith("obstore") else ""
    return OutOfSpace if any(words in text for words in _NO_SPACE) else None


def _of_driver(error: DBAPIError, original: Any) -> _Make | None:
    if (code := getattr(original, "sqlite_errorcode", None)) is not None:
        return _SQLITE.get(code & 0xFF)
    if (state := getattr(original, "sqlstate", None)) is not None:
        if state == _CANCELLED:
            return None
        if any(words in str(original) for words in _NO_SPACE):
            return OutOfSpace
        return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    if "too many clients" in str(original) or "remaining connection slots" in str(original):
        return _crowded
    # No word from the server at all: it could not be reached, or went away.
    lost = isinstance(error, OperationalError | InterfaceError) and type(original).__module__.startswith("psycopg")
    return Away if lost or error.connection_invalidated else None
