"""What the commands that try a script share: printing what it tells."""

from typing import Any

import typer

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_FIRST_ROWS = 5


def print_trial(told: dict[str, Any], *, heading: str | None, quiet: bool) -> bool:
    """Print what a script made, unless `quiet`; return whether a run would take all of it."""
    refused = [
        *told.get("refused", ()),
        *(column["refused"] for column in told.get("columns", ()) if column["refused"]),
    ]
    if not quiet:
        if heading is not None:
            typer.echo(heading)
        if told.get("error"):
            typer.echo(f"refused: {told['error']}\n{told.get('traceback', '')}".strip())
        elif told["passed_over"]:
            typer.echo("the script returned None: the file is passed over")
        else:
            _print_frame(told)
    return not (told.get("error") or refused)


def _print_frame(told: dict[str, Any]) -> None:
    typer.echo(_summary(told))
    for reason in told["refused"]:
        typer.echo(f"  refused: {reason}")
    width = max((len(column["name"]) for column in told["columns"]), default=0)
    for column in told["columns"]:
        typer.echo(f"  {column['name']:<{width}}  {column['type']:<7}  {_about(column)}")
    rows = told["first_rows"][:_FIRST_ROWS]
    if rows:
        typer.echo("  " + ", ".join(["", *(column["name"] for column in told["columns"])]).lstrip(", "))
    for row in rows:
        typer.echo(f"  {', '.join(row)}")


def _summary(told: dict[str, Any]) -> str:
    text = f"{told['rows']:,} rows, {len(told['columns'])} columns"
    if told.get("first"):
        text += f", {_short(told['first'])} to {_short(told['last'])}{' ' + told['zone'] if told['zone'] else ''}"
    notes = []
    if step := told.get("step_seconds"):
        notes.append(f"every {_span(step)}")
        if told["gaps"]:
            notes.append(f"{told['gaps']} gap{'s' if told['gaps'] > 1 else ''}")
    if told.get("duplicates"):
        notes.append(f"{told['duplicates']:,} stamps repeated")
    return text + (f" ({', '.join(notes)})" if notes else "")


def _about(column: dict[str, Any]) -> str:
    if column["refused"]:
        return f"refused: {column['refused']}"
    text = f"{column['count']:,} values"
    if column["min"] is not None:
        text += f"   {column['min']:g} to {column['max']:g}"
    if column["empty"]:
        text += f"   {column['empty']:,} empty"
    if not column.get("kept", True):
        return text + "   no output of the analysis"
    return text + ("   new series" if column["new_series"] else "")


def _short(stamp: str) -> str:
    return stamp[:16].replace("T", " ")


def _span(seconds: float) -> str:
    for name, length in _UNITS:
        if seconds >= length and seconds % length == 0:
            number = int(seconds // length)
            return name if number == 1 else f"{number} {name}s"
    return f"{seconds:g} seconds"
