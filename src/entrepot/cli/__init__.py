"""The `entrepot` command."""

from typing import Annotated

import typer

import entrepot
from entrepot.cli import (
    analyses,
    bans,
    database,
    demo,
    events,
    feeders,
    files,
    gates,
    importers,
    key,
    keys,
    login,
    maintenance,
    moving,
    notifications,
    organizations,
    parts,
    project_files,
    requests,
    result_sets,
    rows,
    runs,
    series,
    servers,
    setup,
    storages,
    users,
    watches,
    webhooks,
    working,
    works,
)
from entrepot.cli.common import Commands
from entrepot.cli.nouns import noun_group
from entrepot.cli.paths import NOUNS
from entrepot.cli.places import place_group
from entrepot.cli.running import add_run

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="One self-hosted server for results: series, rows, works and files.",
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"entrepot {entrepot.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """One self-hosted server for results: series, rows, works and files."""


# Each module brings its commands; what they need is imported when one runs, so that `--help` is light.
for _module in (setup, servers, database, maintenance, moving, key, demo, login, events, project_files):
    _module.register(app)
working.register(works.app)
_cleaners = noun_group("cleaners", "Cleaners: all channels of an importer, which run together.", ("list", "show"))
add_run(_cleaners, NOUNS["cleaners"])
for _name, _app in {
    "users": users.app,
    "keys": keys.app,
    "organizations": organizations.app,
    "bans": bans.app,
    "projects": noun_group("projects", "Projects: what belongs together."),
    "gates": gates.app,
    "feeders": feeders.app,
    "importers": importers.app,
    "channels": noun_group("channels", "Channels: how a raw series becomes a regular one."),
    "cleaners": _cleaners,
    "analyses": analyses.app,
    "series": series.app,
    "runs": runs.app,
    "watches": watches.app,
    "notifications": notifications.app,
    "sites": place_group("sites", "Sites: where something stands."),
    "locations": place_group("locations", "Locations of sites."),
    "model-definitions": place_group("model-definitions", "Model definitions: which model rows were made with."),
    "parts": parts.app,
    "result-sets": result_sets.app,
    "rows": rows.app,
    "works": works.app,
    "files": files.app,
    "storages": storages.app,
    "requests": requests.app,
    "webhooks": webhooks.app,
}.items():
    app.add_typer(_app, name=_name)

__all__ = ["app"]
