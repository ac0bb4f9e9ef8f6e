"""What commands share that ask a running server: its address, a key, and failures as one line."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.errors import EntrepotError, InvalidInput

if TYPE_CHECKING:
    from entrepot.client._http import Connection
    from entrepot.client.native import Client

DEFAULT_URL = "http://127.0.0.1:8000"
Url = Annotated[str, typer.Option("--url", envvar="ENTREPOT_URL", help="Address of the server.")]
Token = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="ENTREPOT_TOKEN",
        help="An API key's token; by default what `entrepot login` keeps.",
        default_factory=str,
        show_default=False,
    ),
]
#: Of programs that work for a server: a key of their own, and never what `entrepot login` keeps.
KeyToken = Annotated[str | None, typer.Option("--token", envvar="ENTREPOT_TOKEN", help="An API key's token.")]
KeyTokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", envvar="ENTREPOT_TOKEN_FILE", help="File with the token, read anew when it is refused."
    ),
]
_TIMEOUT_SECONDS, _PATIENCE_SECONDS = 300.0, 60.0


def door(url: str, token: str) -> tuple[str, str]:
    """Return the address of a server and the token for it: those given, or what `entrepot login` keeps."""
    from entrepot.client.connecting import logins

    if token:
        return url, token
    kept = logins()
    if url == DEFAULT_URL and url not in kept:
        url = next(iter(kept), url)
    # What is kept for one server is shown to no other.
    token = kept.get(url.rstrip("/"), "")
    if not token:
        raise typer.BadParameter("say who asks: `entrepot login URL`, --token or ENTREPOT_TOKEN")
    return url, token


def connect(url: str, token: str) -> "Connection":
    """Return a connection to a server."""
    from entrepot.client._http import Connection

    url, token = door(url, token)
    return Connection(url, headers=authorization(token), timeout=_TIMEOUT_SECONDS, patience=_PATIENCE_SECONDS)


def authorization(token: str) -> dict[str, str]:
    """Return the header that a key is sent in."""
    return {"authorization": f"Bearer {token}"}


@contextmanager
def port(url: str, token: str) -> "Iterator[Client]":
    """Give the SDK's client of a server; turn what the server refuses, or its silence, into one line."""
    from entrepot.client.native import Client

    with answering(), Client(connect(url, token)) as client:
        yield client


@contextmanager
def connected(url: str, token: str) -> "Iterator[Connection]":
    """Give a connection to a server, for what the SDK's client has no verb for; as :func:`port`."""
    with port(url, token) as client:
        yield client.connection


@contextmanager
def answering() -> Iterator[None]:
    """Turn what a server refuses, or its silence, into one line."""
    from entrepot.client.errors import Error

    try:
        yield
    except Error as error:
        raise EntrepotError(str(error)) from error


def key_token(token: str | None, file: Path | None) -> str:
    """Return the token of a program's key."""
    if file is not None:
        return file.read_text().strip()
    if not token:
        raise typer.BadParameter("give a key: --token, --token-file, ENTREPOT_TOKEN or ENTREPOT_TOKEN_FILE")
    return token


def fresh_authorization(file: Path | None) -> Callable[[], dict[str, str]] | None:
    """Return what reads the key of a file anew, which may have been rotated; None for one that is no file's."""
    return None if file is None else lambda: authorization(key_token(None, file))


def parse_query(text: str) -> dict[str, Any]:
    """Return a query that was given as JSON."""
    try:
        query = json.loads(text)
    except ValueError as error:
        raise InvalidInput.field("query", f"is not JSON: {error}") from None
    if not isinstance(query, dict):
        raise InvalidInput.field("query", "must be an object")
    return query
