"""Addresses that users name, and which of them may be reached: they must not lead into the operator's own network.

A name is resolved once, every address it stands for is checked, and the connection goes to the very address that was
checked: a name that answers differently the second time gains nothing.
"""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from entrepot.errors import InvalidInput

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

#: What Python counts as global, yet leads elsewhere: IPv4 addresses in IPv6 ones, and clouds' own services.
_TUNNELS = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"), ip_network("2001::/32"))
_SPECIAL = (ip_network("168.63.129.16/32"), ip_network("192.88.99.0/24"))


class Refused(InvalidInput):
    """The address leads inside, and the operator does not allow that."""


def is_allowed(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Tell whether users may have the server connect to an address: a public one, or one of the allowed networks."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in allowed):
        return True
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in (*_TUNNELS, *_SPECIAL))


def resolve(host: str, port: int, allowed: Iterable[Network] = ()) -> list[str]:
    """Return the addresses of a host, having checked every one of them.

    Raises
    ------
    Refused
        One of them leads inside.
    OSError
        The name is not known.
    """
    allowed = tuple(allowed)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        if not is_allowed(ip_address(address), allowed):
            raise Refused.field("url", f"{host} leads to {address}, which is not a public address.")
    return addresses


def connect(host: str, port: int, allowed: Iterable[Network] = (), *, seconds: float = 10.0) -> socket.socket:
    """Return a connection to a host, made to the very address that was checked.

    Parameters
    ----------
    seconds
        Longest that connecting, and each operation on the connection, may take.

    Raises
    ------
    Refused
        The host leads inside.
    OSError
        The name is not known, or nobody answers.
    """
    problem: OSError | None = None
    for address in resolve(host, port, allowed):
        try:
            return socket.create_connection((address, port), seconds)
        except OSError as error:
            problem = error
    raise problem or OSError(f"{host} has no address")


def check_url(url: str, allowed: Iterable[Network] = (), *, field: str = "url") -> str:
    """Return a URL of users, checked as far as it can be before it is used; a name that is unknown yet may come later.

    Raises
    ------
    InvalidInput
        It is no HTTP URL, or leads inside.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidInput.field(field, "This is not a URL.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInput.field(field, "This must be an http or https URL.")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput.field(field, "Credentials do not belong into a URL.")
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise InvalidInput.field(field, "There are spaces or control characters in this URL.")
    try:
        resolve(host, port or 443, allowed)
    except Refused as error:
        raise InvalidInput.field(field, error.fields["url"][0]) from None
    except (OSError, UnicodeError):
        pass
    return url
