"""The server's secret key: encrypts stored credentials and signs what must come back unchanged."""

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from entrepot.errors import Unavailable


class Vault:
    """Encryption and signatures with keys derived from one secret.

    Parameters
    ----------
    key
        A Fernet key: 32 random bytes in URL-safe Base64.
    """

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)
        self._key = key

    @classmethod
    def open(cls, path: Path) -> "Vault":
        """Return the vault of a data folder, whose key ``entrepot init`` made."""
        try:
            return cls(path.read_bytes())
        except FileNotFoundError:
            raise Unavailable(f"{path} is missing: without it, stored credentials cannot be read.") from None

    @staticmethod
    def create(path: Path) -> None:
        """Make a key file that only its owner can read; an existing one is kept."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())

    def encrypt(self, secret: str) -> str:
        """Return the secret in a form that may be stored."""
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """Return the secret that :meth:`encrypt` hid."""
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken:
            raise Unavailable("A stored credential was encrypted with another secret key than this server's.") from None

    def encrypt_bytes(self, content: bytes) -> bytes:
        """Return bytes in a form that may be stored."""
        return self._fernet.encrypt(content)

    def decrypt_bytes(self, stored: bytes) -> bytes:
        """Return the bytes that :meth:`encrypt_bytes` hid."""
        try:
            return self._fernet.decrypt(stored)
        except InvalidToken:
            raise Unavailable("What is stored was encrypted with another secret key than this server's.") from None

    def sign(self, purpose: str, message: str) -> str:
        """Return the HMAC-SHA256 of a message, in hex, under a key of its own for the purpose."""
        derived = hmac.digest(self._key, purpose.encode(), "sha256")
        return hmac.new(derived, message.encode(), hashlib.sha256).hexdigest()

    def verify(self, purpose: str, message: str, signature: str) -> bool:
        """Tell whether the signature is the one that :meth:`sign` gives, in constant time."""
        return hmac.compare_digest(self.sign(purpose, message).encode(), signature.encode())
