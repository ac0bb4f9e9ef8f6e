"""`entrepot feeders`: what fetches files into gates."""

import json as jsons
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_json, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import ProjectOption, Settings, Yes, settings_of
from entrepot.cli.paths import NOUNS, find
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from entrepot.client.native import Client

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Feeders, which fetch files into gates.")

GateName = Annotated[str, typer.Option("--gate", "-g", help="Path or id of the gate.")]
GatePath = Annotated[str | None, typer.Argument(metavar="GATE", help="Path or id of the gate.")]
GateOption = Annotated[str | None, typer.Option("--gate", "-g", hidden=True)]


@app.command("list")
def list_(
    token: Token,
    path: Annotated[str | None, typer.Argument(metavar="[PROJECT]", help="Of this project alone.")] = None,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """List feeders.

    Example: `entrepot feeders list farm`
    """
    with port(url, token) as client:
        above = path or project
        owner = {} if above is None else {"project": find(client, NOUNS["projects"], above)["id"]}
        found = client.feeders.all(**owner)
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
    gate: GateName,
    source: Annotated[
        str | None, typer.Argument(metavar="ADDRESS", help="`ftp://`, `ftps://`, `sftp://`, `http(s)://` or `s3://`.")
    ] = None,
    project: ProjectOption = None,
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

    Example: `entrepot feeders create sftp://logger.example.org/data --gate farm/scada
    --crontab "0 */10 * * * *" -o "include=*.csv" --credentials-file logger.json`
    """
    if (source is None) == (script is None):
        raise InvalidInput.field("address", "Give either an address or --script.")
    body: dict[str, Any] = {"url": source} if script is None else {"script": script.read_text()}
    body |= {"schedule": crontab, "zone": timezone, "active": bool(crontab), "options": _options(option or [])}
    if credentials_file is not None:
        try:
            body["credentials"] = jsons.loads(credentials_file.read_text())
        except ValueError:
            raise InvalidInput.field("credentials-file", "This is no JSON.") from None
    with port(url, token) as client:
        made = client.feeders.create(find(client, NOUNS["gates"], gate, project)["id"], **body)
    if json:
        show_json(made)
    else:
        typer.echo(made["id"])


@app.command("run")
def run(
    token: Token,
    path: GatePath = None,
    project: ProjectOption = None,
    gate: GateOption = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Have a gate's feeder fetch, wait until it has, and tell what came.

    Example: `entrepot feeders run farm/scada`
    """
    report = _done(url, token, project, path or gate, "runs", lambda line: typer.echo(line, err=True))
    if json:
        show_json(report)
        return
    names = ("seen", "unwanted", "unchanged", "fetched_files", "fetched_bytes", "skipped_files", "failed_files")
    show_one({name: report[name] for name in names if name in report} or report, as_json=False)
    for one in report.get("skipped", []):
        typer.echo(f"{one['path']}: {one['why']}", err=True)


@app.command("test")
def try_(
    token: Token,
    path: GatePath = None,
    project: ProjectOption = None,
    gate: GateOption = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Connect to a feeder's source and list it, without fetching anything.

    Example: `entrepot feeders test farm/scada`
    """
    found = _done(url, token, project, path or gate, "test", lambda _: None)
    if json:
        show_json(found)
        return
    show([{**one, "fetch": "yes" if one["fetch"] else "no"} for one in found["files"]], as_json=False)
    for one in found["problems"]:
        typer.echo(f"{one['path']}: {one['why']}", err=True)
    typer.echo(f"{found['to_fetch']} of {found['seen']} files would be fetched", err=True)


@app.command("show")
def show_feeder(
    path: GatePath, token: Token, project: ProjectOption = None, url: Url = DEFAULT_URL, json: AsJson = False
) -> None:
    """Show a gate's feeder; of its credentials, only their names.

    Example: `entrepot feeders show farm/scada`
    """
    with port(url, token) as client:
        show_one(_feeder(client, path, project), json)


@app.command("set")
def set_(
    path: GatePath,
    token: Token,
    settings: Settings = None,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Change settings of a gate's feeder.

    Example: `entrepot feeders set farm/scada active=false`
    """
    with port(url, token) as client:
        changed = client.feeders.update(_feeder(client, path, project)["id"], **settings_of(settings))
    show_one(changed, json)


@app.command("delete")
def delete(
    path: GatePath, token: Token, project: ProjectOption = None, url: Url = DEFAULT_URL, yes: Yes = False
) -> None:
    """Delete a gate's feeder; its gate and files stay.

    Example: `entrepot feeders delete farm/scada --yes`
    """
    with port(url, token) as client:
        found = _feeder(client, path, project)
        if not yes:
            typer.confirm(f"Delete the feeder of {found['gate']['name']}?", abort=True)
        client.feeders.delete(found["id"])
    typer.echo("1 deleted")


def _feeder(client: "Client", path: str | None, project: str | None) -> dict[str, Any]:
    if path is None:
        raise typer.BadParameter("say whose feeder: the path of its gate, such as farm/scada")
    found = client.feeders.all(gate=find(client, NOUNS["gates"], path, project)["id"])
    if not found:
        raise NotFound(f"The gate {path!r} has no feeder.")
    return found[0]


def _done(
    url: str, token: str, project: str | None, gate: str | None, what: str, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Have the feeder do something, and return what came of it."""
    told = ""

    def follow(job: dict[str, Any]) -> None:
        nonlocal told
        if (output := job.get("output", "")).startswith(told):
            for line in output[len(told) :].splitlines():
                tell(line)
            told = output

    with port(url, token) as client:
        address = f"/api/v1/feeders/{_feeder(client, gate, project)['id']}/{what}"
        job = client.connection.json("POST", address, once=True)
        follow(job)
        ended = client.connection.ended("/api/v1/jobs", job, f"The {what.rstrip('s')}", follow)
    result: dict[str, Any] = ended["result"]
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
