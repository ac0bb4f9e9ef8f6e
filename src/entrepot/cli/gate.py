"""`entrepot gate`: files into gates, what gates take, and what was refused."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli import bans
from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.platform import ProjectName, api_of
from entrepot.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, help="Gates, where files come in.")
quarantine = typer.Typer(no_args_is_help=True, help="Files that a script refused.")
app.add_typer(quarantine, name="quarantine")

GateName = Annotated[str, typer.Option("--gate", "-g", help="Name of the gate.")]
Paths = Annotated[list[str] | None, typer.Argument(help="Paths that `ls` shows; by default, with --all, every file.")]
All = Annotated[bool, typer.Option("--all", help="Every file.")]
_BLOCK = 1 << 20
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class AfterImport(StrEnum):
    """What becomes of imported files."""

    keep = "keep"
    move = "move"
    delete = "delete"


@app.command("ls")
def ls(
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    usage: Annotated[
        bool, typer.Option("--usage/--no-usage", help="Have what lies on each counted, gate by gate.")
    ] = True,
    json: AsJson = False,
) -> None:
    """List a project's gates: their settings, and what lies on them.

    Example: `entrepot gate ls --project "Wind farm" --no-usage`
    """
    with api_of(url, token, project) as api:
        gates = api.every("/gates")
        if usage:
            gates = [gate | {"use": api.get(f"/gates/{gate['id']}/use")} for gate in gates]
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
    project: ProjectName,
    gate: GateName,
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

    Example: `entrepot gate set --project "Wind farm" --gate scada --quota-bytes 2G --quarantine --after-import move`
    """
    fields: dict[str, Any] = {"quarantine": quarantine, "after_import": after_import and str(after_import)}
    fields = {name: value for name, value in fields.items() if value is not None}
    for name, text in (("quota_bytes", quota_bytes), ("quota_files", quota_files)):
        if text is not None:
            fields[name] = None if text == "none" else _number(name, text)
    with api_of(url, token, project) as api:
        changed = api.call("PATCH", f"/gates/{api.id_of('gates', gate)}", fields)
    show_one({name: value for name, value in changed.items() if json or name != "id"}, json)


@app.command("put")
def put(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="What to send.")],
    token: Token,
    project: ProjectName,
    gate: GateName,
    url: Url = DEFAULT_URL,
    to: Annotated[str, typer.Option("--to", help="Folder on the gate; made where it is missing.")] = "/",
) -> None:
    """Send files to a gate. One that is there already is replaced.

    Example: `entrepot gate put march/*.csv --project "Wind farm" --gate scada`
    """
    from tqdm import tqdm

    with api_of(url, token, project) as api:
        gate_id = api.id_of("gates", gate)
        for file in files:
            size = file.stat().st_size
            path = "/".join([*(part for part in to.split("/") if part), file.name])
            with tqdm(desc=file.name, total=size, unit="B", unit_scale=True, disable=None) as bar:
                api.upload(f"/gates/{gate_id}/files/{path}", _blocks(file, bar), size)
    typer.echo(f"{len(files)} sent")


@quarantine.command("ls")
def quarantine_ls(
    token: Token, project: ProjectName, gate: GateName, url: Url = DEFAULT_URL, json: AsJson = False
) -> None:
    """List the files that a gate's importers refused, and why.

    Example: `entrepot gate quarantine ls --project "Wind farm" --gate scada`
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

    Example: `entrepot gate quarantine retry 2014/03.csv --project "Wind farm" --gate scada`
    """
    typer.echo(f"{_do('retry', url, token, project, gate, paths, every=every)} to be read again")


@quarantine.command("rm")
def rm(
    token: Token, project: ProjectName, gate: GateName, paths: Paths = None, url: Url = DEFAULT_URL, every: All = False
) -> None:
    """Delete refused files for good.

    Example: `entrepot gate quarantine rm --all --project "Wind farm" --gate scada`
    """
    typer.echo(f"{_do('remove', url, token, project, gate, paths, every=every)} removed")


app.command("bans", hidden=True)(bans.list_)
app.command("unban", hidden=True)(bans.lift)


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


def _blocks(file: Path, bar: Any) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            yield block
            bar.update(len(block))


def _number(name: str, text: str) -> int:
    digits = text.rstrip("KMGTB")
    unit = text[len(digits) :].removesuffix("B")
    if not digits.isascii() or not digits.isdigit() or unit not in _UNITS:
        raise InvalidInput.field(name, f"{text!r} is not a number such as 1000, 500M or 2G.")
    return int(digits) * _UNITS[unit]
