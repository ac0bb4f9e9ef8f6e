"""`entrepot watches`: which series must not fall silent unnoticed."""

from enum import StrEnum
from typing import Annotated

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.notifications import SHORTEST, Ids, whole
from entrepot.cli.platform import ProjectName, api_of
from entrepot.cli.renamed import Renaming

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Series that must not fall silent unnoticed.")

SeriesName = Annotated[str, typer.Option("--series", "-s", help="Of this series alone; by default, of all.")]
KINDS = {"importer": "importers", "cleaner": "cleaners", "analysis": "analyses"}


class Kind(StrEnum):
    """What makes series."""

    importer = "importer"
    cleaner = "cleaner"
    analysis = "analysis"


@app.command("set")
def set_(
    kind: Annotated[Kind, typer.Argument(help="What makes the series.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
    token: Token,
    project: ProjectName,
    grace: Annotated[
        str,
        typer.Option("--silent-for", "--grace", help="How old a last point may be: `6h`, `2 days`; `none`: any age."),
    ],
    series: SeriesName = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Tell when series fall silent: when their last point is older than it may be.

    Example: `entrepot watches set importer scada --silent-for 6h --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        watched = {"of": api.id_of(KINDS[kind], name), "series": series}
        api.call("POST", "/watches", {**watched, "silent_for": None if grace == "none" else grace})
    typer.echo("watched")


# A series is watched once: what begins that, changes it.
app.command("create", help=(set_.__doc__ or "").replace("watches set", "watches create"))(set_)


@app.command("show")
def show_watch(
    watch_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """Show what is watched, and how old its last point may be.

    Example: `entrepot watches show 0d9b1d54 --project "Wind farm"`
    """
    from entrepot.cli.nouns import shown

    with api_of(url, token, project) as api:
        found = api.get(f"/watches/{whole(watch_id, [one['id'] for one in api.every('/watches')])}")
    show_one(found if json else shown(found, tuple(found)), json)


@app.command("list")
def list_(token: Token, project: ProjectName, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List what is watched for silence.

    Example: `entrepot watches list --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        found = api.every("/watches")
    rows = [
        {
            "id": one["id"][:SHORTEST],
            "of": "{kind}={name}".format(**one["of"]),
            "series": one["series"] or "all",
            "grace": one["silent_for"] or "none",
        }
        for one in found
    ]
    show(found if json else rows, json)


@app.command("delete")
def delete(ids: Ids, token: Token, project: ProjectName, url: Url = DEFAULT_URL) -> None:
    """Watch series no longer.

    Example: `entrepot watches delete 0d9b1d54 --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        known = [one["id"] for one in api.every("/watches")]
        for id_ in [whole(id_, known) for id_ in ids]:
            api.call("DELETE", f"/watches/{id_}")
    typer.echo(f"{len(ids)} ended")
