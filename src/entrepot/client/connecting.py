"""Connections to a server: where it is and who asks, said here, by the environment, or by `entrepot login`."""

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrepot.client import _http, native

if TYPE_CHECKING:
    from entrepot.client.aio import native as aio_native

DEFAULT_URL = "http://127.0.0.1:8000"
#: Seconds that a request may be put off by a server that says when to try again.
_PATIENCE = 60.0


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    login: str | None = None,
    password: str | None = None,
    timeout: float | None = 60.0,
) -> native.Client:
    """Connect to a server, perhaps for the length of a block: ``with entrepot.connect() as port:``.

    Parameters
    ----------
    url
        Address of the server; by default ``ENTREPOT_URL``, else that of `entrepot login`, else this machine's.
    token
        An API key's token; by default ``ENTREPOT_TOKEN``, else what `entrepot login` keeps for the address.
    login, password
        In place of a token.
    timeout
        Seconds until a request without an answer is given up.

    Raises
    ------
    ValueError
        Neither a token nor a login is given.
    Error
        The server refuses the credentials, or does not answer; every method raises one, with the server's own words.
    """
    address, options = _options(url, token, login, password)
    return native.Client(_http.Connection(address, timeout=timeout, patience=_PATIENCE, **options)).admitted()


class Connecting:
    """What :func:`connect_async` returns: awaited, or entered, it is the client."""

    def __init__(self, client: "aio_native.Client") -> None:
        self._client = client

    def __await__(self) -> Generator[Any, None, "aio_native.Client"]:
        """Return the client, once the server has let it in."""
        return self._client.admitted().__await__()

    async def __aenter__(self) -> "aio_native.Client":
        """Return the client, once the server has let it in."""
        return await self._client.admitted()

    async def __aexit__(self, *_error: object) -> None:
        """Close the connection."""
        await self._client.close()


def connect_async(
    url: str | None = None,
    token: str | None = None,
    *,
    login: str | None = None,
    password: str | None = None,
    timeout: float | None = 60.0,
) -> Connecting:
    """Connect to a server: ``async with entrepot.connect_async() as port:``; arguments are those of :func:`connect`."""
    # Most have no use for it, and it takes as long to import as the other one.
    from entrepot.client.aio import _http as aio_http
    from entrepot.client.aio import native as aio_native

    address, options = _options(url, token, login, password)
    return Connecting(aio_native.Client(aio_http.Connection(address, timeout=timeout, patience=_PATIENCE, **options)))


def _options(url: str | None, token: str | None, login: str | None, password: str | None) -> tuple[str, dict[str, Any]]:
    """Return the address, and what says who asks."""
    kept, token = logins(), token or os.environ.get("ENTREPOT_TOKEN")
    # Whoever gives a token does not mean the server of another one.
    usual = DEFAULT_URL if token or login is not None else next(iter(kept), DEFAULT_URL)
    url = (url or os.environ.get("ENTREPOT_URL") or usual).rstrip("/")
    if login is not None:
        return url, {"auth": (login, password or "")}
    token = token or kept.get(url)
    if not token:
        raise ValueError("give a token (or set ENTREPOT_TOKEN, or use `entrepot login`), or login and password")
    return url, {"headers": {"authorization": f"Token {token}"}}


def logins_file() -> Path:
    """Return the file in which `entrepot login` keeps tokens, for its owner alone."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "entrepot" / "logins.json"


def logins() -> dict[str, str]:
    """Return the tokens that are kept, by the address of the server, the last one first."""
    try:
        found = json.loads(logins_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(url): str(token) for url, token in found.items()} if isinstance(found, dict) else {}


def keep_login(url: str, token: str | None) -> None:
    """Keep the token for a server, which becomes the one by default; None: forget it."""
    url = url.rstrip("/")
    kept = {url: token} | {one: other for one, other in logins().items() if one != url}
    file = logins_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump({one: other for one, other in kept.items() if other}, opened, indent=1)
    part.replace(file)
