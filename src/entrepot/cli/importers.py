"""`entrepot importers`: which files importers read, and scripts that are tried before they count."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_json, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import ProjectOption, Settings, noun_group, settings_of, shown
from entrepot.cli.paths import NOUNS, find, scope
from entrepot.cli.running import add_run
from entrepot.cli.trials import print_trial
from entrepot.errors import InvalidInput

app = noun_group("importers", "Importers, which read files of gates into raw series.", ("show", "create", "delete"))

ImporterPath = Annotated[str, typer.Argument(metavar="PATH", help="Its path, such as `farm/scada`, or its id.")]


class Order(StrEnum):
    """In which order files are read."""

    name = "name"
    arrival = "arrival"


@app.command("list")
def list_(
    token: Token,
    path: Annotated[str | None, typer.Argument(metavar="[PROJECT]", help="Of this project alone.")] = None,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """List importers, and how they read their files.

    Example: `entrepot importers list farm`
    """
    with port(url, token) as client:
        within = scope(client, NOUNS["importers"], path or project)
        found = list(client.connection.pages("/api/v1/importers", **within))
    names = ("name", "project", "active", "folder", "order", "reads_changed", "replaces", "last_run_at")
    show(found if json else [shown(one, names) for one in found], json)


@app.command("set")
def set_(
    path: ImporterPath,
    token: Token,
    settings: Settings = None,
    project: ProjectOption = None,
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

    Example: `entrepot importers set farm/scada --replaces told_after=3`
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
    fields = {field: value for field, value in fields.items() if value is not None} | settings_of(settings)
    if clock == "unknown":
        fields["clock"] = None
    with port(url, token) as client:
        importer = find(client, NOUNS["importers"], path, project)
        changed = client.connection.json("PATCH", f"/api/v1/importers/{importer['id']}", body=fields)
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
    path: ImporterPath,
    token: Token,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    changed: Annotated[bool, typer.Option("--changed", help="Only those that changed and are not read again.")] = False,
    json: AsJson = False,
) -> None:
    """List the files that an importer has read, with their first and last stamps.

    Example: `entrepot importers files farm/scada --changed`
    """
    from entrepot.client.importing import Importer

    with port(url, token) as client:
        importer = Importer(client.connection, find(client, NOUNS["importers"], path, project))
        found = list(importer.files(changed=changed))
    names = ("path", "size", "modified_at", "rows", "first", "last", "changed")
    show(found if json else [{field: one[field] for field in names} for one in found], json)


add_run(app, NOUNS["importers"])


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

    Example: `entrepot importers try farm/scada parse.py wind_farm/R80711/2014-03.csv`
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
    with port(url, token) as client:
        owner = find(client, NOUNS["projects"], project)["id"]
        meant = {
            "project": owner,
            "importer": find(client, NOUNS["importers"], importer, project)["id"] if importer is not None else None,
            "gate": find(client, NOUNS["gates"], gate, project)["id"] if gate is not None else None,
        }
        sent = [file for file in files if file not in here]
        found = client.importers.try_script(script, **meant, paths=sent, files=here)
    if json:
        show_json(found)
    fine = [print_trial(one, heading=one["path"] if len(found) > 1 else None, quiet=json) for one in found]
    if not all(fine):
        raise typer.Exit(1)
