"""`entrepot notices`: what a person should look at, and which series are watched for silence."""

from enum import StrEnum
from typing import Annotated

import typer

from entrepot.cli.common import AsJson, show
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.platform import ProjectName, api_of
from entrepot.cli.run import Kind
from entrepot.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, help="What a person should look at.")

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of notices, or how these begin.")]
SeriesName = Annotated[str, typer.Option("--series", "-s", help="Of this series alone; by default, of all.")]
_SHORTEST = 8


class Mails(StrEnum):
    """Whether a project sends mails."""

    on = "on"
    off = "off"


@app.command("ls")
def ls(
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    every: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    json: AsJson = False,
) -> None:
    """List the notices of a project that nobody resolved, newest first.

    Example: `entrepot notices ls --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        found = api.every("/notifications", **({} if every else {"resolved": False}))
    rows = [
        {
            "id": one["id"][:_SHORTEST],
            "since": one["created_at"][:16],
            "state": "resolved" if one["resolved"] else "read" if one["read"] else "new",
            "from": one["origin"],
            "notice": one["name"],
            "message": one["message"],
        }
        for one in found
    ]
    show(found if json else rows, json)


@app.command("read")
def read(ids: Ids, token: Token, project: ProjectName, url: Url = DEFAULT_URL) -> None:
    """Say that notices have been read.

    Example: `entrepot notices read 0d9b1d54 --project "Wind farm"`
    """
    typer.echo(f"{_change(url, token, project, ids, read=True)} read")


@app.command("resolve")
def resolve(ids: Ids, token: Token, project: ProjectName, url: Url = DEFAULT_URL) -> None:
    """Say that notices are resolved.

    Example: `entrepot notices resolve 0d9b1d54 --project "Wind farm"`
    """
    typer.echo(f"{_change(url, token, project, ids, resolved=True)} resolved")


@app.command("watch")
def watch(
    kind: Annotated[Kind, typer.Argument(help="What makes the series.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
    token: Token,
    project: ProjectName,
    grace: Annotated[
        str, typer.Option(help="How old a last point may be, as `6H` or `2D`; `none`: these may be silent.")
    ],
    series: SeriesName = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Tell when series fall silent: when their last point is older than it may be.

    Example: `entrepot notices watch importer scada --grace 6H --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        found = api.generators(kind, name=name)
        if not found:
            raise InvalidInput.field("name", f"There is no {kind} {name!r} in this project.")
        silent_for = None if grace == "none" else grace
        api.call("POST", "/watches", {"of": found[0]["id"], "series": series, "silent_for": silent_for})
    typer.echo("watched")


@app.command("watches")
def watches(token: Token, project: ProjectName, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List what is watched for silence.

    Example: `entrepot notices watches --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        found = api.every("/watches")
    rows = [
        {
            "id": one["id"][:_SHORTEST],
            "of": "{kind}={name}".format(**one["of"]),
            "series": one["series"] or "all",
            "grace": one["silent_for"] or "none",
        }
        for one in found
    ]
    show(found if json else rows, json)


@app.command("unwatch")
def unwatch(ids: Ids, token: Token, project: ProjectName, url: Url = DEFAULT_URL) -> None:
    """Watch series no longer.

    Example: `entrepot notices unwatch 0d9b1d54 --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        known = [one["id"] for one in api.every("/watches")]
        for id_ in [_whole(id_, known) for id_ in ids]:
            api.call("DELETE", f"/watches/{id_}")
    typer.echo(f"{len(ids)} ended")


@app.command("mails")
def mails(
    value: Annotated[Mails, typer.Argument(help="Whether they are sent.")],
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a project's notices by mail to the members of its organization, or not.

    Example: `entrepot notices mails on --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        api.send_mails(value=value is Mails.on)
    typer.echo(f"mails are {value}")


def _change(url: str, token: str, project: str, ids: list[str], **fields: bool) -> int:
    with api_of(url, token, project) as api:
        known = [one["id"] for one in api.every("/notifications")]
        for id_ in [_whole(id_, known) for id_ in ids]:
            api.call("PATCH", f"/notifications/{id_}", fields)
    return len(ids)


def _whole(beginning: str, known: list[str]) -> str:
    found = [id_ for id_ in known if id_.startswith(beginning)]
    if len(found) != 1:
        raise InvalidInput.field("id", f"{len(found)} of them begin with {beginning!r}.")
    return found[0]
