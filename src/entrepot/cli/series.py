"""`entrepot series`: list, read, write, plot and export series."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.common import AsJson, FormulaGuard, show
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import ProjectOption, noun_group, shown
from entrepot.cli.old_clocks import clock_of, clock_of_export
from entrepot.cli.picking import Of, found_series, labels
from entrepot.cli.results import add_explain, add_lock
from entrepot.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    import pandas as pd

    from entrepot.client.native import Client

app = noun_group("series", "Series of values over time.", ("show", "create", "set", "delete"))
add_lock(app, "series", "series", "'farm/R80711 wind' --why 'In the report'")
add_explain(app, "series", "series", "'farm/R80711 wind' --at 2014-03-15T00:00Z")

Names = Annotated[list[str], typer.Argument(metavar="SERIES...", help="Paths, names or ids; names may have * and ?.")]
From = Annotated[str | None, typer.Option("--from", "--start", help="`2014-03-01T06:00`; `2014-03` is all of it.")]
To = Annotated[str | None, typer.Option("--to", help="The first instant that is not wanted.")]
End = Annotated[str | None, typer.Option("--end", hidden=True)]
Step = Annotated[str | None, typer.Option("--step", "--resample", help="Bring the values to: `1h`, `30min`, `1d`.")]
Rule = Annotated[str | None, typer.Option(help="How values become one: mean, sum, first, last, min or max.")]
ClockName = Annotated[str | None, typer.Option("--clock", help="`UTC`, `Europe/Paris`, `Europe/Paris standard`.")]
Unit = Annotated[str | None, typer.Option("--unit", help="Unit that the values are converted to.")]


class Format(StrEnum):
    """What `read` writes."""

    csv = "csv"
    parquet = "parquet"
    arrow = "arrow"


@app.command("list")
def list_(
    token: Token,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SERIES...]", help="Paths or names, which may have * and ?.")
    ] = None,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    of: Of = None,
    json: AsJson = False,
) -> None:
    """List series: what they are of, their unit and how far they go.

    Example: `entrepot series list 'farm/wind*' --of cleaner=scada`
    """
    with port(url, token) as client:
        found = found_series(client, names or [], project, of)
    names_ = ("name", "project", "of", "unit", "first_at", "last_at", "count", "id")
    show(found if json else [shown(one, names_) | {"of": labels([one])[0]} for one in found], json)


@app.command("read")
def read(
    names: Names,
    token: Token,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    of: Of = None,
    from_: From = None,
    to: To = None,
    end: End = None,
    step: Step = None,
    rule: Rule = None,
    clock: ClockName = None,
    unit: Unit = None,
    format_: Annotated[
        Format | None, typer.Option("--format", "-f", help="What is written; by default as the file is named, or CSV.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to; otherwise standard output.")] = None,
    formula_guard: FormulaGuard = False,
) -> None:
    """Write values as CSV, Parquet or an Arrow stream: a column `time`, and one for each series.

    Example: `entrepot series read "farm/R80711 wind" --from 2014-03 --step 1d --unit km/h --output wind.parquet`
    """
    from entrepot.bounds.cells import guarded

    named = next((one for one in Format if output is not None and output.suffix == f".{one}"), Format.csv)
    chosen = format_ or named
    if output is None and chosen is not Format.csv and sys.stdout.isatty():
        raise InvalidInput.field("format", f"{chosen} is not for a terminal: redirect it, or give --output FILE.")
    with port(url, token) as client:
        options = {"step": step, "aggregate": rule, "clock": clock_of(clock), "unit": unit}
        frame = _frame(client, found_series(client, names, project, of), from_, _ending(to, end), options)
    content = _written(frame.rename(columns=guarded) if formula_guard else frame, chosen)
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        output.write_bytes(content)


@app.command("write")
def write(
    path: Annotated[str, typer.Argument(metavar="SERIES", help="Its path or id.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or Parquet: columns time and value.")],
    token: Token,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Write points to a series that clients push to; the last write of an instant wins.

    Example: `entrepot series write farm/power points.csv`
    """
    import pandas as pd

    from entrepot.client.series import Series

    points = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    with port(url, token) as client:
        (found,) = found_series(client, [path], project, None)[:1]
        try:
            written = Series(client.connection, found).write(points)
        except (TypeError, ValueError) as error:
            raise InvalidInput.field("file", str(error)) from None
    show([dict(written)], json)


@app.command("plot")
def plot(
    names: Names,
    token: Token,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    of: Of = None,
    from_: From = None,
    to: To = None,
    end: End = None,
    step: Step = None,
    rule: Rule = None,
    clock: ClockName = None,
) -> None:
    """Plot values in the terminal.

    Example: `entrepot series plot farm/wind_speed --from 2014-03-01 --to 2014-03-08 --step 1h`
    """
    from rich.console import Console

    from entrepot.plots.figures import NotDrawable
    from entrepot.plots.series import in_terminal

    with port(url, token) as client:
        options = {"step": step, "aggregate": rule, "clock": clock_of(clock)}
        frame = _frame(client, found_series(client, names, project, of), from_, _ending(to, end), options)
    console = Console()
    try:
        typer.echo(in_terminal(frame, min(console.width, 120), colors=console.is_terminal))
    except NotDrawable as error:
        raise NotFound(error.message) from None


