"""`entrepot analyses`: scripts of analyses that are tried before they count."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from entrepot.cli.common import AsJson, show_json
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import ProjectOption, noun_group
from entrepot.cli.paths import NOUNS, find
from entrepot.cli.running import add_run
from entrepot.cli.trials import print_trial


class Format(StrEnum):
    """What runs publish."""

    parquet = "parquet"
    csv = "csv"


app = noun_group("analyses", "Analyses, which compute series and rows out of series.")
add_run(app, NOUNS["analyses"])


@app.command("try")
def try_(
    path: Annotated[str, typer.Argument(help="Its path, such as `farm/capacity factor`, or its id.")],
    token: Token,
    script: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="A script; without it, the analysis' own.")
    ] = None,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    start: Annotated[str | None, typer.Option("--from", help="Begin of the window, with a zone.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Its end; without both, the last hundred steps.")] = None,
    json: AsJson = False,
) -> None:
    """Run an analysis' script on a window of its inputs and tell what it makes of them. Nothing is written.

    Ends with 1 where a run would refuse any of it.

    Example: `entrepot analyses try "farm/capacity factor" factor.py --from 2014-03-01T00:00Z --to 2014-03-08T00:00Z`
    """
    from entrepot.client.analyses import Analysis

    with port(url, token) as client:
        analysis = Analysis(client.connection, find(client, NOUNS["analyses"], path, project))
        found = analysis.try_script(script, from_=start, to=end)
    if json:
        show_json(found)
    heading = f"{found['rows_in']:,} rows of inputs, {found['window'][0]} to {found['window'][1]}"
    if not print_trial(found, heading=heading, quiet=json):
        raise typer.Exit(1)


@app.command("publish")
def publish_runs(
    path: Annotated[str, typer.Argument(help="Its path or id.")],
    token: Token,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    format_: Annotated[Format, typer.Option("--format", help="What is written.")] = Format.parquet,
    identifier: Annotated[str | None, typer.Option(help="What is in them; by default the analysis' name.")] = None,
    storage: Annotated[str | None, typer.Option(help="Where they are stored.")] = None,
    off: Annotated[bool, typer.Option("--off", help="No more.")] = False,
) -> None:
    """Have each run of an analysis publish what it computed, as a file.

    Example: `entrepot analyses publish farm/availability --format csv`
    """
    from entrepot.client.analyses import Analysis

    options = {"format": format_.value, "identifier": identifier, "storage": storage}
    with port(url, token) as client:
        made = Analysis(client.connection, find(client, NOUNS["analyses"], path, project))
        if off:
            made.publish_runs_no_more()
        else:
            made.publish_runs(**{name: value for name, value in options.items() if value is not None})
