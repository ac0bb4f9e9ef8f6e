"""`entrepot series`: list, read, plot and export series."""

import sys
import warnings
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.bounds.cells import guarded
from entrepot.cli.common import AsJson, FormulaGuard, show
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.platform import ProjectName, project_of
from entrepot.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    import pandas as pd

    from entrepot.client.ovbp.models.odata import Series
    from entrepot.client.ovbp.models.oteams import Project

app = typer.Typer(no_args_is_help=True, help="Series of values over time.")

Names = Annotated[list[str], typer.Argument(metavar="SERIES...", help="Names or ids; names may have * and ?.")]
Of = Annotated[
    str | None, typer.Option("--of", help="Only those of this importer, cleaner or analysis: `cleaner=scada`.")
]
Start = Annotated[str | None, typer.Option(help="The first time: `2014-03-01` or `2014-03-01T06:00`.")]
End = Annotated[str | None, typer.Option(help="The last time.")]
Step = Annotated[str | None, typer.Option("--resample", help="Step to bring the values to: `1h`, `30min`, `1D`.")]
Rule = Annotated[str | None, typer.Option(help="How values become one: mean, sum, first, last, min or max.")]
ClockName = Annotated[str | None, typer.Option("--clock", help="Clock of the stamps: gmt, tzt or dst.")]


class Format(StrEnum):
    """What `read` writes."""

    csv = "csv"
    parquet = "parquet"
    arrow = "arrow"


@app.command("ls")
def ls(
    token: Token,
    project: ProjectName,
    names: Annotated[list[str] | None, typer.Argument(metavar="SERIES...", help="Names; may have * and ?.")] = None,
    url: Url = DEFAULT_URL,
    of: Of = None,
    json: AsJson = False,
) -> None:
    """List the series of a project.

    Example: `entrepot series ls 'wind*' --project "Wind farm" --of cleaner=scada`
    """
    with project_of(url, token, project) as found:
        rows = [
            {"series": one.name, "of": maker, "unit": one.unit, "label": one.label, "id": one.id}
            for one, maker in _picked(found, names or [], of)
        ]
    show(rows, json)


@app.command("read")
def read(
    names: Names,
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    of: Of = None,
    start: Start = None,
    end: End = None,
    resample: Step = None,
    rule: Rule = None,
    clock: ClockName = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="What is written.")] = Format.csv,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to; otherwise standard output.")] = None,
    formula_guard: FormulaGuard = False,
) -> None:
    """Write values as CSV, Parquet or an Arrow stream: a column `time`, and one for each series.

    Example: `entrepot series read wind_speed --project "Wind farm" --resample 1D -f parquet > wind.parquet`
    """
    if output is None and format_ is not Format.csv and sys.stdout.isatty():
        raise InvalidInput.field("format", f"{format_} is not for a terminal: redirect it, or give --output FILE.")
    with project_of(url, token, project) as found:
        frame = _frame(found, names, of, start, end, resample, rule, clock)
    content = _written(frame.rename(columns=guarded) if formula_guard else frame, format_)
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    else:
        output.write_bytes(content)


@app.command("plot")
def plot(
    names: Names,
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    of: Of = None,
    start: Start = None,
    end: End = None,
    resample: Step = None,
    rule: Rule = None,
    clock: ClockName = None,
) -> None:
    """Plot values in the terminal.

    Example: `entrepot series plot wind_speed --project "Wind farm" --start 2014-03-01 --end 2014-03-08 --resample 1h`
    """
    from rich.console import Console

    from entrepot.plots.figures import NotDrawable
    from entrepot.plots.series import in_terminal

    with project_of(url, token, project) as found:
        frame = _frame(found, names, of, start, end, resample, rule, clock)
    console = Console()
    try:
        typer.echo(in_terminal(frame, min(console.width, 120), colors=console.is_terminal))
    except NotDrawable as error:
        raise NotFound(error.message) from None


