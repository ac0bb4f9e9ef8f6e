"""`entrepot importer`: which files importers read, and scripts that are tried before they count."""

import base64
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_json, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.platform import ProjectName, api_of
from entrepot.cli.trials import print_trial, tried
from entrepot.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, help="Importers, which read files of gates into raw series.")

Name = Annotated[str, typer.Argument(help="Name of the importer.")]


class Order(StrEnum):
    """In which order files are read."""

    name = "name"
    arrival = "arrival"


@app.command("ls")
def ls(token: Token, project: ProjectName, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List a project's importers, and how they read their files.

    Example: `entrepot importer ls --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        found = api.every("/importers")
    names = ("name", "active", "folder", "order", "reads_changed", "replaces", "last_run_at")
    show(found if json else [{name.replace("_", " "): one[name] for name in names} for one in found], json)


@app.command("set")
def set_(
    name: Name,
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    script: Annotated[
        Path | None,
        typer.Option("--script", exists=True, dir_okay=False, help="A parse script; it has all read again."),
    ] = None,
    order: Annotated[
        Order | None, typer.Option(help="By names, whose numbers compare as numbers, or by arrival.")
    ] = None,
    read_changed: Annotated[
        bool | None,
        typer.Option("--read-changed/--no-read-changed", help="Read a file again that changed under its name."),
    ] = None,
    replaces: Annotated[
        bool | None,
        typer.Option("--replaces/--no-replaces", help="Rows that a file read again has no more go."),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            help="What stamps without a zone show: `UTC`, `Europe/Paris`, `Europe/Paris standard`; `unknown` leaves it "
            "to the channels."
        ),
    ] = None,
    repeated_hour: Annotated[
        str | None,
        typer.Option(
            help="How to tell of which time around a file is that begins inside an hour which the clock showed twice: "
            "order, modified, first or second."
        ),
    ] = None,
    plausible_from: Annotated[str | None, typer.Option(help="Rows with stamps before this are set aside.")] = None,
    plausible_ahead: Annotated[
        str | None, typer.Option(help="How far ahead of the present a stamp may be: `31D`; later ones are set aside.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Say how an importer reads its files.

    Example: `entrepot importer set scada --replaces --project "Wind farm"`
    """
    fields: dict[str, Any] = {
        "parse": script and script.read_text(),
        "order": order and str(order),
        "reads_changed": read_changed,
        "replaces": replaces,
        "clock": clock,
        "repeated_hour": repeated_hour,
        "plausible_from": plausible_from and _aware(plausible_from),
        "plausible_ahead": plausible_ahead,
    }
    with api_of(url, token, project) as api:
        fields = {field: value for field, value in fields.items() if value is not None}
        if clock == "unknown":
            fields["clock"] = None
        changed = api.call("PATCH", f"/importers/{api.id_of('importers', name)}", fields)
    hidden = ("id", "parse", "project", "gate")
    show_one({field: value for field, value in changed.items() if json or field not in hidden}, json)


def _aware(text: str) -> str:
    """Return an instant as the server takes it; without a zone, it is in UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput.field("plausible_from", f"{text!r} is no date and time.") from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()


@app.command("files")
def files(
    name: Name,
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    changed: Annotated[bool, typer.Option("--changed", help="Only those that changed and are not read again.")] = False,
    json: AsJson = False,
) -> None:
    """List the files that an importer has read, with their first and last stamps.

    Example: `entrepot importer files scada --changed --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        found = api.every(f"/importers/{api.id_of('importers', name)}/files", project=None, changed=changed)
    names = ("path", "size", "modified_at", "rows", "first", "last", "changed")
    show(found if json else [{field: one[field] for field in names} for one in found], json)


@app.command("try")
def try_(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[[PROJECT/]IMPORTER] SCRIPT FILE...",
            help="A parse script, and files here, which are sent along, or of the gate.",
        ),
    ],
    token: Token,
    project: Annotated[
        str | None, typer.Option("--project", "-p", envvar="ENTREPOT_PROJECT", help="Name of the project.")
    ] = None,
    url: Url = DEFAULT_URL,
    importer: Annotated[
        str | None, typer.Option("--importer", "-i", help="For which importer: whose gate, and which series are new.")
    ] = None,
    gate: Annotated[str | None, typer.Option("--gate", "-g", help="The gate on which the files are.")] = None,
    json: AsJson = False,
) -> None:
    """Run a parse script on files and tell what it makes of them. Nothing is written.

    Ends with 1 where a run would refuse any of it.

    Example: `entrepot importer try parse.py R80711/2014-03.csv --importer scada --project "Wind farm"`
    """
    if not Path(words[0]).is_file():
        path = words.pop(0)
        project, importer = path.rpartition("/")[0] or project, path.rpartition("/")[2]
    if project is None:
        raise InvalidInput.field("project", "Give --project, or PROJECT/IMPORTER.")
    if len(words) < 2 or not Path(words[0]).is_file():
        raise InvalidInput.field("script", "Give a script, a file here, and one or more files to try it on.")
    script, files = Path(words[0]), words[1:]
    here = [file for file in files if Path(file).is_file()]
    with api_of(url, token, project) as api:
        body = {
            "project_id": api.project_id,
            "importer_id": api.id_of("importers", importer) if importer is not None else None,
            "gate_id": api.id_of("gates", gate) if gate is not None else None,
            "script": script.read_text(),
            "paths": [file for file in files if file not in here],
            "files": [{"path": Path(file).as_posix(), "content": _base64(file)} for file in here],
        }
        found = tried(api, "/importers/try", body)["files"]
    if json:
        show_json(found)
    fine = [print_trial(one, heading=one["path"] if len(found) > 1 else None, quiet=json) for one in found]
    if not all(fine):
        raise typer.Exit(1)


def _base64(file: str) -> str:
    return base64.b64encode(Path(file).read_bytes()).decode()
