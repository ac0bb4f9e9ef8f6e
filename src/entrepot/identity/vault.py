"""The server's secret key: encrypts stored credentials and signs what must come back unchanged."""

import errno
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from entrepot.errors import Conflict, Unavailable

_CHECK = "which key this is"
_BY_HAND = (
    "The server cannot write {where}: put a new key before the one that is there, a blank between them, restart, "
    "rotate again, and take the old one out when that is done."
)

log = structlog.get_logger(__name__)


class BadKey(Unavailable):
    """The file of the secret key is missing, or holds none."""

    code = "bad-key"


class Vault:
    """Encryption and signatures with keys derived from one secret.

    Parameters
    ----------
    keys
        Fernet keys, each 32 random bytes in URL-safe Base64. The first encrypts and signs; what the others, which it
        replaces, encrypted or signed is still understood.
    """

    def __init__(self, *keys: bytes) -> None:
        self._path: Path | None = None
        self._state: tuple[int, int] | None = None
        self._is_ours: Callable[[list[str]], bool] | None = None
        self._problem: str | None = None
        self._take(keys)

    @classmethod
    def given(cls, text: str) -> Self:
        """Return the vault of keys that a setting holds, the present one first.

        Raises
        ------
        BadKey
            There is no key in it.
        """
        return cls(*_split(text.encode(), "The setting secret_key (ENTREPOT_SECRET_KEY)"))

    @classmethod
    def open(cls, path: Path, is_ours: Callable[[list[str]], bool] | None = None) -> Self:
        """Return the vault of a data folder, whose key ``entrepot init`` made; new keys in the file are taken up.

        Parameters
        ----------
        is_ours
            Asked of new keys none of which is known here, given their :meth:`checks`, whether they may be taken up.

        Raises
        ------
        BadKey
            There is no such file, or no key in it.
        """
        try:
            vault = cls(*_read(path))
            vault._path, vault._state, vault._is_ours = path, _state(path), is_ours
        except FileNotFoundError:
            raise BadKey(f"{path} is missing.") from None
        return vault

    @staticmethod
    def create(path: Path) -> None:
        """Make a key file that only its owner can read; an existing one is kept."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "wb") as file:
            _write(file.fileno(), [Fernet.generate_key()])

    def replace_key(self) -> None:
        """Put a new key before those in the file: from now on it encrypts, and the others still decrypt.

        Raises
        ------
        Conflict
            The keys are in a setting, or in a file that is not the server's to write.
        """
        self._save([Fernet.generate_key(), *self._keys])

    def drop_old_keys(self) -> None:
        """Forget all keys but the first, in the file too: what the others encrypted and signed is void.

        Those of a setting are in it until somebody takes them out.
        """
        if self._path is None:
            self._take(self._keys[:1])
        else:
            self._save(self._keys[:1])

    @property
    def has_old_keys(self) -> bool:
        """Whether a key is being replaced."""
        self._refresh()
        return len(self._keys) > 1

    def checks(self) -> list[str]:
        """Return for each key, the present one first, what tells it from others and does not give it away."""
        self._refresh()
        return _checks(self._keys)

    @property
    def problem(self) -> str | None:
        """What is wrong with the file, of which a restart would read other keys than these, or none; None: nothing."""
        self._refresh()
        return self._problem

    def encrypt(self, secret: str) -> str:
        """Return the secret in a form that may be stored."""
        self._refresh()
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """Return the secret that :meth:`encrypt` hid."""
        self._refresh()
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken:
            raise Unavailable("A stored credential was encrypted with another secret key than this server's.") from None

    def is_current(self, stored: str) -> bool:
        """Tell whether it was the first key that encrypted something."""
        self._refresh()
        try:
            Fernet(self._keys[0]).decrypt(stored.encode())
        except InvalidToken:
            return False
        return True

    def sign(self, purpose: str, message: str) -> str:
        """Return the HMAC-SHA256 of a message, in hex, under a key of its own for the purpose."""
        self._refresh()
        return _sign(self._keys[0], purpose, message)

    def verify(self, purpose: str, message: str, signature: str) -> bool:
        """Tell whether the signature is the one that :meth:`sign` gives, in constant time."""
        self._refresh()
        given = signature.encode()
        return any(hmac.compare_digest(_sign(key, purpose, message).encode(), given) for key in self._keys)

    def _refresh(self) -> None:
        """Take up what another process did to the file; a server that lost it goes on with what it has."""
        if self._path is None:
            return
        try:
            state = _state(self._path)
            if state != self._state:
                keys = _read(self._path)
                if not set(keys) & set(self._keys) and self._is_ours is not None and not self._is_ours(_checks(keys)):
                    raise BadKey(f"{self._path} is not the key of this database.")
                self._take(keys)
                self._state, self._problem = state, None
        except (OSError, Unavailable) as error:
            if self._problem is None:
                # No traceback: an operator did it, and the error says what.
                log.error("the secret key is gone: put it back", file=str(self._path), error=str(error))  # noqa: TRY400
            self._state, self._problem = None, str(error)

    def _take(self, keys: Sequence[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._keys = tuple(keys)

    def _save(self, keys: Sequence[bytes]) -> None:
        if self._path is None:
            raise Conflict(_BY_HAND.format(where="the setting secret_key (ENTREPOT_SECRET_KEY)"))
        new = self._path.with_suffix(".new")
        try:
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            raise Conflict(_BY_HAND.format(where=self._path)) from error
        with os.fdopen(descriptor, "wb") as file:
            _write(file.fileno(), keys)
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._take(keys)
        self._state = _state(self._path)


def _read(path: Path) -> list[bytes]:
    return _split(path.read_bytes(), str(path))


def _split(text: bytes, where: str) -> list[bytes]:
    keys = text.split()
    try:
        MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise BadKey(f"{where} holds no key: it is empty or damaged.") from None
    return keys


def _checks(keys: Sequence[bytes]) -> list[str]:
    return [_sign(key, _CHECK, "") for key in keys]


def _write(descriptor: int, keys: Sequence[bytes]) -> None:
    os.write(descriptor, b"\n".join(keys))
    os.fsync(descriptor)


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def _sign(key: bytes, purpose: str, message: str) -> str:
    derived = hmac.digest(key, purpose.encode(), "sha256")
    return hmac.new(derived, message.encode(), hashlib.sha256).hexdigest()