@app.command("delete-points")
def delete_points(
    names: Names,
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    of: Of = None,
    start: Start = None,
    end: Annotated[str | None, typer.Option(help="Points from here on stay.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Delete the points from one time to another, such as a stamp of 1970; what lies downstream follows.

    Example: `entrepot series delete-points speed --of importer=scada --end 1990-01-01 --project "Wind farm"`
    """
    from entrepot.cli.connection import connect
    from entrepot.client.native import Series

    with project_of(url, token, project) as found:
        picked = _picked(found, names, of)
    if not yes:
        typer.confirm(f"Delete points of {', '.join(f'{one.name} ({maker})' for one, maker in picked)}?", abort=True)
    connection = connect(url, token)
    gone = [Series(connection, one.id, one.name, {}).delete_points(start, end) for one, _ in picked]
    rows = [{"series": one.name, "of": maker, "deleted": n} for (one, maker), n in zip(picked, gone, strict=True)]
    show(rows, json)


@app.command("export")
def export(
    names: Names,
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    of: Of = None,
    start: Start = None,
    end: End = None,
    resample: Step = None,
    clock: ClockName = None,
    frame: Annotated[bool, typer.Option("--frame", help="All in one file, a column for each series.")] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="An existing folder.", file_okay=False, exists=True)
    ] = Path(),
    publish: Annotated[
        str | None, typer.Option(help="Publish the archive under this identifier instead of fetching it.")
    ] = None,
    offsets: Annotated[bool, typer.Option("--offsets", help="Stamps carry their offset; with --publish.")] = False,
    bom: Annotated[bool, typer.Option("--bom", help="Begin as spreadsheets like it; with --publish.")] = False,
    formula_guard: FormulaGuard = False,
) -> None:
    """Export any amount of values as CSV files, made by the server.

    Example: `entrepot series export 'wind*' --project "Wind farm" --resample 1h --frame -o exports`
    """
    with project_of(url, token, project) as found:
        if publish is not None:
            ids = [one.id for one, _ in _picked(found, names, of)]
            options: dict[str, Any] = {
                "from": start,
                "to": end,
                "step": resample,
                "clock": {"gmt": "UTC", "tzt": "standard", "dst": "wall"}.get(clock or "", clock),
                "layout": "frame" if frame else "series",
            }
            for_people = {"offsets": offsets, "bom": bom, "formula_guard": formula_guard}
            options |= {name: True for name, wanted in for_people.items() if wanted}
            typer.echo(_published(url, token, ids, publish, options))
            return
        if offsets or bom or formula_guard:
            raise InvalidInput("--offsets, --bom and --formula-guard need --publish.")
        before = set(output.iterdir())
        found.client.series.export_download_and_parse_data(
            [one for one, _ in _picked(found, names, of)],
            download_dir_path=output,
            return_frame=False,
            start=start,
            end=end,
            out_freq=resample,
            clock=clock,
            out_mode="dataframe" if frame else "series",
        )
    for folder in sorted(set(output.iterdir()) - before):
        for file in sorted(folder.iterdir()):
            typer.echo(file)


def _published(url: str, token: str, ids: list[str], identifier: str, options: dict[str, Any]) -> str:
    """Have the server publish an export, and return the file's id."""
    from entrepot.cli.connection import connect
    from entrepot.client.native import Client

    given = {name: value for name, value in options.items() if value is not None}
    made = Client(connect(url, token)).export(ids, publish={"identifier": identifier}, **given)
    return str(made["file"])


def _picked(project: "Project", names: Sequence[str], of: str | None) -> "list[tuple[Series, str]]":
    """Return the series with these names or ids (all, if none are given), and of what each is, the oldest first."""
    from fnmatch import fnmatchcase

    makers = {
        one.id: f"{one.model}={one.name}"
        for records in (project.list_all_importers(), project.list_all_cleaners(), project.list_all_analyses())
        for one in records
    }
    known = [(one, makers.get(one.generator, "")) for one in reversed(project.list_all_series())]
    among = [(one, maker) for one, maker in known if of is None or of in (maker, maker.partition("=")[2])]
    if not names:
        return among
    found: dict[str, tuple[Series, str]] = {}
    for name in names:
        matching = {one.id: (one, maker) for one, maker in among if one.id == name or fnmatchcase(one.name, name)}
        if not matching:
            raise NotFound(f"There is no series {name!r}{f' of {of}' if of else ''}.")
        found |= matching
    return [(one, maker) for one, maker in among if one.id in found]


def _frame(
    project: "Project",
    names: Sequence[str],
    of: str | None,
    start: str | None,
    end: str | None,
    resample: str | None,
    rule: str | None,
    clock: str | None,
) -> "pd.DataFrame":
    from entrepot.client.ovbp.series import to_frame

    picked = _picked(project, names, of)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            answers: dict[str, Any] = project.client.series.select_data(
                [one for one, _ in picked],
                start=start,
                end=end,
                resample=resample,
                resample_rule=rule,
                clock=clock,
                return_df=False,
            )
        except UserWarning:
            raise InvalidInput(
                "This is more than is read at once: narrow it, or use `entrepot series export`."
            ) from None
    labels = {str(one.otsdb_pk): one.name for one, _ in picked}
    if len({*labels.values()}) < len(labels):
        labels = {str(one.otsdb_pk): f"{one.name} [{maker}]" for one, maker in picked}
    return to_frame({key: answers[key] | {"name": label} for key, label in labels.items()})


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
