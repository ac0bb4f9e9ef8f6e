"""The `entrepot` command."""

import typer

from entrepot.cli import (
    analysis,
    bans,
    database,
    demo,
    events,
    feeder,
    files,
    gate,
    importer,
    maintenance,
    notices,
    organizations,
    rows,
    run,
    series,
    servers,
    setup,
    storage,
    tokens,
    users,
    webhooks,
    work,
    works,
)
from entrepot.cli.common import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="One self-hosted server for results: series, rows, works and files.",
)

# Each module brings its commands; what they need is imported when one runs, so that `--help` is light.
setup.register(app)
servers.register(app)
database.register(app)
maintenance.register(app)
demo.register(app)
work.register(app)
files.register(app)
events.register(app)
app.add_typer(users.app, name="user")
app.add_typer(tokens.app, name="token")
app.add_typer(bans.app, name="bans")
app.add_typer(organizations.app, name="org")
app.add_typer(run.app, name="run")
app.add_typer(series.app, name="series")
app.add_typer(storage.app, name="storage")
app.add_typer(gate.app, name="gate")
app.add_typer(feeder.app, name="feeder")
app.add_typer(importer.app, name="importer")
app.add_typer(importer.app, name="importers", hidden=True)
app.add_typer(analysis.app, name="analysis")
app.add_typer(notices.app, name="notices")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(works.app, name="works")
app.add_typer(rows.app, name="rows")

__all__ = ["app"]
