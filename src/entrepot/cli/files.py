"""`entrepot files`: published files."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.renamed import Renaming
from entrepot.cli.results import add_explain, add_lock
from entrepot.errors import EntrepotError, InvalidInput

FileId = Annotated[str, typer.Argument(metavar="FILE", help="Its id.")]

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Published files.")
add_lock(app, "files", "file", "0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e")
add_explain(app, "files", "file", "0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e")


_HELP = """Publish files, and those in folders, with a progress bar; what breaks goes on where it was.

Example: `entrepot files publish report.pdf results/ --identifier weekly --url https://entrepot.example`
"""


@app.command(help=_HELP)
def publish(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", exists=True, help="Files and folders.")],
    token: Token,
    url: Url = DEFAULT_URL,
    identifier: Annotated[str | None, typer.Option(help="What is in them; by default their names.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Their type; by default what they show.")] = None,
    request: Annotated[str | None, typer.Option("--request", "--poll", help="The request that they answer.")] = None,
    step: Annotated[
        str | None, typer.Option("--step", "--task", help="The step of a request that they answer.")
    ] = None,
    storage: Annotated[str | None, typer.Option(help="Where they are stored.")] = None,
    project: Annotated[str | None, typer.Option(help="The project that they belong to.")] = None,
    json: AsJson = False,
) -> None:
    """Publish files."""
    from tqdm import tqdm

    from entrepot.client.errors import Error

    described = {
        "identifier": identifier,
        "type": type_,
        "request": request,
        "step": step,
        "storage": storage,
        "project": project,
    }
    fields = {name: value for name, value in described.items() if value is not None}
    found = list(_files(paths))
    if not found:
        raise InvalidInput("There is no file in what was given.")
    total = sum(path.stat().st_size for path in found)
    records = []
    with port(url, token) as client, tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar:
        for path in found:
            bar.set_description(path.name[:40])
            try:
                before = bar.n
                records.append(client.files.publish(path, progress=_following(bar, before), **fields))
            except Error as error:
                raise EntrepotError(f"{path}: {error}") from None
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


@app.command("list")
def list_(
    token: Token,
    url: Url = DEFAULT_URL,
    identifier: Annotated[str | None, typer.Option(help="Only those of this identifier.")] = None,
    project: Annotated[str | None, typer.Option(help="Only those of this project.")] = None,
    status: Annotated[str | None, typer.Option(help="available (the default), consumed or expired.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List published files, the newest first.

    Example: `entrepot files list --identifier weekly`
    """
    wanted = {"identifier": identifier, "project": project, "status": status}
    with port(url, token) as client:
        filters = {name: value for name, value in wanted.items() if value is not None}
        found = list(islice(client.files.find(**filters), limit))
    names = ("id", "name", "identifier", "type", "size", "status")
    show(found if json else [{name: one[name] for name in names} for one in found], json)


@app.command("show")
def show_file(file_id: FileId, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Show one published file.

    Example: `entrepot files show 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e`
    """
    with port(url, token) as client:
        show_one(client.files.get(file_id), json)


@app.command("download")
def download(
    file_id: FileId,
    token: Token,
    url: Url = DEFAULT_URL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to; by default its name, here.")] = None,
) -> None:
    """Fetch a published file and check its SHA-256; what broke goes on where it was.

    Example: `entrepot files download 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e -o weekly.zip`
    """
    with port(url, token) as client:
        target = output or Path(Path(client.files.get(file_id)["name"]).name)
        typer.echo(client.files.download(file_id, target))


@app.command("withdraw")
def withdraw(file_id: FileId, token: Token, url: Url = DEFAULT_URL) -> None:
    """Take a published file back: nobody can fetch it any more, and the server deletes what it keeps of it.

    Example: `entrepot files withdraw 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e`
    """
    with port(url, token) as client:
        typer.echo(f"{client.files.withdraw(file_id)['name']}: expired")
