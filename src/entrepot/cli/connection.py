"""What commands share that ask a running server: its address, a key, and failures as one line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.errors import EntrepotError, InvalidInput

if TYPE_CHECKING:
    from entrepot.client._http import Connection

Url = Annotated[str, typer.Option("--url", envvar="ENTREPOT_URL", help="Address of the server.")]
Token = Annotated[str, typer.Option("--token", envvar="ENTREPOT_TOKEN", help="An API key's token.")]
DEFAULT_URL = "http://127.0.0.1:8000"


def connect(url: str, token: str) -> "Connection":
    """Return a connection to a server."""
    from entrepot.client._http import Connection

    return Connection(url, headers=authorization(token), timeout=300.0)


def authorization(token: str) -> dict[str, str]:
    """Return the header that a key is sent in."""
    return {"authorization": f"Bearer {token}"}


@contextmanager
def answering() -> Iterator[None]:
    """Turn what a server refuses, or its silence, into one line."""
    import httpx

    try:
        yield
    except httpx.HTTPError as error:
        raise EntrepotError(str(error) or type(error).__name__) from error


def parse_query(text: str) -> dict[str, Any]:
    """Return a query that was given as JSON."""
    try:
        query = json.loads(text)
    except ValueError as error:
        raise InvalidInput.field("query", f"is not JSON: {error}") from None
    if not isinstance(query, dict):
        raise InvalidInput.field("query", "must be an object")
    return query
