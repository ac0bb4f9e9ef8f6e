"""`entrepot rows`: analyses' rows from the terminal, in and out of files, and plotted."""

import json as json_
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.common import AsJson, FormulaGuard, show
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.renamed import Renaming
from entrepot.errors import EntrepotError, InvalidInput

if TYPE_CHECKING:
    import pandas as pd

    from entrepot.client.owi import ResultsAPI

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Rows of analyses: named vectors with units.")

Filters = Annotated[
    list[str] | None, typer.Argument(metavar="[FILTER]...", help="As `analysis__name=Frequencies`; all must hold.")
]
_PLACES = {
    "sites": "/locations/projectsites/",
    "locations": "/locations/assetlocations/",
    "model-definitions": "/geometry/routes/modeldefinitions/",
    "materials": "/geometry/userroutes/materials/",
    "subassemblies": "/geometry/userroutes/subassemblies/",
    "building-blocks": "/geometry/userroutes/buildingblocks/",
    "sensors": "/shm/routes/sensor/",
    "signals": "/shm/routes/signal/",
    "signal-history": "/shm/routes/signalhistory/",
}


_NAMES = ("title", "serial_number", "signal_id")


@app.command("list")
def list_(token: Token, filters: Filters = None, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List rows, without their vectors.

    Example: `entrepot rows list analysis__name=LifetimeDesignFrequencies location__title=BBA01`
    """
    with connected(url, token) as api:
        rows = _found(api, filters)
    listed = [
        {
            **{name: row[name] for name in ("id", "analysis", "site", "location", "short_description")},
            "vectors": ", ".join(_vector(row, number) for number in (1, 2, 3) if row[f"name_col{number}"]),
            "points": len(row["value_col1"]),
        }
        for row in rows
    ]
    show(listed, json)


@app.command("analyses")
def list_analyses(token: Token, filters: Filters = None, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List analyses.

    Example: `entrepot rows analyses name__icontains=frequencies`
    """
    with connected(url, token) as api:
        found = api.list_analyses(**_parsed(filters))["response"].json()
    names = ("id", "name", "model_definition", "location", "timestamp", "user")
    show([{name: one[name] for name in names} for one in found], json)


@app.command("add")
def add(
    what: Annotated[str, typer.Argument(help=f"One of {', '.join(_PLACES)}.")],
    token: Token,
    file: Annotated[Path | None, typer.Argument(help="A .json or .csv of many; an `id` is kept.")] = None,
    field: Annotated[list[str] | None, typer.Option("--set", help="As `title=Belwind`; may be repeated.")] = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Add sites, locations, model definitions, parts of structures or sensors, all or none.

    Example: `entrepot rows add locations --set id=435 --set title=BBA01 --set projectsite=Belwind`
    """
    if what not in _PLACES:
        raise InvalidInput.field("what", f"{what!r} is none of {', '.join(_PLACES)}.")
    records = [_fields(field)] if file is None else _records(file)
    with connected(url, token) as api:
        made = api.send("POST", _PLACES[what], records).json()
    show([{name: one[name] for name in ("id", *_NAMES) if name in one} for one in made], json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .xlsx, .csv or .parquet with a line a point; see `export`.")],
    token: Token,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    analysis: Annotated[int | None, typer.Option(help="Id of the analysis, in place of the file's own.")] = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Create or update rows, matched within their analysis by their short description; all or none.

    Example: `entrepot rows import frequencies.xlsx --analysis 46 --dry-run`
    """
    with connected(url, token) as api:
        from entrepot.client.owi import read_table, to_payloads

        table = read_table(file)
        if analysis is not None:
            table["analysis"] = analysis
        done = api.create_or_update_results_bulk(to_payloads(table), dry_run=dry_run)["summary"]
    show(done, json)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The .xlsx, .csv or .parquet to write.")],
    token: Token,
    filters: Filters = None,
    formula_guard: FormulaGuard = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Write rows to a file, a line a point, at full precision.

    Example: `entrepot rows export frequencies.parquet analysis__id=46`
    """
    with connected(url, token) as api:
        from entrepot.client.owi import to_table, write_table

        rows = _frame(_found(api, filters))
        write_table(to_table(rows), file, formula_guard=formula_guard)
    typer.echo(f"{len(rows)} rows in {file}")


@app.command("plot")
def plot(
    file: Annotated[Path, typer.Argument(help="The .html (interactive, needs no network) or .png to write.")],
    token: Token,
    filters: Filters = None,
    kind: Annotated[
        str | None, typer.Option(help="comparison, histogram, time_series or map; default: what the rows say.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Convert values to this unit.")] = None,
    x_unit: Annotated[str | None, typer.Option(help="Convert the first vectors to this unit.")] = None,
    title: Annotated[str | None, typer.Option(help="What is written above.")] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Plot rows.

    Example: `entrepot rows plot map.html analysis__id=46 name_col2=FA1 --kind map --unit mHz`
    """
    with connected(url, token) as api:
        from entrepot.client.owi import plot_rows

        rows = _frame(_found(api, filters))
        locations = api.get_locations() if kind == "map" else None
        chosen: Any = kind
        plot_rows(rows, chosen, locations=locations, unit=unit, x_unit=x_unit, title=title).save(file)
    typer.echo(f"{len(rows)} rows in {file}")


@app.command("lock")
def lock(
    ids: Annotated[list[int], typer.Argument(help="Ids of rows; with --analysis, of analyses.")],
    token: Token,
    analysis: Annotated[bool, typer.Option("--analysis", help="Lock whole analyses.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Unlock.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Lock rows or analyses, so that nobody can change or delete them.

    Example: `entrepot rows lock --analysis 46`
    """
    from entrepot.cli.connection import answering, connect

    with answering():
        connection, kind = connect(url, token), "result_set" if analysis else "row"
        for id_ in ids:
            if not undo:
                connection.json("POST", "/api/v1/locks", body={"kind": kind, "id": str(id_)})
                continue
            for lock in connection.pages("/api/v1/locks", kind=kind, id=str(id_)):
                connection.request("DELETE", f"/api/v1/locks/{lock['id']}")


@contextmanager
def connected(url: str, token: str) -> "Iterator[ResultsAPI]":
    """Open the OWI door of a server, and turn what it refuses into one line."""
    from entrepot.client.owi import APIException, ResultsAPI

    api = ResultsAPI(api_root=f"{url.rstrip('/')}/owi/api/v1", token=token)
    try:
        yield api
    except APIException as error:
        raise EntrepotError(" ".join(error.message.split("\n"))) from error
    finally:
        api.close()


def _parsed(filters: list[str] | None) -> dict[str, Any]:
    asked: dict[str, list[str]] = {}
    for text in filters or []:
        name, separator, value = text.partition("=")
        if not separator:
            raise InvalidInput.field("filter", f"{text!r} is not NAME=VALUE.")
        asked.setdefault(name, []).append(value)
    return asked


def _found(api: "ResultsAPI", filters: list[str] | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.list_results(**_parsed(filters))["response"].json()
    return found


def _frame(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows)


def _vector(row: dict[str, Any], number: int) -> str:
    unit = row[f"units_col{number}"]
    return f"{row[f'name_col{number}']} ({unit})" if unit else str(row[f"name_col{number}"])


def _fields(given: list[str] | None) -> dict[str, Any]:
    fields = {name: values[-1] for name, values in _parsed(given).items()}
    return {name: json_.loads(value) if name == "additional_data" else value for name, value in fields.items()}


def _records(file: Path) -> list[Any]:
    if file.suffix.lower() == ".json":
        loaded = json_.loads(file.read_text(encoding="utf-8"))
        return loaded if isinstance(loaded, list) else [loaded]
    if file.suffix.lower() != ".csv":
        raise InvalidInput.field("file", f"{file.name} is neither .json nor .csv.")
    import csv

    with file.open(newline="", encoding="utf-8-sig") as lines:
        return [{name: value for name, value in line.items() if value} for line in csv.DictReader(lines)]
