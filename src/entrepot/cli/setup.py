"""`entrepot init`: a new data folder."""

from typing import Annotated

import typer

from entrepot.cli.common import (
    AsJson,
    DataDir,
    PasswordFile,
    load_settings,
    read_password,
    reporting_database_errors,
    show_one,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    data_dir: DataDir,
    organization: Annotated[str, typer.Option(help="Name of the first organization.")],
    admin: Annotated[str, typer.Option(help="Login of its administrator.")],
    password_file: PasswordFile = None,
    json: AsJson = False,
) -> None:
    """Make a data folder, its database, the organization, its administrator and a first API key.

    Without a password file, a password is made and printed, once. The database is SQLite in the data folder unless
    `ENTREPOT_DATABASE_URL` names another.

    Example: `entrepot init --data-dir /srv/entrepot --organization Openergy --admin ada@example.org`
    """
    from entrepot.server.setup import initialise

    settings = load_settings(data_dir)
    with reporting_database_errors():
        made = initialise(settings, organization, admin, read_password(password_file))
    show_one(made, json)
