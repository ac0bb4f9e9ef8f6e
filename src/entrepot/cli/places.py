"""`entrepot sites`, `locations` and `model-definitions`: one by its path, or many of a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import Settings, made_one, noun_group, shown
from entrepot.cli.paths import NOUNS

if TYPE_CHECKING:
    from entrepot.client.native import Client

FromFile = Annotated[
    Path | None,
    typer.Option("--file", exists=True, dir_okay=False, help="A .json or .csv of many, all or none; an `id` is kept."),
]
Record = dict[str, Any]
_EXAMPLES = {"sites": "Belwind", "locations": "Belwind/BBA01 northing=51.67", "model-definitions": "Belwind/as-built"}


def place_group(kinds: str, summary: str) -> typer.Typer:
    """Return the commands of a kind of places."""
    app, noun = noun_group(kinds, summary, ("list", "show", "set", "delete")), NOUNS[kinds]

    def create(
        token: Token,
        path: Annotated[str | None, typer.Argument(help="Its name, after that of its site.")] = None,
        settings: Settings = None,
        file: FromFile = None,
        url: Url = DEFAULT_URL,
        json: AsJson = False,
    ) -> None:
        if (path is None) == (file is None):
            raise typer.BadParameter("say either which, or --file")
        with port(url, token) as client:
            if file is not None:
                made = create_many(client, kinds, records_of(file))
                show(made if json else [shown(one, ("id", *noun.columns)) for one in made], json)
            else:
                one = made_one(client, noun, str(path), settings)
                show_one(one if json else shown(one, ("id", *noun.columns)), json)

    said = f"Make one {noun.one}, or many of a file with a column for each setting."
    examples = f"`entrepot {kinds} create {_EXAMPLES[kinds]}`, `entrepot {kinds} create --file {kinds}.csv`"
    app.command("create", help=f"{said}\n\nExample: {examples}")(create)
    return app


def create_many(client: "Client", kinds: str, records: list[Record]) -> list[Record]:
    """Have the server make many of a kind, all or none."""
    made: list[Record] = client.connection.json("POST", f"/api/v1/{kinds}/many", body={"items": records}, once=True)
    return made


def records_of(file: Path) -> list[Any]:
    """Return what a file has many of: objects of a .json, or lines of a .csv, whose empty cells say nothing.

    Raises
    ------
    InvalidInput
        It is neither.
    """
    import csv
    import json

    from entrepot.errors import InvalidInput

    if file.suffix.lower() == ".json":
        try:
            loaded = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidInput.field("file", f"{file.name} is not JSON: {error}") from None
        return loaded if isinstance(loaded, list) else [loaded]
    if file.suffix.lower() != ".csv":
        raise InvalidInput.field("file", f"{file.name} is neither .json nor .csv.")
    with file.open(newline="", encoding="utf-8-sig") as lines:
        return [{name: value for name, value in line.items() if value} for line in csv.DictReader(lines)]
