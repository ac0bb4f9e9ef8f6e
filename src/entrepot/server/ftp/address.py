"""Where clients reach the FTP server."""

from typing import NamedTuple

from entrepot.server import state
from entrepot.settings import Settings


class Address(NamedTuple):
    """Protocol, host and port; the host is empty where the server does not run."""

    protocol: str
    host: str
    port: int


def address(settings: Settings, asked_of: str | None) -> Address:
    """Return where clients reach the FTP server.

    The protocol is ``ftps`` only where there is no other: published clients take the word for plain FTP all the same.

    Parameters
    ----------
    asked_of
        The host of whoever asks' request: it is that of a server that listens on every address.
    """
    protocol = "ftps" if settings.ftp_require_tls else "ftp"
    if not settings.ftp:
        return Address(protocol, "", settings.ftp_port)
    host = settings.ftp_public_host or settings.ftp_host or settings.host
    if host in ("0.0.0.0", "::"):  # noqa: S104 - every address: that of this request is one of them
        host = asked_of or host
    return Address(protocol, host, settings.ftp_port or state.ftp_port(settings.data_dir))
