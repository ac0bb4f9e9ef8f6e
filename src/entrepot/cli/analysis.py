"""`entrepot analysis`: scripts of analyses that are tried before they count."""

from pathlib import Path
from typing import Annotated

import typer

from entrepot.cli.common import AsJson, show_json
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.platform import ProjectName, api_of
from entrepot.cli.trials import print_trial, tried

app = typer.Typer(no_args_is_help=True, help="Analyses, which compute series out of others.")


@app.callback()
def _group() -> None:
    """Keep `try` a command of its own, though it is the only one."""


@app.command("try")
def try_(
    name: Annotated[str, typer.Argument(help="Name of the analysis.")],
    token: Token,
    project: ProjectName,
    script: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="A script; without it, the analysis' own.")
    ] = None,
    url: Url = DEFAULT_URL,
    start: Annotated[str | None, typer.Option("--from", help="Begin of the window, with a zone.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Its end; without both, the last hundred steps.")] = None,
    json: AsJson = False,
) -> None:
    """Run an analysis' script on a window of its inputs and tell what it makes of them. Nothing is written.

    Ends with 1 where a run would refuse any of it.

    Example: `entrepot analysis try "capacity factor" factor.py --from 2014-03-01T00:00Z --to 2014-03-08T00:00Z
    --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        analysis = api.id_of("analyses", name)
        window = {key: at for key, at in (("start", start), ("end", end)) if at is not None}
        body = {"script": script and script.read_text(), **window}
        found = tried(api, f"/analyses/{analysis}/try", body)
    if json:
        show_json(found)
    heading = f"{found['rows_in']:,} rows of inputs, {found['window'][0]} to {found['window'][1]}"
    if not print_trial(found, heading=heading, quiet=json):
        raise typer.Exit(1)
