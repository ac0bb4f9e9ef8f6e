"""`entrepot requests`: what others ask to be fetched and published, and a worker that serves it."""

import json
import os
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, connected, port
from entrepot.cli.nouns import Settings, settings_of
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput
from entrepot.signals import ENDS, stop_on

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Requests: what others ask to be fetched and published.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the request.")]


@app.command("list")
def list_(
    token: Token,
    url: Url = DEFAULT_URL,
    status: Annotated[str | None, typer.Option(help="pending, processing, completed, failed or cancelled.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List requests, newest first.

    Example: `entrepot requests list --status pending`
    """
    with port(url, token) as client:
        found = list(islice(client.requests.list(**({"status": status} if status else {})), limit))
    show(found if json else list(map(_line, found)), json)


@app.command("show")
def show_request(request_id: Id, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Show a request, with its steps.

    Example: `entrepot requests show 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e`
    """
    with port(url, token) as client:
        show_one(client.requests.get(request_id), json)


@app.command("create")
def create(
    token: Token,
    source: Annotated[
        str | None, typer.Argument(metavar="[USER/TYPE/IDENTIFIER]", help="What it is asked of, or the id of that.")
    ] = None,
    payload: Settings = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Ask for data: whoever serves requests fetches it and publishes files.

    Example: `entrepot requests create 'ada/icloud.account/ada@example.org' 'data_types=["photos"]'`
    """
    with port(url, token) as client:
        made = client.requests.create(_source(source), settings_of(payload))
    show_one(made if json else _line(made), json)


@app.command("cancel")
def cancel(request_id: Id, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """End a request early; what was published for it stays.

    Example: `entrepot requests cancel 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e`
    """
    with port(url, token) as client:
        ended = client.requests.cancel(request_id)
    show_one(ended if json else _line(ended), json)


def _source(text: str | None) -> dict[str, str] | str | None:
    """Return what a request asks data of: an id, or whose, of which type, and which."""
    if text is None or "/" not in text:
        return text
    user, _, rest = text.partition("/")
    type_, slash, identifier = rest.partition("/")
    if not slash:
        raise InvalidInput.field("source", "Write USER/TYPE/IDENTIFIER, or an id.")
    return {"user": user, "type": type_, "identifier": identifier}


def _line(one: dict[str, Any]) -> dict[str, Any]:
    asked, errors = one["source"], [step["error"] for step in one["steps"] if step["error"]]
    return {
        "id": one["id"],
        "status": one["status"],
        "source": asked and f"{asked['user']}/{asked['type']}/{asked['identifier']}",
        "created at": one["created_at"],
        "ended at": one["ended_at"],
        "error": "; ".join(errors) or None,
    }


@app.command("serve")
def serve(
    token: Token,
    url: Url = DEFAULT_URL,
    folder: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Fetch from here: `<type>/<identifier>/<files>`.")
    ] = None,
    function: Annotated[
        str | None, typer.Option(help="Fetch by this function, a dotted name that this environment can import.")
    ] = None,
    source_type: Annotated[list[str] | None, typer.Option(help="Only requests of sources of these types.")] = None,
    lives: Annotated[int, typer.Option(min=-1, help="How often to look for a request; -1: without end.")] = -1,
    sleep: Annotated[float, typer.Option(min=0, help="Seconds to wait where there is none.")] = 10.0,
) -> None:
    """Fetch what requests ask for, publish it, and report.

    A function gets `source`, `payload`, `poll` and `task`, and returns `results, files, None`: the files are published
    as the answers of the request, each under its name without the last suffix.

    Example: `entrepot requests serve --folder exports/`
    """
    from entrepot.client import polls

    if (folder is None) == (function is None):
        raise typer.BadParameter("say where from: either --folder or --function")
    if folder is not None:
        os.environ[polls.FOLDER] = str(folder.resolve())
    stop = stop_on(*ENDS)  # what runs is finished first
    fetch = function or f"{polls.__name__}.{polls.from_folder.__name__}"
    with connected(url, token) as connection:
        worker = polls.PollWorker(connection, fetch, source_type or (), tell=lambda line: typer.echo(line, err=True))
        done = worker.run(stop, lives, sleep)
    typer.echo(json.dumps({"done": done}))
