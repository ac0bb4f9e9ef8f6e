"""`entrepot works run`: a worker."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.connection import (
    DEFAULT_URL,
    KeyToken,
    KeyTokenFile,
    Url,
    connected,
    fresh_authorization,
    key_token,
    parse_query,
)
from entrepot.signals import ENDS, stop_on


def register(app: typer.Typer) -> None:
    """Add `run` to the commands of works."""
    app.command("run", help=_HELP)(run_works)


_HELP = """Withdraw works of pipelines, run them, and report.

A work's `function` is a dotted Python name that this environment can import; its `command` is run as it is. Each runs
in a process of its own, for as long as its `timeout` allows.

Example: `entrepot works run dispersion --site local --keep /data/products`
"""


def run_works(
    pipelines: Annotated[list[str] | None, typer.Argument(metavar="[PIPELINE...]", help="Whose works to do.")] = None,
    token: KeyToken = None,
    token_file: KeyTokenFile = None,
    url: Url = DEFAULT_URL,
    site: Annotated[str | None, typer.Option(help="Only works of this site.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only works with one of these tags.")] = None,
    event: Annotated[list[int] | None, typer.Option(help="Only works of one of these events.")] = None,
    parent: Annotated[list[str] | None, typer.Option(help="Only works of one of these parents.")] = None,
    where: Annotated[str | None, typer.Option(help="Only works that match this MongoDB query (JSON).")] = None,
    function: Annotated[str | None, typer.Option(help="Run this function, whatever works say.")] = None,
    command: Annotated[str | None, typer.Option(help="Run this command, whatever works say.")] = None,
    keep: Annotated[
        str | None, typer.Option(help="Folder, or `s3://bucket/prefix`, for products, plots and logs.")
    ] = None,
    lives: Annotated[int, typer.Option(min=-1, help="How often to look for a work; -1: without end.")] = -1,
    sleep: Annotated[float, typer.Option(min=0, help="Seconds to wait where there is none.")] = 10.0,
    prefetch: Annotated[
        int, typer.Option(min=0, max=999, help="Works to fetch ahead, where they are short: their timeouts run.")
    ] = 0,
    reports: Annotated[
        Path | None, typer.Option(help="Folder of reports that the server has not acknowledged yet.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Only send the reports that are kept, and end.")] = False,
) -> None:
    """Withdraw works of pipelines, run them, and report."""
    from entrepot.client.keeping import Keeping
    from entrepot.client.outbox import Outbox, default_folder
    from entrepot.client.worker import Worker

    if function and command:
        raise typer.BadParameter("only either --function or --command can be given")
    if not pipelines and not resume:
        raise typer.BadParameter("say whose works to do: PIPELINE...")
    query: dict[str, Any] = {"pipeline": {"$in": pipelines or []}, **({"site": site} if site else {})}
    among = {"tags": tag, "event": event, "config.parent": parent}
    query |= {name: {"$in": values} for name, values in among.items() if values}
    if where:
        query["$and"] = [parse_query(where)]
    stop = stop_on(*ENDS)  # what runs is finished first
    with connected(url, key_token(token, token_file)) as connection:
        worker = Worker(
            connection,
            query,
            outbox=Outbox(reports or default_folder(), url.rstrip("/")),
            fresh_headers=fresh_authorization(token_file),
            keeping=Keeping(keep),
            function=function,
            command=shlex.split(command) if command else None,
            tell=lambda line: typer.echo(line, err=True),
            prefetch=prefetch,
        )
        if resume:
            typer.echo(json.dumps({"sent": worker.resume()}))
            return
        done = worker.run(stop, lives, sleep)
    typer.echo(json.dumps({"done": done}))
