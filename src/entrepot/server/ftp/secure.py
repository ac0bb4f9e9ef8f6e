"""FTPS: sessions and transfers that clients may have encrypted (``AUTH TLS``, ``PROT P``). Needs pyOpenSSL."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from OpenSSL import SSL  # type: ignore[import-not-found, unused-ignore]
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

from entrepot.errors import InvalidInput
from entrepot.server.ftp.session import Session
from entrepot.server.ftp.transfers import Transfer


class SecureTransfer(Transfer, TLS_DTPHandler):  # type: ignore[misc]
    """A data connection, encrypted where the client asked for it."""


class SecureSession(Session, TLS_FTPHandler):  # type: ignore[misc]
    """A control connection, encrypted where the client asked for it; plain ones stay possible."""

    dtp_handler = SecureTransfer
    proto_cmds: ClassVar = {
        **Session.proto_cmds,
        **{name: TLS_FTPHandler.proto_cmds[name] for name in ("AUTH", "PBSZ", "PROT")},
    }


def context(certificate: Path) -> SSL.Context:
    """Return what encrypts with a PEM file of a certificate, those that vouch for it, and its key.

    Raises
    ------
    InvalidInput
        The file cannot be read, is no such file, or its key is that of another certificate.
    """
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    steps: dict[str, Callable[[str], None]] = {
        "does not begin with a certificate": made.use_certificate_chain_file,
        "has no key that fits its certificate and needs no passphrase": made.use_privatekey_file,
    }
    try:
        certificate.read_bytes()
    except OSError as error:
        raise InvalidInput.field("ftp_certificate", f"{certificate} cannot be read: {error.strerror}.") from None
    for problem, use in steps.items():
        try:
            use(str(certificate))
        except SSL.Error:
            raise InvalidInput.field("ftp_certificate", f"{certificate} {problem}.") from None
    return made
