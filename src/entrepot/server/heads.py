"""Heads of requests and of answers: what is not to be believed, and what browsers are told."""

import re
from collections.abc import Iterable

from starlette.types import Scope

from entrepot.errors import InvalidInput

Header = tuple[bytes, bytes]

_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
#: A server in front may have looked at another one of two.
_SINGLE = frozenset((b"host", b"authorization", b"x-access-token", b"content-type", b"content-length"))
_CREDENTIALS = frozenset((b"authorization", b"x-access-token", b"cookie"))
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_REFERRER = (b"referrer-policy", b"same-origin")
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE = (b"cache-control", b"no-store")
_REVALIDATE = (b"cache-control", b"private, no-cache")


def require_sound(scope: Scope) -> None:
    """Refuse a head that two servers could understand in two ways, or whose host is none.

    Raises
    ------
    InvalidInput
        It is not sound; the header is named.
    """
    seen = set()
    for name, value in scope["headers"]:
        if name in _SINGLE:
            if name in seen:
                raise InvalidInput(f"The header {name.decode().title()} may be there once.")
            seen.add(name)
            if name == b"host" and not _HOST.fullmatch(value):
                raise InvalidInput("The header Host is no name of a host.")
    if b"host" not in seen and scope["http_version"] == "1.1":
        raise InvalidInput("HTTP/1.1 asks for the header Host.")


def protect(scope: Scope, headers: Iterable[Header]) -> list[Header]:
    """Return the headers of an answer, with those that keep browsers from more than showing it.

    What the answer says itself counts. To who came with credentials, it is told that nobody may keep a copy; what has
    an ETag may be kept by that one alone.
    """
    protected = list(headers)
    names = {name.lower() for name, _ in protected}
    protected += [header for header in (_NOSNIFF, _REFERRER, _POLICY) if header[0] not in names]
    if b"cache-control" not in names and any(name in _CREDENTIALS for name, _ in scope["headers"]):
        protected.append(_REVALIDATE if b"etag" in names else _NO_STORE)
    return protected
