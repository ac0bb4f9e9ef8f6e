"""Who tries too many passwords is not heard for a while: the same counts as at the web's doors."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from entrepot.db import Database
from entrepot.errors import Unavailable
from entrepot.identity import bans

log = structlog.get_logger("entrepot.ftp")


class Bans:
    """What the FTP server asks and notes of :mod:`entrepot.identity.bans`.

    Parameters
    ----------
    most, seconds
        Failures within so many seconds before who failed is refused, for as long.
    known_days
        How long a login is known at an address that it signed in from.
    """

    def __init__(self, database: Database, most: int, seconds: float, known_days: float = 30.0) -> None:
        self._database = database
        self._limits = bans.Limits(most, seconds, known_days)

    def look(self, address: str, login: str) -> bans.Attempt:
        """Return what is to be done about an attempt to sign in."""
        with self._database.read() as session:
            return bans.look(session, self._limits, address, login)

    def add(self, address: str, login: str) -> None:
        """Note a failure."""
        try:
            with self._database.write() as session:
                refused = bans.failed(session, self._limits, address, login)
        except (SQLAlchemyError, Unavailable) as error:
            log.warning("cannot note a failed login", error=str(error).partition("\n")[0])
        else:
            log.warning("login failed", login=login[:300], address=address, refused=refused)

    def note_success(self, address: str, login: str) -> None:
        """Note that a login signed in from an address."""
        try:
            with self._database.write() as session:
                bans.succeeded(session, self._limits, address, login)
        except (SQLAlchemyError, Unavailable) as error:
            log.warning("cannot note a login", error=str(error).partition("\n")[0])

    def banned(self, address: str) -> bool:
        """Tell whether nobody can sign in from an address."""
        try:
            with self._database.read() as session:
                return bans.is_refused(session, address)
        except (SQLAlchemyError, Unavailable) as error:
            log.warning("cannot read the bans", error=str(error).partition("\n")[0])
            return False
