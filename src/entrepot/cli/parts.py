"""`entrepot parts`: parts of structures and what measures them, with files of each."""

from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import Settings, Yes, settings_of, shown
from entrepot.cli.places import FromFile, create_many, records_of
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput

app = typer.Typer(
    cls=Renaming, no_args_is_help=True, help="Parts of structures and what measures them: records that rows refer to."
)
KINDS = (
    "materials", "subassemblies", "building-blocks", "sensor-types", "sensors", "sensor-calibrations", "signals",
    "signal-history", "signal-calibrations", "derived-signals", "derived-signal-history",
    "derived-signal-calibrations",
)  # fmt: skip
NAMES = ("name", "title", "serial_number", "signal_id", "derived_signal_id")


def _kind(text: str) -> str:
    if text not in KINDS:
        raise InvalidInput.field("kind", f"{text!r} is none of {', '.join(KINDS)}.")
    return text


Kind = Annotated[str, typer.Argument(callback=_kind, help=f"One of {', '.join(KINDS)}.")]
Id = Annotated[int, typer.Argument(metavar="ID", min=1)]
Field = Annotated[str, typer.Option(help="The name that the file has there.")]


@app.command("list")
def list_(kind: Kind, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List the parts of a kind.

    Example: `entrepot parts list materials`
    """
    with port(url, token) as client:
        found = [part.record for part in client.parts(kind)]
    show(found if json else list(map(_line, found)), json)


@app.command("show")
def show_part(kind: Kind, part_id: Id, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Show a part, and the files of it.

    Example: `entrepot parts show building-blocks 7`
    """
    with port(url, token) as client:
        found = client.parts(kind).by_id(str(part_id)).record
    show_one(found if json else shown(found, tuple(found)), json)


@app.command("create")
def create(
    kind: Kind,
    token: Token,
    settings: Settings = None,
    file: FromFile = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Make a part, or many of a file with a column for each setting.

    Example: `entrepot parts create materials name=Steel density=7850`
    """
    if bool(settings) == (file is not None):
        raise typer.BadParameter("say either its settings, or --file")
    with port(url, token) as client:
        records = [settings_of(settings)] if file is None else records_of(file)
        made = create_many(client, f"parts/{kind}", records)
    show(made if json else list(map(_line, made)), json)


@app.command("set")
def set_(
    kind: Kind, part_id: Id, token: Token, settings: Settings = None, url: Url = DEFAULT_URL, json: AsJson = False
) -> None:
    """Change settings of a part; `null` clears one.

    Example: `entrepot parts set materials 1 density=7850 description=null`
    """
    with port(url, token) as client:
        part = client.parts(kind).by_id(str(part_id))
        part.change(**settings_of(settings))
    show_one(part.record if json else _line(part.record), json)


@app.command("delete")
def delete(kind: Kind, part_id: Id, token: Token, yes: Yes = False, url: Url = DEFAULT_URL) -> None:
    """Delete a part that nothing refers to, with its files.

    Example: `entrepot parts delete materials 1 --yes`
    """
    with port(url, token) as client:
        part = client.parts(kind).by_id(str(part_id))
        if not yes:
            typer.confirm(f"Delete {part.name} ({part.id})?", abort=True)
        part.delete()
    typer.echo("1 deleted")


@app.command("attach")
def attach(
    kind: Kind,
    part_id: Id,
    file: Annotated[Path, typer.Argument(help="A picture, a datasheet.", exists=True, dir_okay=False)],
    token: Token,
    field: Field = "file",
    url: Url = DEFAULT_URL,
) -> None:
    """Attach a file to a part, in place of the one of this name.

    Example: `entrepot parts attach sensor-calibrations 3 datasheet.pdf`
    """
    with port(url, token) as client:
        client.parts(kind).bare(part_id).attach(file, field)


@app.command("fetch")
def fetch(
    kind: Kind,
    part_id: Id,
    target: Annotated[Path, typer.Argument(help="Where to write it.", dir_okay=False)],
    token: Token,
    field: Field = "file",
    url: Url = DEFAULT_URL,
) -> None:
    """Fetch a file that is attached to a part.

    Example: `entrepot parts fetch sensor-types 1 picture.png`
    """
    with port(url, token) as client:
        client.parts(kind).bare(part_id).fetch(target, field)


@app.command("detach")
def detach(kind: Kind, part_id: Id, token: Token, field: Field = "file", url: Url = DEFAULT_URL) -> None:
    """Delete a file that is attached to a part.

    Example: `entrepot parts detach sensor-types 1 --field photo`
    """
    with port(url, token) as client:
        client.parts(kind).bare(part_id).detach(field)


def _line(part: dict[str, Any]) -> dict[str, Any]:
    """Return what a line of a table says of a part."""
    name = next((part[word] for word in NAMES if part.get(word)), None)
    files = ", ".join(one["field"] for one in part["attachments"])
    return {"id": part["id"], "name": name, "description": part.get("description"), "files": files}
