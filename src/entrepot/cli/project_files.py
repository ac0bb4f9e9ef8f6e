"""`entrepot export`, `plan` and `apply`: a project as a file, to be kept with its scripts beside it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show_json
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.paths import NOUNS, find

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The file, with its scripts beside it.")]
Secrets = Annotated[
    Path | None,
    typer.Option("--secrets", exists=True, dir_okay=False, help="YAML: credentials of feeders, by the file's names."),
]
_WHICH = {"made": "+", "changed": "~", "removed": "-"}
_SHORTEST = 70

export = typer.Typer(no_args_is_help=True, help="Write what the server has as files.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(export, name="export")
    app.command()(plan)
    app.command()(apply)


@export.callback()
def _group() -> None:
    """Write what the server has as files."""


@export.command("project")
def export_project(
    path: Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the project.")],
    token: Token,
    url: Url = DEFAULT_URL,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", file_okay=False, help="A folder: scripts are files in it.")
    ] = None,
) -> None:
    """Write a project as a file: all that makes it, without its data and without secrets.

    Example: `entrepot export project "La Haute Borne" --output farm`
    """
    from entrepot.cli import yaml_files

    with port(url, token) as client:
        project = find(client, NOUNS["projects"], path)
        file = client.connection.json("GET", f"/api/v1/projects/{project['id']}/file")
    if output is None:
        typer.echo(yaml_files.written(file), nl=False)
        return
    for target in yaml_files.write(file, output):
        typer.echo(target)


@export.command("schema")
def export_schema(token: Token, url: Url = DEFAULT_URL) -> None:
    """Print the JSON Schema of a project's file, for editors.

    Example: `entrepot export schema > farm.schema.json`
    """
    with port(url, token) as client:
        show_json(client.connection.json("GET", "/api/v1/schemas/project"))


def plan(file: File, token: Token, url: Url = DEFAULT_URL, secrets: Secrets = None, json: AsJson = False) -> None:
    """Tell what a file would make, change and remove, and what would be computed again; nothing is changed.

    Example: `entrepot plan farm.yaml`
    """
    told = _asked(file, token, url, secrets, "plan")
    if json:
        show_json(told)
        return
    _print(file, told)
    if told["changes"]:
        typer.echo(f"Nothing was changed. `entrepot apply {file}` makes it so.")


def apply(file: File, token: Token, url: Url = DEFAULT_URL, secrets: Secrets = None, json: AsJson = False) -> None:
    """Make a project what a file says, all of it or nothing; what is there already stays as it is.

    Example: `entrepot apply farm.yaml --secrets secrets.yaml`
    """
    told = _asked(file, token, url, secrets, "apply")
    if json:
        show_json(told)
    else:
        _print(file, told)


def _asked(file: Path, token: str, url: str, secrets: Path | None, what: str) -> dict[str, Any]:
    from entrepot.cli import yaml_files

    body: dict[str, Any] = {"file": yaml_files.read(file)}
    if secrets is not None:
        body["secrets"] = yaml_files.load(secrets)
    with port(url, token) as client:
        told: dict[str, Any] = client.connection.json(
            "POST", f"/api/v1/projects/{what}", body=body, once=what == "apply"
        )
    return told


def _print(file: Path, told: dict[str, Any]) -> None:
    typer.echo(f'{file.name} beside "{told["project"]}"')
    lines = [(_named(change), _differences(change), _consequences(change, told)) for change in told["changes"]]
    widths = [max((len(line[column]) for line in lines), default=0) for column in (0, 1)]
    for name, differs, follows in lines:
        typer.echo(f"  {name:<{widths[0]}}  {differs:<{widths[1]}}  {follows}".rstrip())
    if not lines:
        typer.echo("  nothing differs")
    for one in told["secrets_missing"]:
        typer.echo(f"  ! the secret {one} is not there: give it with --secrets", err=True)
    for address, secret in told["secrets_made"].items():
        typer.echo(f"  ! {address} is told with this secret, which is not shown again: {secret}")


def _named(change: dict[str, Any]) -> str:
    return f"{_WHICH[change['action']]} {change['kind']} {change['name']}"


def _differences(change: dict[str, Any]) -> str:
    said = []
    for name, one in change["fields"].items():
        lines = one["lines"]
        how = f"{lines} line{'s' if lines > 1 else ''} differ" if lines else f"{one['before']} becomes {one['after']}"
        said.append(f"{name}: {how if len(how) <= _SHORTEST else 'differs'}")
    return ", ".join(said)


def _consequences(change: dict[str, Any], told: dict[str, Any]) -> str:
    """Return what is computed again because of a change."""
    because = f"{change['kind']} {change['name']}"
    again = [one for one in told["computed_again"] if one["because"] == because]
    files = told["files_read_again"].get(change["name"]) if change["kind"] == "importer" else None
    said = [] if files is None else [f"{files} file{'s are' if files != 1 else ' is'} read again"]
    if again:
        own = [one for one in again if one["of"].startswith("cleaner")] or again
        count = sum(one["intervals"] or 0 for one in own)
        kind = "cleaned" if own[0]["of"].startswith("cleaner") else "computed"
        starts = [one["first_at"][:10] for one in own if one["first_at"]]
        since = f" from {min(starts)} on" if starts else ""
        said.append(f"{len(own)} series {'are' if len(own) > 1 else 'is'} {kind} again: {count:,} intervals{since}")
        said += [f"{one} follows" for one in dict.fromkeys(o["of"].partition(" ")[2] for o in again if o not in own)]
    return "; ".join(said)
