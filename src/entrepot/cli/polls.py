"""`entrepot polls`: a worker that serves what others ask for through the ricloud door."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.renamed import Renaming

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Polls: what others ask to be fetched and published.")


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
    source_type: Annotated[list[str] | None, typer.Option(help="Only polls of sources of one of these types.")] = None,
    lives: Annotated[int, typer.Option(min=-1, help="How often to look for a poll; -1: without end.")] = -1,
    sleep: Annotated[float, typer.Option(min=0, help="Seconds to wait where there is none.")] = 10.0,
) -> None:
    """Fetch what polls ask for, publish it, and report.

    A function gets `source`, `payload`, `poll` and `task`, and returns `results, files, None`: the files are published
    as the poll's results, each under its name without the last suffix.

    Example: `entrepot requests serve --folder /exports`
    """
    from entrepot.cli.connection import answering, connect
    from entrepot.client import polls

    if (folder is None) == (function is None):
        raise typer.BadParameter("say where from: either --folder or --function")
    if folder is not None:
        os.environ[polls.FOLDER] = str(folder.resolve())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # What runs is finished first.
        signal.signal(number, lambda *_: stop.set())
    worker = polls.PollWorker(
        connect(url, token),
        function or f"{polls.__name__}.{polls.from_folder.__name__}",
        source_type or (),
        tell=lambda line: typer.echo(line, err=True),
    )
    with answering():
        done = worker.run(stop, lives, sleep)
    typer.echo(json.dumps({"done": done}))
