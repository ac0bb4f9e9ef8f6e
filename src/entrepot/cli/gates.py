"""`entrepot gates`: files into gates, what gates take, and what was refused."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import ProjectOption, Settings, noun_group, settings_of
from entrepot.cli.paths import NOUNS, find, scope
from entrepot.cli.platform import ProjectName, api_of
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput

app = noun_group("gates", "Gates, where files come in.", ("show", "create", "delete"))
quarantine = typer.Typer(cls=Renaming, no_args_is_help=True, help="Files that a script refused.")
app.add_typer(quarantine, name="quarantine")

GateName = Annotated[str, typer.Option("--gate", "-g", help="Name of the gate.")]
GateOption = Annotated[str | None, typer.Option("--gate", "-g", hidden=True)]
Paths = Annotated[list[str] | None, typer.Argument(help="Paths that `ls` shows; by default, with --all, every file.")]
All = Annotated[bool, typer.Option("--all", help="Every file.")]
_BLOCK = 1 << 20
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class AfterImport(StrEnum):
    """What becomes of imported files."""

    keep = "keep"
    move = "move"
    delete = "delete"


@app.command("list")
def list_(
    token: Token,
    path: Annotated[str | None, typer.Argument(metavar="[PROJECT]", help="Of this project alone.")] = None,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    usage: Annotated[
        bool, typer.Option("--usage/--no-usage", help="Have what lies on each counted, gate by gate.")
    ] = True,
    json: AsJson = False,
) -> None:
    """List gates: their settings, and what lies on them.

    Example: `entrepot gates list farm --no-usage`
    """
    with port(url, token) as client:
        gates = list(client.connection.pages("/api/v1/gates", **scope(client, NOUNS["gates"], path or project)))
        if usage:
            use = "/api/v1/gates/{}/use"
            gates = [gate | {"use": client.connection.json("GET", use.format(gate["id"]))} for gate in gates]
    rows = [
        {
            "name": gate["name"],
            "files": gate.get("use", {}).get("files"),
            "most files": gate["quota_files"],
            "bytes": gate.get("use", {}).get("bytes"),
            "most bytes": gate["quota_bytes"],
            "quarantine": gate["quarantine"],
            "in quarantine": gate.get("use", {}).get("in_quarantine"),
            "changed unread": gate.get("use", {}).get("changed_unread"),
            "after import": gate["after_import"],
        }
        for gate in gates
    ]
    show(gates if json else rows, json)


@app.command("set")
def set_(
    token: Token,
    path: Annotated[str | None, typer.Argument(help="Its path or id.")] = None,
    settings: Settings = None,
    project: ProjectOption = None,
    gate: GateOption = None,
    url: Url = DEFAULT_URL,
    quota_bytes: Annotated[str | None, typer.Option(help="Most bytes on it, as `500M` or `2G`; `none`.")] = None,
    quota_files: Annotated[str | None, typer.Option(help="Most files on it; `none`.")] = None,
    quarantine: Annotated[
        bool | None,
        typer.Option("--quarantine/--no-quarantine", help="Set files aside that a script refuses, and go on."),
    ] = None,
    after_import: Annotated[
        AfterImport | None, typer.Option(help="What becomes of files that every importer has read.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Say what a gate takes, and what becomes of its files.

    Example: `entrepot gates set farm/scada --quota-bytes 2G --quarantine --after-import move`
    """
    where = _either(path, gate)
    fields: dict[str, Any] = {"quarantine": quarantine, "after_import": after_import and str(after_import)}
    fields = {name: value for name, value in fields.items() if value is not None}
    for name, text in (("quota_bytes", quota_bytes), ("quota_files", quota_files)):
        if text is not None:
            fields[name] = None if text == "none" else _number(name, text)
    with port(url, token) as client:
        found = find(client, NOUNS["gates"], where, project)
        body = fields | settings_of(settings)
        changed = client.connection.json("PATCH", f"/api/v1/gates/{found['id']}", body=body)
    show_one({name: value for name, value in changed.items() if json or name != "id"}, json)


