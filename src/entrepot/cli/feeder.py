"""`entrepot feeder`: what fetches files into gates."""

import json as jsons
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_json, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.platform import ProjectName, api_of
from entrepot.errors import EntrepotError, InvalidInput, NotFound

app = typer.Typer(no_args_is_help=True, help="Feeders, which fetch files into gates.")

GateName = Annotated[str, typer.Option("--gate", "-g", help="Name of the gate.")]
_POLL_SECONDS = 0.5


@app.command("ls")
def ls(token: Token, project: ProjectName, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List a project's feeders.

    Example: `entrepot feeder ls --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        found = api.every("/feeders")
    if json:
        show_json(found)
        return
    rows = [
        {
            "gate": one["gate"]["name"],
            "from": one["from"] or "script",
            "schedule": one["schedule"],
            "zone": one["zone"],
            "active": one["active"],
            "last run": one["last_run_at"],
        }
        for one in found
    ]
    show(rows, as_json=False)


@app.command("create")
def create(
    token: Token,
    project: ProjectName,
    gate: GateName,
    source: Annotated[
        str | None, typer.Argument(metavar="ADDRESS", help="`ftp://`, `ftps://`, `sftp://`, `http(s)://` or `s3://`.")
    ] = None,
    url: Url = DEFAULT_URL,
    script: Annotated[
        Path | None, typer.Option("--script", exists=True, dir_okay=False, help="A script that fetches, instead.")
    ] = None,
    crontab: Annotated[
        str, typer.Option("--crontab", help="When: six fields, seconds first. Without: when it is told to.")
    ] = "",
    timezone: Annotated[str, typer.Option("--timezone", help="Zone of the crontab.")] = "UTC",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="As `include=*.csv` or `settle_seconds=60`; repeatable.")
    ] = None,
    credentials_file: Annotated[
        Path | None,
        typer.Option(
            "--credentials-file", exists=True, dir_okay=False, help='JSON as `{"login": "x", "password": "y"}`.'
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Give a gate a feeder; with a crontab, it is active at once.

    Example: `entrepot feeder create sftp://logger.example.org/data --project "Wind farm" --gate scada
    --crontab "0 */10 * * * *" -o "include=*.csv" --credentials-file logger.json`
    """
    if (source is None) == (script is None):
        raise InvalidInput.field("address", "Give either an address or --script.")
    body: dict[str, Any] = {"from": source} if script is None else {"script": script.read_text()}
    body |= {"schedule": crontab, "zone": timezone, "active": bool(crontab), "options": _options(option or [])}
    if credentials_file is not None:
        try:
            body["credentials"] = jsons.loads(credentials_file.read_text())
        except ValueError:
            raise InvalidInput.field("credentials-file", "This is no JSON.") from None
    with api_of(url, token, project) as api:
        made = api.call("POST", "/feeders", {"gate": api.id_of("gates", gate), **body})
    if json:
        show_json(made)
    else:
        typer.echo(made["id"])


@app.command("run")
def run(token: Token, project: ProjectName, gate: GateName, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Have a gate's feeder fetch, wait until it has, and tell what came.

    Example: `entrepot feeder run --project "Wind farm" --gate scada`
    """
    report = _done(url, token, project, gate, "run", lambda line: typer.echo(line, err=True))
    if json:
        show_json(report)
        return
    names = ("seen", "unwanted", "unchanged", "fetched_files", "fetched_bytes", "skipped_files", "failed_files")
    show_one({name: report[name] for name in names if name in report} or report, as_json=False)
    for one in report.get("skipped", []):
        typer.echo(f"{one['path']}: {one['why']}", err=True)


@app.command("test")
def try_(token: Token, project: ProjectName, gate: GateName, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Connect to a feeder's source and list it, without fetching anything.

    Example: `entrepot feeder test --project "Wind farm" --gate scada`
    """
    found = _done(url, token, project, gate, "test", lambda _: None)
    if json:
        show_json(found)
        return
    show([{**one, "fetch": "yes" if one["fetch"] else "no"} for one in found["files"]], as_json=False)
    for one in found["problems"]:
        typer.echo(f"{one['path']}: {one['why']}", err=True)
    typer.echo(f"{found['to_fetch']} of {found['seen']} files would be fetched", err=True)


def _done(url: str, token: str, project: str, gate: str, what: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """Have the feeder do something, and return what came of it."""
    with api_of(url, token, project) as api:
        feeders = api.every("/feeders", gate=api.id_of("gates", gate))
        if not feeders:
            raise NotFound(f"The gate {gate!r} has no feeder.")
        job = api.call("POST", f"/feeders/{feeders[0]['id']}/{'runs' if what == 'run' else what}")
        told = ""
        while True:
            if (output := job.get("output", "")).startswith(told):
                for line in output[len(told) :].splitlines():
                    tell(line)
                told = output
            if job["status"] not in ("pending", "running"):
                break
            time.sleep(_POLL_SECONDS)
            job = api.get(f"/jobs/{job['id']}")
    if job["status"] != "finished":
        raise EntrepotError(f"The {what} {job['status']}: {job['error'] or 'the server does not say why'}")
    result: dict[str, Any] = job["result"]
    return result


def _options(given: list[str]) -> dict[str, Any]:
    """Read options: values that are JSON count as such, and patterns add up."""
    options: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals:
            raise InvalidInput.field("option", f"Write NAME=VALUE, unlike {one!r}.")
        try:
            value = jsons.loads(text)
        except ValueError:
            value = text
        if name in ("include", "exclude"):
            options.setdefault(name, []).append(text)
        else:
            options[name] = value
    return options
