"""`entrepot check`, `backup`, `restore` and `resume`."""

from pathlib import Path
from typing import Annotated

import typer

from entrepot.cli.common import AsJson, DataDir, open_services, reporting_database_errors, show_json, show_one


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(check)
    app.command()(backup)
    app.command()(restore)
    app.command()(resume)


def check(
    data_dir: DataDir,
    files: Annotated[bool, typer.Option("--files", help="Read all published files, not only their sizes.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop points and set files aside that are damaged. Stop the server first.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Check everything that is stored; exit with 1 when something is wrong. The server may run.

    What `--repair` does is printed, and told to the owners in a notice each.

    Example: `entrepot check --data-dir /srv/entrepot --files`
    """
    from entrepot.server.run import check as checks

    with open_services(data_dir) as services:
        if repair:
            for done in checks.repair(services):
                typer.echo(done, err=json)
        found, notes = checks.run(services, files=files), checks.notes(services)
    if json:
        rows = [{"check": name, "ok": not problems, "problems": problems} for name, problems in found.items()]
        show_json([row | ({"note": notes[name]} if (name := str(row["check"])) in notes else {}) for row in rows])
    else:
        for name, problems in found.items():
            note = f" ({notes[name]})" if name in notes else ""
            typer.echo(f"{name:<10} {'ok' if not problems else f'{len(problems)} problems'}{note}")
            for problem in problems:
                typer.echo(f"  {problem}")
    raise typer.Exit(1 if any(found.values()) else 0)


def backup(
    file: Annotated[Path, typer.Argument(help="The backup to write.")], data_dir: DataDir, json: AsJson = False
) -> None:
    """Write a consistent backup of everything into one file; the server may run. It holds the secret key: keep it safe.

    Example: `entrepot backup --data-dir /srv/entrepot /backups/entrepot.tar.gz`
    """
    from entrepot.server import backup as backups

    with open_services(data_dir) as services:
        size = backups.backup(services, file)
    show_one({"file": str(file), "bytes": size}, json)


def restore(file: Annotated[Path, typer.Argument(help="A backup.")], data_dir: DataDir, json: AsJson = False) -> None:
    """Make a data folder from a backup; the folder, and a PostgreSQL database, must be new.

    The copy calls no webhook, sends no mail and fetches nothing until `entrepot resume`: the server it was made of may
    still run.

    Example: `entrepot restore --data-dir /srv/entrepot-2 /backups/entrepot.tar.gz`
    """
    from entrepot.server import backup as backups
    from entrepot.server.logs import configure_logging

    configure_logging("warning", "console")  # to standard error: the other is the answer's
    with reporting_database_errors():
        settings = backups.restore(file, data_dir.absolute())
    show_one({"data_dir": str(settings.data_dir)}, json)


def resume(data_dir: DataDir) -> None:
    """Have a restored copy call webhooks, send mails and fetch with feeders again; it takes the other server's place.

    Example: `entrepot resume --data-dir /srv/entrepot-2`
    """
    from entrepot.db import installation

    with open_services(data_dir) as services, services.database.write() as session:
        resumed = installation.resume(session)
    typer.echo("calls others again" if resumed else "was not quiet")
