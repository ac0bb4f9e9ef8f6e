"""`entrepot secret-key`: the server's secret key."""

from contextlib import closing
from typing import Annotated

import typer

from entrepot.cli.common import (
    AsJson,
    DataDir,
    group,
    load_settings,
    open_services,
    reporting_database_errors,
    show_one,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_key, name="secret-key")


_key = group("The secret key, which encrypts stored passwords and signs links.")


@_key.command()
def rotate(
    data_dir: DataDir,
    lost: Annotated[
        bool, typer.Option("--lost", help="The key is lost for good: give up what it encrypted. Stop the server first.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Encrypt everything that is stored with a new key; the server may run. Links signed before stop working.

    What was cut short goes on when it is called again; until then both keys are in the file.

    Example: `entrepot secret-key rotate --data-dir /srv/entrepot`
    """
    from entrepot.server import sealed

    if lost:
        show_one(_give_up(data_dir), json)
        return
    with open_services(data_dir) as services:
        show_one({"encrypted_again": sealed.rotate(services.database, services.vault)}, json)


def _give_up(data_dir: DataDir) -> dict[str, int]:
    from entrepot.db import migrate
    from entrepot.server import recognise, sealed
    from entrepot.server.run.serve import alone
    from entrepot.server.services import Services

    settings = load_settings(data_dir)
    with reporting_database_errors(), alone(settings.data_dir), closing(Services.open(settings)) as services:
        migrate.require_current(services.database, settings.data_dir)
        recognise.replace_broken_key(settings)
        lost = sealed.give_up(services.database, services.vault)
    return {f"lost_{what.partition(' of ')[0]}s".replace(" ", "_"): count for what, count in lost.items()}
