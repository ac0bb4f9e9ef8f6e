"""`entrepot rows`: rows from the terminal, in and out of files, and plotted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli import old_rows
from entrepot.cli.common import AsJson, FormulaGuard, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import Yes
from entrepot.cli.renamed import Renaming
from entrepot.cli.results import Undo, Until, Why, add_explain, lock_each
from entrepot.errors import EntrepotError, InvalidInput

if TYPE_CHECKING:
    from entrepot.client.native import Client

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Rows of result sets: named vectors with units.")
old_rows.register(app)
add_explain(app, "rows", "row", "12")

Record = dict[str, Any]
Lookups = Annotated[
    list[str] | None, typer.Argument(metavar="[LOOKUP]...", help="As `name__startswith=BBA`; all must hold.")
]
OfSet = Annotated[
    str | None, typer.Option("--result-set", "-r", help="Of this result set: its name, which may have *, or its id.")
]
Name = Annotated[str | None, typer.Option("--name", help="Of this name, which may have *.")]
Site = Annotated[str | None, typer.Option("--site", help="Of result sets of this site.")]
Model = Annotated[str | None, typer.Option("--model", help="Of result sets of this model definition.")]
Location = Annotated[str | None, typer.Option("--location", help="About this location.")]
Ids = Annotated[list[str], typer.Argument(help="Their ids, from `entrepot rows list`.")]
_MOST_PLOTTED = 1000


@app.command("list")
def list_(
    token: Token,
    lookups: Lookups = None,
    result_set: OfSet = None,
    name: Name = None,
    site: Site = None,
    model: Model = None,
    location: Location = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """List rows, without their vectors' values.

    Example: `entrepot rows list --result-set "LifetimeDesign*" --location BBA01`
    """
    with port(url, token) as client:
        found = found_rows(client, lookups, result_set, name, site, model, location)
    listed = [
        {
            "id": row["id"],
            "result_set": row["result_set"]["name"],
            "location": (row["location"] or {}).get("name"),
            "name": row["name"],
            "vectors": ", ".join(map(_vector, row["columns"])),
            "points": len(row["columns"][0]["values"]),
            "locked": row["locked"],
        }
        for row in found
    ]
    show(listed, json)


@app.command("show")
def show_row(
    row_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, from `entrepot rows list`.")],
    token: Token,
    unit: Annotated[list[str] | None, typer.Option(help="Convert what converts to it; may be repeated.")] = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Show a row, with its vectors.

    Example: `entrepot rows show 12 --unit mHz`
    """
    from entrepot.client.printing import said

    with port(url, token) as client:
        row = client.connection.json("GET", _address(row_id), params={"unit": unit or []})
    if json:
        show_one(row, json)
        return
    vectors = {_vector(one): said(one["values"]) for one in row.pop("columns")}
    show_one({name: said(value) for name, value in row.items()} | vectors, json)


@app.command("delete")
def delete(ids: Ids, token: Token, yes: Yes = False, url: Url = DEFAULT_URL) -> None:
    """Delete rows, one after the other; a locked one is not.

    Example: `entrepot rows delete 12 13 --yes`
    """
    with port(url, token) as client:
        if not yes:
            typer.confirm(f"Delete {len(ids)} rows?", abort=True)
        for row_id in ids:
            client.connection.request("DELETE", _address(row_id))
    typer.echo(f"{len(ids)} deleted")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .xlsx, .csv or .parquet with a line a point; see `export`.")],
    token: Token,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    result_set: Annotated[
        str | None, typer.Option("--result-set", "-r", help="Name or id of the result set, in place of the file's own.")
    ] = None,
    before: Annotated[str | None, typer.Option("--analysis", hidden=True)] = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Create or update rows, matched within their result set by their name; all or none.

    Example: `entrepot rows import frequencies.xlsx --result-set Frequencies --dry-run`
    """
    from entrepot.client.row_tables import to_rows
    from entrepot.client.tables import read_table

    if before is not None:
        typer.echo("`--analysis` is `--result-set` now", err=True)
    with port(url, token) as client:
        rows = to_rows(read_table(file), result_set or before)
        params = {"dry_run": True} if dry_run else None
        kept = client.connection.json("POST", "/api/v1/rows", body={"rows": rows}, params=params, once=not dry_run)
    show(kept, json)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The .xlsx, .csv or .parquet to write.")],
    token: Token,
    lookups: Lookups = None,
    result_set: OfSet = None,
    name: Name = None,
    site: Site = None,
    model: Model = None,
    location: Location = None,
    formula_guard: FormulaGuard = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Write rows to a file, a line a point, at full precision.

    Example: `entrepot rows export frequencies.parquet --result-set Frequencies`
    """
    from entrepot.client.row_tables import to_table
    from entrepot.client.tables import write_table

    with port(url, token) as client:
        rows = found_rows(client, lookups, result_set, name, site, model, location)
        write_table(to_table(rows), file, formula_guard=formula_guard)
    typer.echo(f"{len(rows)} rows in {file}")


