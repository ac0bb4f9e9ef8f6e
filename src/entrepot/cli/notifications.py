"""`entrepot notifications`: what a person should look at."""

from enum import StrEnum
from typing import Annotated

import typer

from entrepot.cli.common import AsJson, show
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.platform import ProjectName, api_of
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="What a person should look at.")

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of notices, or how these begin.")]
SHORTEST = 8


class Mails(StrEnum):
    """Whether a project sends mails."""

    on = "on"
    off = "off"


@app.command("list")
def list_(
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    every: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    json: AsJson = False,
) -> None:
    """List the notices of a project that nobody resolved, newest first.

    Example: `entrepot notifications list --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        found = api.every("/notifications", **({} if every else {"resolved": False}))
    rows = [
        {
            "id": one["id"][:SHORTEST],
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

    Example: `entrepot notifications read 0d9b1d54 --project "Wind farm"`
    """
    typer.echo(f"{_change(url, token, project, ids, read=True)} read")


@app.command("resolve")
def resolve(ids: Ids, token: Token, project: ProjectName, url: Url = DEFAULT_URL) -> None:
    """Say that notices are resolved.

    Example: `entrepot notifications resolve 0d9b1d54 --project "Wind farm"`
    """
    typer.echo(f"{_change(url, token, project, ids, resolved=True)} resolved")


@app.command("mails")
def mails(
    value: Annotated[Mails, typer.Argument(help="Whether they are sent.")],
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
) -> None:
    """Send a project's notices by mail to the members of its organization, or not.

    Example: `entrepot notifications mails on --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        api.call("PATCH", f"/projects/{api.project_id}", {"mails": value is Mails.on})
    typer.echo(f"mails are {value}")


def _change(url: str, token: str, project: str, ids: list[str], **fields: bool) -> int:
    with api_of(url, token, project) as api:
        known = [one["id"] for one in api.every("/notifications")]
        for id_ in [whole(id_, known) for id_ in ids]:
            api.call("PATCH", f"/notifications/{id_}", fields)
    return len(ids)


def whole(beginning: str, known: list[str]) -> str:
    """Return the one id that begins so."""
    found = [id_ for id_ in known if id_.startswith(beginning)]
    if len(found) != 1:
        raise InvalidInput.field("id", f"{len(found)} of them begin with {beginning!r}.")
    return found[0]
