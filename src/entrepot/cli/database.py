"""`entrepot db upgrade`: the database's tables."""

import typer

from entrepot.cli.common import DataDir, group, load_settings, reporting_database_errors


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_db, name="db")


_db = group("The database.")


@_db.command()
def upgrade(data_dir: DataDir) -> None:
    """Bring the database's tables to this version; make a backup first.

    Example: `entrepot db upgrade --data-dir /srv/entrepot`
    """
    from entrepot.db import migrate
    from entrepot.server.services import Services

    services = Services.open(load_settings(data_dir))
    with reporting_database_errors():
        before = migrate.current(services.database)
        migrate.upgrade(services.database)
    services.close()
    after = migrate.head()
    typer.echo(f"is at {after} already" if before == after else f"upgraded from {before} to {after}")
