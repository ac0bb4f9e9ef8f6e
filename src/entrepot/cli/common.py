"""What the commands share: options, errors as one line, output for people and for programs."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.renamed import Renaming
from entrepot.errors import EntrepotError, InvalidInput, NotFound, Unavailable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from entrepot.identity import Organization, Principal
    from entrepot.server.services import Services
    from entrepot.settings import Settings

DATA_DIR_VARIABLE = "ENTREPOT_DATA_DIR"
_WIDEST = 10_000

DataDir = Annotated[Path, typer.Option("--data-dir", envvar=DATA_DIR_VARIABLE, help="The server's data folder.")]
FormulaGuard = Annotated[
    bool, typer.Option("--formula-guard", help="In CSV: texts that a spreadsheet would execute stand behind a '.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OrganizationName = Annotated[
    str | None, typer.Option("--organization", help="Name of the organization; needed where there are several.")
]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="File whose first line is the password; `-`: standard input.")
]


class Commands(Renaming):
    """A group of commands whose failures are one line on standard error, and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except EntrepotError as error:
            message = error.message
        except OSError as error:
            message = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        typer.echo(f"error: {message}", err=True)
        raise typer.Exit(1)


def group(summary: str) -> typer.Typer:
    """Return a group of commands, such as `entrepot users`, that takes ``--data-dir`` before or after their names."""
    app = typer.Typer(cls=Renaming, no_args_is_help=True, help=summary)

    @app.callback()
    def remember(
        data_dir: Annotated[Path | None, typer.Option("--data-dir", help="The server's data folder.")] = None,
    ) -> None:
        if data_dir is not None:
            os.environ[DATA_DIR_VARIABLE] = str(data_dir)

    return app


def load_settings(data_dir: Path, **flags: Any) -> "Settings":
    """Return the settings of a data folder and the flags given; raise InvalidInput where they do not make sense.

    From here on this process makes files for its own user alone: what is in a data folder is nobody else's.
    """
    from entrepot.server.private import keep_private
    from entrepot.settings import load

    keep_private()
    return load(data_dir=data_dir.absolute(), **flags)


@contextmanager
def open_services(data_dir: Path) -> Iterator["Services"]:
    """Open a data folder whose database is up to date."""
    from entrepot.server.recognise import require_usable
    from entrepot.server.services import Services

    settings = load_settings(data_dir)
    with reporting_database_errors():
        require_usable(settings)
        services = Services.open(settings)
        try:
            yield services
        finally:
            services.close()


@contextmanager
def reporting_database_errors() -> Iterator[None]:
    """Turn the driver's many lines about a database that does not answer into one."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (DBAPIError, Unavailable) as error:
        cause = error if isinstance(error, DBAPIError) else error.__cause__
        if not isinstance(cause, DBAPIError):
            raise
        raise Unavailable(f"The database refuses: {str(cause.orig).strip().splitlines()[0]}") from error


def find_organization(session: "Session", name: str | None) -> "Organization":
    """Return the organization of this name; without one, the only organization there is."""
    from entrepot.identity import projects, users

    if name is not None:
        return users.find_organization(session, name)
    found = projects.list_organizations(session, operator(session))
    if len(found) != 1:
        raise InvalidInput.field("organization", f"There are {len(found)}: say which with --organization NAME.")
    return found[0]


def operator(session: "Session") -> "Principal":
    """Return who holds the data folder in hand: an administrator of every organization."""
    from sqlalchemy import select

    from entrepot.identity import Organization, Principal, Role

    ids = session.scalars(select(Organization.id).order_by(Organization.created_at)).all()
    if not ids:
        raise NotFound("There is no organization yet.")
    return Principal("", "operator", ids[0], dict.fromkeys(ids, Role.ADMIN))


def read_password(file: Path | None) -> str | None:
    """Return the first line of a password file; None without one."""
    if file is None:
        return None
    text = sys.stdin.read() if str(file) == "-" else file.read_text()
    return text.partition("\n")[0].rstrip("\r")


def show(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Print rows as a table, or as a JSON array."""
    if as_json:
        show_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo("none")
        return
    table = Table(*rows[0], box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console = Console(soft_wrap=True)
    if console.is_terminal:
        console.print(table)
    else:
        # What is piped into another program is not folded, nor cut, to a width.
        wide = Console(width=_WIDEST)
        wide.print(table, width=wide.measure(table).maximum)


def show_one(record: dict[str, Any], as_json: bool) -> None:
    """Print a record as lines, or as a JSON object."""
    if as_json:
        show_json(record)
        return
    width = max(map(len, record))
    for name, value in record.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {value}")


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())
