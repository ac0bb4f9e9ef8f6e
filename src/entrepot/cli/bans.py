"""`entrepot bans`: who is not heard, because it guessed passwords."""

from typing import Annotated

import typer

from entrepot.cli.common import AsJson, DataDir, group, open_services, show
from entrepot.errors import InvalidInput

app = group("Addresses, and logins at addresses, that are refused because they guessed passwords.")


@app.command("list")
def list_(data_dir: DataDir, json: AsJson = False) -> None:
    """List who is refused: an address with all logins that are not known there, or a known login at an address.

    Example: `entrepot bans list --data-dir /srv/entrepot`
    """
    from entrepot.identity import bans

    with open_services(data_dir) as services, services.database.read() as session:
        rows = [
            {
                "address": ban.address,
                "login": ban.login,
                "refused": "the address" if ban.kind == "address" else "the login",
                "since": ban.since,
                "until": ban.until,
            }
            for ban in bans.list_bans(session)
        ]
    show(rows, json)


@app.command("delete")
def delete(
    data_dir: DataDir,
    address: Annotated[str | None, typer.Argument(help="As `list` shows it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every address.")] = False,
) -> None:
    """Hear an address again, at once, with all its logins.

    Example: `entrepot bans delete 192.0.2.7 --data-dir /srv/entrepot`
    """
    from entrepot.identity import bans

    if (address is None) != every:
        raise InvalidInput.field("address", "Give an address, or --all.")
    with open_services(data_dir) as services, services.database.write() as session:
        lifted = bans.lift(session, address)
    typer.echo(f"{lifted} lifted")