@app.command("upload")
def upload(
    words: Annotated[list[str], typer.Argument(metavar="PATH FILE...", help="The gate, and files and folders.")],
    token: Token,
    project: ProjectOption = None,
    gate: GateOption = None,
    url: Url = DEFAULT_URL,
    to: Annotated[str, typer.Option("--to", help="Folder on the gate; made where it is missing.")] = "/",
    progress: Annotated[bool | None, typer.Option("--progress/--no-progress", help="Show how far it is.")] = None,
) -> None:
    """Send files to a gate, and folders with all that is in them. One that is there already is replaced.

    Example: `entrepot gates upload farm/scada wind_farm/ --progress`
    """
    from entrepot.client.importing import Gate

    where, files = (gate, words) if gate is not None else (words[0], words[1:])
    if missing := [file for file in files if not Path(file).exists()]:
        raise typer.BadParameter(f"there is no {missing[0]} here")
    if not files:
        raise typer.BadParameter("say what to send: PATH FILE...")
    shown = progress if progress is not None else sys.stderr.isatty()
    with port(url, token) as client:
        found = Gate(client.connection, find(client, NOUNS["gates"], where, project))
        sent = found.upload(*files, to=to, progress=shown)
    typer.echo(f"{sent} sent")


@quarantine.command("list")
def quarantine_list(
    token: Token, project: ProjectName, gate: GateName, url: Url = DEFAULT_URL, json: AsJson = False
) -> None:
    """List the files that a gate's importers refused, and why.

    Example: `entrepot gates quarantine list --project "Wind farm" --gate scada`
    """
    with api_of(url, token, project) as api:
        found = api.every(f"/gates/{api.id_of('gates', gate)}/quarantine", project=None)
    names = ("path", "size", "created_at", "stored", "reason")
    show(found if json else [{name: one[name] for name in names} for one in found], json)


@quarantine.command("retry")
def retry(
    token: Token, project: ProjectName, gate: GateName, paths: Paths = None, url: Url = DEFAULT_URL, every: All = False
) -> None:
    """Have refused files read again, once the script or the file is mended.

    Example: `entrepot gates quarantine retry 2014/03.csv --project "Wind farm" --gate scada`
    """
    typer.echo(f"{_do('retry', url, token, project, gate, paths, every=every)} to be read again")


@quarantine.command("delete")
def delete(
    token: Token, project: ProjectName, gate: GateName, paths: Paths = None, url: Url = DEFAULT_URL, every: All = False
) -> None:
    """Delete refused files for good.

    Example: `entrepot gates quarantine delete --all --project "Wind farm" --gate scada`
    """
    typer.echo(f"{_do('remove', url, token, project, gate, paths, every=every)} removed")


def _do(what: str, url: str, token: str, project: str, gate: str, paths: list[str] | None, *, every: bool) -> int:
    if bool(paths) == every:
        raise InvalidInput.field("paths", "Give paths, or --all.")
    with api_of(url, token, project) as api:
        address = f"/gates/{api.id_of('gates', gate)}/quarantine"
        ids: list[str] | None = None
        if not every:
            found = {
                name: one["id"] for one in api.every(address, project=None) for name in (one["path"], one["stored"])
            }
            if missing := [path for path in paths or () if path not in found]:
                raise InvalidInput.field("paths", f"There is no {missing[0]} in quarantine.")
            ids = list(dict.fromkeys(found[path] for path in paths or ()))
        return len(api.call("POST", f"{address}/{what}", {"ids": ids}))


def _either(path: str | None, gate: str | None) -> str:
    if (path is None) == (gate is None):
        raise typer.BadParameter("say which gate: its path, such as farm/scada")
    return path or gate or ""


def _number(name: str, text: str) -> int:
    digits = text.rstrip("KMGTB")
    unit = text[len(digits) :].removesuffix("B")
    if not digits.isascii() or not digits.isdigit() or unit not in _UNITS:
        raise InvalidInput.field(name, f"{text!r} is not a number such as 1000, 500M or 2G.")
    return int(digits) * _UNITS[unit]
