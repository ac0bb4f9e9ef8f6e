"""`entrepot login` and `logout`: which server is meant, and who asks, kept for the commands and the SDK."""

from typing import Annotated

import typer

from entrepot.cli.connection import authorization
from entrepot.errors import InvalidInput

Server = Annotated[str, typer.Argument(metavar="URL", help="Address of the server.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(login)
    app.command()(logout)


def login(
    url: Server,
    token: Annotated[
        str, typer.Option("--token", envvar="ENTREPOT_TOKEN", prompt=True, hide_input=True, help="An API key's token.")
    ],
) -> None:
    """Keep the address of a server and a key for it, so that commands and the SDK need be told neither.

    The key is asked for, unless ENTREPOT_TOKEN has it; it is kept in a file that only you can read.

    Example: `entrepot login https://results.wind.example`
    """
    from entrepot.cli.connection import answering
    from entrepot.client._http import Connection
    from entrepot.client.connecting import keep_login, logins_file
    from entrepot.client.native import Client

    url = _whole(url)
    with answering(), Client(Connection(url, headers=authorization(token))) as client:
        client.admitted()
    keep_login(url, token)
    typer.echo(f"{url}: kept in {logins_file()}")


def logout(url: Server) -> None:
    """Forget the key that is kept for a server; it goes on working for whoever has it.

    Example: `entrepot logout https://results.wind.example`
    """
    from entrepot.client.connecting import keep_login, logins

    url = _whole(url)
    if (known := logins()).keys().isdisjoint((url, url.rstrip("/"))):
        raise InvalidInput.field("url", f"Nothing is kept for {url}; there are {', '.join(known) or 'no logins'}.")
    keep_login(url, None)
    typer.echo(f"{url}: forgotten")


def _whole(url: str) -> str:
    """Return an address with its scheme, which needs not be typed."""
    return url if "://" in url else f"https://{url}"
