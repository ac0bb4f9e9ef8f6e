"""Who may sign in to FTP, and to do what."""

import hmac
from typing import Any

import structlog
from pyftpdlib.exceptions import AuthenticationFailed
from sqlalchemy.exc import SQLAlchemyError

from entrepot.errors import Unavailable
from entrepot.identity import FtpAccount, ftp
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.runs.exports import FOLDER, make_home
from entrepot.server.ftp.answers import Refusal
from entrepot.server.ftp.bans import Bans
from entrepot.server.services import Services

log = structlog.get_logger("entrepot.ftp")

_READ, _DELETE, _WRITE = "elr", "d", "afmwMT"  # pyftpdlib's letters


class Account:
    """The account of one session: pyftpdlib's authorizer.

    Gates' accounts read and write; users' accounts read and delete, for what lies in them is the server's.
    """

    def __init__(self, services: Services, bans: Bans) -> None:
        self._services = services
        self._bans = bans
        self.home = ""  #: relative to the data folder, once signed in
        self._standing: object = None

    @property
    def root(self) -> str:
        """How the files that the session sees as ``/`` are called within this server."""
        return f"/{self.home}"

    @property
    def files(self) -> Home:
        """The files of the account."""
        return open_home(self._services.settings, self._services.database, self.home)

    def validate_authentication(self, login: str, password: str, session: Any) -> None:
        """Sign in.

        Raises
        ------
        AuthenticationFailed
            The login is wrong.
        Refusal
            It cannot be looked at now.
        """
        address = session.remote_ip
        attempt = self._bans.look(address, login)
        if attempt.wait:
            raise Refusal("421 Too many failed logins; try again later.", ends=True)
        with self._services.database.read() as database:
            account = ftp.find_account(database, login=login)
            self._standing = account and self._fits(account, password) and ftp.standing(database, account)
        if account is None or not self._standing:
            self._bans.add(address, login)
            raise AuthenticationFailed("Authentication failed.")
        if attempt.notable:
            self._bans.note_success(address, login)
        if not session.take_place(account.home):
            raise Refusal("421 Too many sessions of this account; try again later.", ends=True)
        self.home = account.home

    def stands(self) -> bool:
        """Tell whether who signed in still could, with the same password; true while the database does not answer."""
        try:
            with self._services.database.read() as database:
                account = ftp.find_account(database, home=self.home)
                return account is not None and ftp.standing(database, account) == self._standing
        except (SQLAlchemyError, Unavailable) as error:
            log.warning("cannot look up an account", error=str(error).partition("\n")[0])
            return True

    def get_home_dir(self, _login: str) -> str:
        """Return the account's root, made where it is missing."""
        make_home(self.files)
        return self.root

    def has_perm(self, login: str, letter: str, path: str | None = None) -> bool:
        """Tell whether the session may do what pyftpdlib's letter stands for."""
        if self._is_user and letter == _DELETE and path == f"{self.root}/{FOLDER}":
            return False
        return letter in self.get_perms(login)

    def get_perms(self, _login: str) -> str:
        """Return the letters of what the session may do."""
        return _READ + _DELETE + ("" if self._is_user else _WRITE)

    def get_msg_login(self, _login: str) -> str:
        """Return what is said after a login."""
        return "Login successful."

    def get_msg_quit(self, _login: str) -> str:
        """Return what is said at the end."""
        return "Goodbye."

    def impersonate_user(self, login: str, password: str) -> None:
        """Do nothing: the server's own user has the folders."""

    def terminate_impersonation(self, login: str) -> None:
        """Do nothing."""

    @property
    def _is_user(self) -> bool:
        return self.home.startswith(f"{self._services.settings.users_dir.name}/")

    def _fits(self, account: FtpAccount, password: str) -> bool:
        right = ftp.account_password(self._services.vault, account)
        return hmac.compare_digest(right.encode(), password.encode(errors="replace"))
