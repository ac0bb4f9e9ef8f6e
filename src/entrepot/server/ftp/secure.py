"""FTPS: sessions and transfers that clients may have encrypted (``AUTH TLS``, ``PROT P``). Needs pyOpenSSL."""

from typing import ClassVar

from OpenSSL import SSL  # type: ignore[import-not-found, unused-ignore]
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

from entrepot.server.ftp.session import Session, Transfer


class SecureTransfer(Transfer, TLS_DTPHandler):  # type: ignore[misc]
    """A data connection, encrypted where the client asked for it."""


class SecureSession(Session, TLS_FTPHandler):  # type: ignore[misc]
    """A control connection, encrypted where the client asked for it; plain ones stay possible."""

    dtp_handler = SecureTransfer
    proto_cmds: ClassVar = {
        **Session.proto_cmds,
        **{name: TLS_FTPHandler.proto_cmds[name] for name in ("AUTH", "PBSZ", "PROT")},
    }


def context(certificate: str) -> SSL.Context:
    """Return what encrypts with a PEM file of a certificate, those that vouch for it, and its key."""
    made = SSL.Context(SSL.TLS_SERVER_METHOD)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    made.use_certificate_chain_file(certificate)
    made.use_privatekey_file(certificate)
    return made
