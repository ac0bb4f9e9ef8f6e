"""What runs is run by the same words: an importer, a cleaner, an analysis."""

import sys
from typing import Annotated

import typer

from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import ProjectOption
from entrepot.cli.paths import Noun, find

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Wait until it has ended; fail unless it finished.")]
Again = Annotated[bool, typer.Option("--again", help="Delete what it made, and make all of it anew.")]


def add_run(app: typer.Typer, noun: Noun) -> None:
    """Add `run` to the commands of what runs."""

    def run(
        path: Annotated[str, typer.Argument(help="Its path or id.")],
        token: Token,
        project: ProjectOption = None,
        url: Url = DEFAULT_URL,
        follow: Follow = False,
        again: Again = False,
    ) -> None:
        from entrepot.client.runs import Maker

        with port(url, token) as client:
            maker = Maker(client.connection, find(client, noun, path, project))
            maker.kinds = noun.kinds
            begun = maker.start(again=again)
            typer.echo(begun.wait(progress=sys.stderr.isatty()).status if follow else begun.id)

    said = f"Run one {noun.one}, and what depends on it.\n\nExample: `entrepot {noun.kinds} run farm/scada --follow`"
    app.command("run", help=said)(run)
