"""`entrepot move`: to another database, and another place of files, while the server serves."""

from pathlib import Path
from typing import Annotated

import typer

from entrepot.cli.common import AsJson, DataDir, open_services, show, show_json
from entrepot.errors import InvalidInput


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(move)


def move(
    data_dir: DataDir,
    to: Annotated[
        str | None, typer.Option(help="The new database: postgresql://..., or sqlite:///FOLDER/entrepot.db.")
    ] = None,
    storage: Annotated[str | None, typer.Option(help="The new place of files: s3://BUCKET/PREFIX.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="The new server's data folder, which gets files (without --storage) and key.")
    ] = None,
    tell: Annotated[str | None, typer.Option(help="What users are told to write to; by default, the database.")] = None,
    read_only_seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="How long nothing may be written at most; then it is tried again.")
    ] = 60.0,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="End a move that was begun; the server goes on as before.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Move a server to another database and place of files; it serves meanwhile, and only reads for some seconds.

    What was cut short goes on when the same command is given again. In the end the old server refuses whatever writes,
    and says where to; its secret key is the new one's.

    Example: `entrepot move --data-dir /srv/entrepot --to postgresql://entrepot@db/entrepot --storage s3://results`
    """
    from entrepot.server.run.moving import move as moving

    with open_services(data_dir) as services:
        if give_up:
            moving.give_up(services)
            typer.echo("given up: what is at the other place can be removed", err=json)
            return
        if to is None:
            raise InvalidInput.field("to", "Say where the database goes: --to postgresql://... or sqlite:///...")
        settings = moving.settings_of(services.settings, to, storage, folder)
        name = tell or _name(to)
        done = moving.Move(
            services,
            settings,
            name=name,
            seconds=read_only_seconds,
            tell=lambda sentence: typer.echo(sentence, err=json),
        ).run()
    if done is None:
        typer.echo("is moved already", err=json)
    elif json:
        show_json(done)
    else:
        show(done.tables, as_json=False)
        typer.echo(f"{done.files:,} files with {done.bytes:,} bytes, {done.files_hash}")
        typer.echo(f"all equal; {done.rows_per_second:,.0f} rows a second")
        if done.read_only_seconds is not None:
            typer.echo(f"nothing could be written for {done.read_only_seconds:.1f} s")
        typer.echo(f"moved to {done.to}: start the new server with the same secret key")


def _name(to: str) -> str:
    """Return what users may know of a database."""
    from sqlalchemy import URL, make_url

    url = make_url(to)
    if url.get_backend_name() == "sqlite":
        return "a SQLite database"
    return URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database).render_as_string()
