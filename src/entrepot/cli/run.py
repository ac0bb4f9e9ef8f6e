"""`entrepot run`: an importer, a cleaner or an analysis."""

from enum import StrEnum
from typing import Annotated

import typer

from entrepot.cli.platform import ProjectName, project_of
from entrepot.cli.work import DEFAULT_URL, Token, Url
from entrepot.errors import EntrepotError


class Kind(StrEnum):
    """What can be run."""

    importer = "importer"
    cleaner = "cleaner"
    analysis = "analysis"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    kind: Annotated[Kind, typer.Argument(help="What it is.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait until it has ended; fail unless it finished.")
    ] = False,
) -> None:
    """Run an importer, a cleaner or an analysis, and what depends on it.

    Example: `entrepot run importer scada --project "Wind farm" --follow`
    """
    with project_of(url, token, project) as found:
        get = {Kind.importer: found.get_importer, Kind.cleaner: found.get_cleaner, Kind.analysis: found.get_analysis}
        task = get[kind](name).run()
        if not follow:
            typer.echo(task.id)
        elif (status := task.wait_for_completion(period=1000)) == "refused":
            raise EntrepotError(f"The run was refused: {task.base['message']}")
        else:
            typer.echo(status)