@app.command("delete-points")
def delete_points(
    names: Names,
    token: Token,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    of: Of = None,
    from_: From = None,
    to: Annotated[str | None, typer.Option("--to", "--end", help="Points from here on stay.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Delete the points from one time to another, such as a stamp of 1970; what lies downstream follows.

    Example: `entrepot series delete-points farm/speed --of importer=scada --to 1990-01-01`
    """
    from entrepot.client.series import Series

    with port(url, token) as client:
        picked = found_series(client, names, project, of)
        named = list(zip(picked, labels(picked), strict=True))
        if not yes:
            said = ", ".join(f"{one['name']} ({maker})" for one, maker in named)
            typer.confirm(f"Delete points of {said}?", abort=True)
        rows = [
            {"series": one["name"], "of": maker, "deleted": Series(client.connection, one).delete_points(from_, to)}
            for one, maker in named
        ]
    show(rows, json)


@app.command("export")
def export(
    names: Names,
    token: Token,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    of: Of = None,
    from_: From = None,
    to: Annotated[str | None, typer.Option("--to", "--end", help="The last time.")] = None,
    step: Step = None,
    clock: ClockName = None,
    frame: Annotated[bool, typer.Option("--frame", help="All in one file, a column for each series.")] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="An existing folder.", file_okay=False, exists=True)
    ] = Path(),
    publish: Annotated[
        str | None, typer.Option(help="Publish the archive under this identifier instead of fetching it.")
    ] = None,
    offsets: Annotated[bool, typer.Option("--offsets", help="Stamps carry their offset.")] = False,
    bom: Annotated[bool, typer.Option("--bom", help="Begin as spreadsheets like it.")] = False,
    formula_guard: FormulaGuard = False,
) -> None:
    """Export any amount of values as CSV files, made by the server.

    What is not published is fetched, and acknowledged: the server keeps it no longer than other files that were.

    Example: `entrepot series export 'farm/wind*' --step 1h --frame -o exports`
    """
    named = clock_of_export(clock)
    options: dict[str, Any] = {"from": _aware(from_), "to": _aware(to), "step": step, "clock": named}
    options |= {"layout": "frame" if frame else "series"}
    options |= {"offsets": offsets or None, "bom": bom or None, "formula_guard": formula_guard or None}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    with port(url, token) as client:
        ids = [str(one["id"]) for one in found_series(client, names, project, of)]
        made = client.export(ids, publish={"identifier": publish or "export"}, **given)
        if publish is not None:
            typer.echo(made["file"])
            return
        for file in _fetched(client, made["file"], output):
            typer.echo(file)


def _fetched(client: "Client", file_id: str, folder: Path) -> list[Path]:
    """Return the files of an archive, fetched into a folder."""
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory() as beside:
        archive = client.files.download(file_id, Path(beside) / "export.zip")
        client.files.acknowledge(file_id)
        with zipfile.ZipFile(archive) as opened:
            return [Path(opened.extract(one, folder)) for one in sorted(opened.namelist()) if not one.endswith("/")]


def _frame(
    client: "Client", picked: Sequence[dict[str, Any]], from_: str | None, to: str | None, options: dict[str, Any]
) -> "pd.DataFrame":
    """Return series as the columns of a table; stamps are UTC, or with their offset where a clock is asked for."""
    import pandas as pd

    from entrepot.client.series import Series

    names = [str(one["name"]) for one in picked]
    if len({*names}) < len(names):
        names = [f"{name} [{maker}]" for name, maker in zip(names, labels(picked), strict=True)]
    given: Any = {name: value for name, value in options.items() if value is not None}
    columns = [
        Series(client.connection, one).read(from_, to, **given).rename(name)
        for one, name in zip(picked, names, strict=True)
    ]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC"))
    index = pd.DatetimeIndex(frame.index).as_unit("ns")
    clock = options.get("clock")
    frame.index = index.tz_localize(None) if clock is None else index.tz_convert(clock.removesuffix(" standard"))
    return frame


def _written(frame: "pd.DataFrame", format_: Format) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    table = frame.rename_axis("time").reset_index()
    if format_ is Format.csv:
        # A carriage return in a name would begin a line to some.
        return table.rename(columns=lambda name: str(name).replace("\r", " ")).to_csv(index=False).encode()
    sink = pa.BufferOutputStream()
    rows = pa.Table.from_pandas(table, preserve_index=False)
    if format_ is Format.parquet:
        parquet.write_table(rows, sink)
    else:
        with pa.ipc.new_stream(sink, rows.schema) as stream:
            stream.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


def _ending(to: str | None, end: str | None) -> str | None:
    """Return the first instant that is not wanted; the last one that is may be given instead."""
    if end is None:
        return to
    import pandas as pd

    return str((pd.Timestamp(end) + pd.Timedelta(1, "us")).isoformat())


def _aware(text: str | None) -> str | None:
    import pandas as pd

    stamp = None if text is None else pd.Timestamp(text)
    return None if stamp is None else str((stamp if stamp.tzinfo else stamp.tz_localize("UTC")).isoformat())
