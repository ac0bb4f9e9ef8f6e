"""`entrepot publish` and `entrepot publish-runs`: files to a server, and what its analyses publish themselves."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.platform import ProjectName, project_of
from entrepot.errors import EntrepotError, InvalidInput


class Format(StrEnum):
    """What runs publish."""

    parquet = "parquet"
    csv = "csv"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(help=_HELP)(publish)
    app.command("publish-runs")(publish_runs)


_HELP = """Publish files, and those in folders, with a progress bar; what breaks goes on where it was.

Example: `entrepot publish report.pdf results/ --identifier weekly --url https://entrepot.example`
"""


def publish(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", exists=True, help="Files and folders.")],
    token: Token,
    url: Url = DEFAULT_URL,
    identifier: Annotated[str | None, typer.Option(help="What is in them; by default their names.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Their type; by default what they show.")] = None,
    poll: Annotated[str | None, typer.Option(help="The poll that they answer.")] = None,
    task: Annotated[str | None, typer.Option(help="The task that they answer.")] = None,
    storage_config: Annotated[str | None, typer.Option(help="Where they are stored.")] = None,
    project: Annotated[str | None, typer.Option(help="The project that they belong to.")] = None,
    json: AsJson = False,
) -> None:
    """Publish files."""
    import httpx
    from tqdm import tqdm

    from entrepot.cli.connection import answering, connect
    from entrepot.client.files import Files

    described = {
        "identifier": identifier,
        "type": type_,
        "poll": poll,
        "task": task,
        "storage_config": storage_config,
        "project": project,
    }
    fields = {name: value for name, value in described.items() if value is not None}
    found = list(_files(paths))
    if not found:
        raise InvalidInput("There is no file in what was given.")
    total = sum(path.stat().st_size for path in found)
    files = Files(connect(url, token))
    records = []
    with answering(), tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar:
        for path in found:
            bar.set_description(path.name[:40])
            try:
                before = bar.n
                records.append(files.publish(path, progress=_following(bar, before), **fields))
            except httpx.HTTPError as error:
                raise EntrepotError(f"{path}: {error or type(error).__name__}") from None
    names = ("id", "name", "type", "size", "sha256")
    show(records if json else [{name: record[name] for name in names} for record in records], json)


def _following(bar: Any, before: int) -> Callable[[int, int | None], object]:
    """Return what brings a bar of several files to where one of them is."""
    return lambda done, _total: bar.update(before + done - bar.n)


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.is_file())
        else:
            yield path


def publish_runs(
    analysis: Annotated[str, typer.Argument(help="Its name.")],
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    format_: Annotated[Format, typer.Option("--format", help="What is written.")] = Format.parquet,
    identifier: Annotated[str | None, typer.Option(help="What is in them; by default the analysis' name.")] = None,
    storage_config: Annotated[str | None, typer.Option(help="Where they are stored.")] = None,
    off: Annotated[bool, typer.Option("--off", help="No more.")] = False,
) -> None:
    """Have each run of an analysis publish what it computed, as a file.

    Example: `entrepot publish-runs availability --project "Wind farm" --format csv`
    """
    from entrepot.cli.connection import answering, connect
    from entrepot.client.analyses import Analysis

    with project_of(url, token, project) as found:
        analysis_id = found.get_analysis(analysis).id
    made = Analysis(connect(url, token), {"id": analysis_id, "name": analysis})
    options = {"format": format_.value, "identifier": identifier, "storage_config": storage_config}
    with answering():
        if off:
            made.publish_runs_no_more()
        else:
            made.publish_runs(**{name: value for name, value in options.items() if value is not None})
