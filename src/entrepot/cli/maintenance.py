"""`entrepot check`, `backup`, `backups`, `restore` and `resume`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from entrepot.cli.common import (
    AsJson,
    DataDir,
    group,
    open_services,
    reporting_database_errors,
    show,
    show_json,
    show_one,
)
from entrepot.errors import Conflict, InvalidInput


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(check)
    app.command()(backup)
    app.command()(restore)
    app.command()(resume)
    app.add_typer(_backups, name="backups")


_backups = group("Backups at a place, as `entrepot backup --to` writes them.")
_PLACE = Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix.")]


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
    data_dir: DataDir,
    file: Annotated[
        Path | None, typer.Argument(help="The backup to write; without one, an object of the bucket.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="A folder or s3://bucket/prefix that gets what is new since the backups there."),
    ] = None,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="With --to: how many backups stay there.")] = None,
    keep_days: Annotated[
        float | None, typer.Option("--keep-days", min=0, help="With --to: backups of so many days stay there.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Write a consistent backup of everything; the server may run. It holds the secret key: keep it safe.

    It is one file, or, with `--to`, blocks at a place of which each is kept once: the next backup there writes what is
    new. With `--keep` or `--keep-days`, older ones are removed once it is complete.

    Example: `entrepot backup --data-dir data backup.tar.gz`, `entrepot backup --data-dir data --to s3://b/e --keep 30`
    """
    from entrepot.server import backup as files
    from entrepot.server import backups

    if to is None and (keep or keep_days) is not None:
        raise InvalidInput.field("keep", "Only backups at a place are removed: give --to, too.")
    if to is not None and file is not None:
        raise InvalidInput.field("to", "Give a file, or --to, not both.")
    with open_services(data_dir) as services:
        if to is None:
            where, size = files.to_bucket(services) if file is None else (str(file), files.backup(services, file))
            show_one({"file": where, "bytes": size}, json)
            return
        done = backups.backup(services, to)
        said = {
            "backup": done.backup,
            "bytes": done.bytes,
            "new_bytes": done.new_bytes,
            "reused_bytes": done.bytes - done.new_bytes,
        }
        if (keep or keep_days) is not None:
            try:
                removed, blocks = backups.prune(services, to, keep=keep, days=keep_days)
                said |= {"removed_backups": removed, "removed_blocks": blocks}
            except Conflict as another:
                typer.echo(another.message, err=True)
    show_one(said, json)


@_backups.command("list")
def list_backups(place: _PLACE, json: AsJson = False) -> None:
    """List the backups at a place, the oldest first.

    Example: `entrepot backups list s3://backups/entrepot`
    """
    from entrepot.server import backups

    with _elsewhere():
        found = backups.list_backups(place)
    show([{"backup": one.name, "at": one.at, "version": one.version, "bytes": one.bytes} for one in found], json)


@_backups.command("check")
def check_backups(place: _PLACE, json: AsJson = False) -> None:
    """Read all blocks of all backups at a place; exit with 1 when one is missing or damaged.

    Example: `entrepot backups check s3://backups/entrepot`
    """
    from entrepot.server import backups

    with _elsewhere():
        problems = backups.check(place)
    if json:
        show_json(problems)
    else:
        typer.echo("\n".join(problems) or "ok")
    raise typer.Exit(1 if problems else 0)


def restore(
    file: Annotated[str, typer.Argument(help="A backup: a file, an address as it was printed, or a place.")],
    data_dir: DataDir,
    json: AsJson = False,
) -> None:
    """Make a data folder from a backup; the folder, and a PostgreSQL database, must be new.

    The copy calls no webhook, sends no mail and fetches nothing until `entrepot resume`: the server it was made of may
    still run.

    Example: `entrepot restore --data-dir /srv/entrepot-2 /backups/entrepot.tar.gz`
    """
    from entrepot.server import backup as files
    from entrepot.server import backups

    with _elsewhere():
        if file.endswith(".tar.gz") and file.startswith("s3://"):
            settings = files.restore_from_bucket(file, data_dir.absolute())
        elif file.startswith("s3://") or file.endswith(".json") or Path(file).is_dir():
            settings = backups.restore(file, data_dir.absolute())
        else:
            settings = files.restore(Path(file), data_dir.absolute())
    show_one({"data_dir": str(settings.data_dir)}, json)


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Have what is logged of work without a data folder go to standard error: the other is the answer's."""
    from entrepot.server.logs import configure_logging

    configure_logging("warning", "console")
    with reporting_database_errors():
        yield


def resume(data_dir: DataDir) -> None:
    """Have a restored copy call webhooks, send mails and fetch with feeders again; it takes the other server's place.

    Example: `entrepot resume --data-dir /srv/entrepot-2`
    """
    from entrepot.db import installation

    with open_services(data_dir) as services, services.database.write() as session:
        resumed = installation.resume(session)
    typer.echo("calls others again" if resumed else "was not quiet")
