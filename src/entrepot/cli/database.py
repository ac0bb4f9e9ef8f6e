"""`entrepot db`: the database's tables, its space and its files."""

from contextlib import closing
from typing import Annotated

import typer

from entrepot.cli.common import DataDir, group, load_settings, reporting_database_errors


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_db, name="db")


_db = group("The database.")


@_db.command()
def upgrade(
    data_dir: DataDir,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Make no copy of the database first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Bring the database's tables to this version, when no server runs on it; a copy of it is made first.

    To go back, install the former version and restore that copy with it.

    Example: `entrepot db upgrade --data-dir /srv/entrepot`
    """
    from entrepot.server.run import upgrade as upgrades
    from entrepot.server.services import Services

    with reporting_database_errors(), closing(Services.open(load_settings(data_dir))) as services:
        plan = upgrades.plan(services)
        if not plan.steps:
            typer.echo(f"is at {plan.found} already")
            return
        size, minutes = f"{plan.bytes / 2**20:,.0f} MiB", max(round(plan.seconds / 60), 1)
        typer.echo(f"from {plan.found} to {plan.wanted}; the database has {size}: about {minutes} min")
        for step in plan.steps:
            typer.echo(f"  {step}")
        if not dry_run:
            upgrades.run(services, plan, copy=not no_backup, tell=typer.echo)
            typer.echo(f"upgraded from {plan.found} to {plan.wanted}")


@_db.command()
def vacuum(
    data_dir: DataDir,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Give back to the disk what deletions freed in the database. A server does so itself, some at a time.

    Example: `entrepot db vacuum --data-dir /srv/entrepot`
    """
    from entrepot.db import migrate
    from entrepot.server.run import vacuum as vacuums
    from entrepot.server.services import Services

    settings = load_settings(data_dir)
    with reporting_database_errors(), closing(Services.open(settings)) as services:
        migrate.require_current(services.database, settings.data_dir)
        for sentence in vacuums.plan(services):
            typer.echo(sentence)
        if not dry_run:
            vacuums.vacuum_now(services, typer.echo)


@_db.command()
def adopt(data_dir: DataDir) -> None:
    """Say that the files in this data folder are those of its database, after they were moved or restored by hand.

    Example: `entrepot db adopt --data-dir /srv/entrepot`
    """
    from entrepot.db import migrate
    from entrepot.server import recognise
    from entrepot.server.run.serve import alone
    from entrepot.server.services import Services

    settings = load_settings(data_dir)
    with reporting_database_errors(), alone(settings.data_dir), closing(Services.open(settings)) as services:
        recognise.open_vault(services)
        migrate.require_current(services.database, settings.data_dir)
        recognise.adopt(services)
