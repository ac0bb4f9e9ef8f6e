"""Commands of rows as they were before sites, parts and result sets had their own: they work until 1.0."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import shown
from entrepot.cli.parts import KINDS
from entrepot.cli.paths import NOUNS
from entrepot.cli.places import create_many, records_of
from entrepot.cli.renamed import say_new
from entrepot.errors import InvalidInput

_PLACES = ("sites", "locations", "model-definitions")
#: What was said otherwise, of places, of parts, and in lookups.
_OF_PLACES = {"title": "name", "projectsite": "site", "project": "site", "additional_data": "extra"}
_OF_PARTS = {
    "additional_data": "extra", "data_additional": "extra", "asset": "location", "asset_location": "location",
    "sub_assembly": "subassembly", "projectsite": "site",
}  # fmt: skip
_TITLED = ("materials", "subassemblies", "building-blocks")
_OF_LOOKUPS = {
    "pk": "id", "analysis": "result_set", "analysis_id": "result_set_id", "title": "name", "projectsite": "site",
    "projectsite_id": "site_id", "project": "site", "project_id": "site_id", "timestamp": "made_at", "user": "made_by",
    "short_description": "name", "additional_data": "extra", "related_object": "about",
    **{f"{old}_col{number}": f"{new}{number}" for old, new in (("name", "name"), ("units", "unit"), ("value", "values"))
       for number in (1, 2, 3)},
}  # fmt: skip
_JSON = ("extra", "about")
#: What old lookups of result sets, and of rows, left out of their paths.
_OF_SETS = {"project": "model_definition"}
_OF_ROWS = {"project": "result_set__model_definition", "model_definition": "result_set", "timestamp": "result_set"}
_LISTED = ("id", "name", "title", "serial_number", "signal_id", "derived_signal_id")


def register(app: typer.Typer) -> None:
    """Add the commands, which help does not show."""
    app.command("add", hidden=True)(add)
    app.command("analyses", hidden=True)(analyses)


def lookups_of(given: list[str] | None, *, rows: bool = True) -> list[str]:
    """Return lookups in the words that the server has for them; old ones are said to be that.

    Raises
    ------
    InvalidInput
        One says no value.
    """
    found = []
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput.field("lookup", f"{text!r} is not NAME=VALUE.")
        if (new := _renamed(name, _OF_ROWS if rows else _OF_SETS)) != name:
            typer.echo(f"`{name}` is `{new}` now", err=True)
        found.append(f"{new}={value}")
    return found


def _renamed(name: str, above: Mapping[str, str]) -> str:
    given = name.split("__")
    steps = above[given[0]].split("__") if given[0] in above else []
    for step in given:
        # What follows is the keys of users; and a project was a site, with a site of its own.
        new = step if steps and steps[0] in _JSON else _OF_LOOKUPS.get(step, step)
        if not (new == "site" and steps[-1:] == ["site"]):
            steps.append(new)
    return "__".join(steps)


def add(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(help=f"One of {', '.join((*_PLACES, *KINDS))}.")],
    token: Token,
    file: Annotated[Path | None, typer.Argument(help="A .json or .csv of many; an `id` is kept.")] = None,
    field: Annotated[list[str] | None, typer.Option("--set", help="As `title=Belwind`; may be repeated.")] = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Add sites, locations, model definitions, parts of structures or sensors, all or none.

    Example: `entrepot rows add locations --set id=435 --set title=BBA01 --set projectsite=Belwind`
    """
    if what not in (*_PLACES, *KINDS):
        raise InvalidInput.field("what", f"{what!r} is none of {', '.join((*_PLACES, *KINDS))}.")
    kinds = what if what in _PLACES else f"parts/{what}"
    say_new(ctx, f"{what} create" if what in _PLACES else f"parts create {what}")
    records = [_fields(field)] if file is None else records_of(file)
    words = _OF_PLACES if what in _PLACES else _OF_PARTS | ({"title": "name"} if what in _TITLED else {})
    records = [{words.get(name, name): value for name, value in one.items()} for one in records]
    if what in _PLACES:
        records = [one | {"id": str(one["id"])} if "id" in one else one for one in records]
    with port(url, token) as client:
        made = create_many(client, kinds, records)
    show([{name: one[name] for name in _LISTED if name in one} for one in made], json)


def _fields(given: list[str] | None) -> dict[str, Any]:
    import json

    fields: dict[str, Any] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput.field("set", f"{text!r} is not NAME=VALUE.")
        fields[name] = json.loads(value) if name == "additional_data" else value
    return fields


def analyses(
    ctx: typer.Context,
    token: Token,
    filters: Annotated[list[str] | None, typer.Argument(metavar="[FILTER]...", help="All must hold.")] = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """List result sets.

    Example: `entrepot rows analyses name__icontains=frequencies`
    """
    say_new(ctx, "result-sets list")
    with port(url, token) as client:
        found = list(client.connection.pages("/api/v1/result-sets", where=lookups_of(filters, rows=False)))
    show(found if json else [shown(one, ("id", *NOUNS["result-sets"].columns)) for one in found], json)