@app.command("plot")
def plot(
    file: Annotated[Path, typer.Argument(help="The .html (interactive, needs no network) or .png to write.")],
    token: Token,
    lookups: Lookups = None,
    result_set: OfSet = None,
    name: Name = None,
    site: Site = None,
    model: Model = None,
    location: Location = None,
    kind: Annotated[
        str | None, typer.Option(help="comparison, histogram, time_series or map; default: what the rows say.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Convert values to this unit.")] = None,
    x_unit: Annotated[str | None, typer.Option(help="Convert the first vectors to this unit.")] = None,
    title: Annotated[str | None, typer.Option(help="What is written above.")] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Plot rows: the server draws them.

    Example: `entrepot rows plot map.html --result-set Frequencies --kind map --unit mHz`
    """
    ending = file.suffix.lower().lstrip(".")
    if ending not in ("html", "png"):
        raise InvalidInput.field("file", f"{file.name} ends neither in .html nor in .png.")
    with port(url, token) as client:
        rows = found_rows(client, lookups, result_set, name, site, model, location)
        if not rows:
            raise EntrepotError("There are no rows to plot.")
        if len(rows) > _MOST_PLOTTED:
            raise EntrepotError(f"These are {len(rows)} rows, and {_MOST_PLOTTED} are drawn at most: choose fewer.")
        asked = {"kind": kind, "unit": unit, "x_unit": x_unit, "title": title}
        params = {name: value for name, value in asked.items() if value is not None}
        chosen = {"id__in": ",".join(row["id"] for row in rows), "format": ending}
        file.write_bytes(client.connection.request("GET", "/api/v1/rows/plot", params=chosen | params).content)
    typer.echo(f"{len(rows)} rows in {file}")


@app.command("lock")
def lock(
    ids: Ids,
    token: Token,
    undo: Undo = False,
    until: Until = None,
    why: Why = "",
    analysis: Annotated[bool, typer.Option("--analysis", hidden=True)] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Lock rows, so that nobody can change or delete them, or unlock them.

    Example: `entrepot rows lock 12 13 --why "In the report of 2014"`
    """
    if analysis:
        typer.echo("`entrepot rows lock --analysis` is `entrepot result-sets lock` now", err=True)
    with port(url, token) as client:
        lock_each(client, "result_set" if analysis else "row", ids, undo=undo, until=until, why=why)


def found_rows(
    client: "Client",
    lookups: list[str] | None,
    result_set: str | None,
    name: str | None,
    site: str | None,
    model: str | None,
    location: str | None,
) -> list[Record]:
    """Return the rows that are meant; of result sets, where these are named by a pattern, a site or a model."""
    asked = {"name": name, "location": location, "where": old_rows.lookups_of(lookups)}
    sets: list[str | None] = [result_set]
    if site is not None or model is not None or "*" in (result_set or ""):
        of = {"name": result_set, "site": site, "model": model}
        sets = [one["id"] for one in client.connection.pages("/api/v1/result-sets", **of)]
    return [row for one in sets for row in client.connection.pages("/api/v1/rows", result_set=one, **asked)]


def _address(row_id: str) -> str:
    if not row_id.isdigit():
        raise InvalidInput.field("id", f"{row_id!r} is no id of a row: `entrepot rows list` says them.")
    return f"/api/v1/rows/{row_id}"


def _vector(column: Record) -> str:
    return f"{column['name']} ({column['unit']})" if column["unit"] else str(column["name"])
