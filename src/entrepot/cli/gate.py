"""`entrepot gate`: files into a gate."""

from pathlib import Path
from typing import Annotated

import typer

from entrepot.cli.platform import ProjectName, project_of
from entrepot.cli.work import DEFAULT_URL, Token, Url

app = typer.Typer(no_args_is_help=True, help="Gates, where files come in.")


@app.callback()
def _gate() -> None:
    """Keep `put` a command of its own."""


@app.command("put")
def put(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="What to send.")],
    token: Token,
    project: ProjectName,
    gate: Annotated[str, typer.Option("--gate", "-g", help="Name of the gate.")],
    url: Url = DEFAULT_URL,
    to: Annotated[str, typer.Option("--to", help="Folder on the gate; made where it is missing.")] = "/",
) -> None:
    """Send files to a gate. One that is there already is replaced.

    Example: `entrepot gate put march/*.csv --project "Wind farm" --gate scada`
    """
    from ftputil.error import FTPError
    from tqdm import tqdm

    from entrepot.errors import EntrepotError

    with project_of(url, token, project) as found:
        try:
            with found.get_gate(gate).get_ftputil_client() as ftp:
                ftp.makedirs(to, exist_ok=True)
                for file in files:
                    size = file.stat().st_size
                    with tqdm(desc=file.name, total=size, unit="B", unit_scale=True, disable=None) as bar:
                        ftp.upload(str(file), ftp.path.join(to, file.name), lambda sent: bar.update(len(sent)))
        except FTPError as error:
            raise EntrepotError(f"The gate refuses: {error.strerror or error}") from error
    typer.echo(f"{len(files)} sent")
