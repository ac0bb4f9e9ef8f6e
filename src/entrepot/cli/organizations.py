"""`entrepot organizations`: organizations."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.common import AsJson, DataDir, find_organization, group, open_services, operator, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.nouns import Settings, settings_of
from entrepot.cli.paths import NOUNS, find
from entrepot.cli.whereabouts import MaybeDataDir, Whom
from entrepot.errors import InvalidInput

if TYPE_CHECKING:
    from entrepot.client.native import Client

app = group("Organizations, which own projects and results.")
Name = Annotated[str, typer.Argument(help="Its name, or its id on a server.")]
Record = dict[str, Any]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name, which no other on the server has.")],
    data_dir: DataDir,
    admin: Annotated[str | None, typer.Option(help="Login of a user who becomes its administrator.")] = None,
    comment: Annotated[str, typer.Option("--description", "--comment", help="What it is.")] = "",
    json: AsJson = False,
) -> None:
    """Create an organization: this is the operator's, for whom the data folder is at hand.

    Example: `entrepot organizations create --data-dir /srv/entrepot "Wind farms" --admin ada@example.org`
    """
    from entrepot.identity import Role, users
    from entrepot.server.setup import add_member

    with open_services(data_dir) as services, services.database.write() as session:
        organization = users.create_organization(session, name, comment)
        if admin is not None:
            add_member(session, services, users.find_user(session, admin), organization, Role.ADMIN)
        made = {"id": organization.id, "name": organization.name}
    show_one(made, json)


@app.command("list")
def list_(
    ctx: typer.Context, token: Token, url: Url = DEFAULT_URL, data_dir: MaybeDataDir = None, json: AsJson = False
) -> None:
    """List the organizations that you belong to; with --data-dir, all there are.

    Example: `entrepot organizations list --json`
    """
    Whom(ctx, data_dir, url, token).show(
        _in_folder,
        lambda client: list(client.connection.pages("/api/v1/organizations")),
        NOUNS["organizations"].columns,
        json,
    )


@app.command("show")
def show_organization(
    ctx: typer.Context,
    name: Name,
    token: Token,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    json: AsJson = False,
) -> None:
    """Show an organization; what it has, and the most that it may have, `limit` says.

    Example: `entrepot organizations show "Wind farms"`
    """
    found = Whom(ctx, data_dir, url, token).ask(
        lambda folder: _change_in_folder(folder, name, {}),
        lambda client: find(client, NOUNS["organizations"], name),
    )
    show_one(found, json)


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    token: Token,
    settings: Settings = None,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    json: AsJson = False,
) -> None:
    """Change an organization's `description`; with --data-dir, its `name`, too.

    Example: `entrepot organizations set "Wind farms" description="Of the north"`
    """
    changes = settings_of(settings)

    def on_server(client: "Client") -> Record:
        address = f"/api/v1/organizations/{find(client, NOUNS['organizations'], name)['id']}"
        changed: Record = client.connection.json("PATCH", address, body=changes)
        return changed

    show_one(
        Whom(ctx, data_dir, url, token).ask(lambda folder: _change_in_folder(folder, name, changes), on_server), json
    )


_Most = Annotated[str | None, typer.Option(help="A number; `none` lifts the limit.")]


@app.command()
def limit(
    ctx: typer.Context,
    token: Token,
    name: Annotated[str | None, typer.Argument(help="Its name; on a server, your own is meant.")] = None,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    points: _Most = None,
    files: _Most = None,
    file_bytes: _Most = None,
    storage: _Most = None,
    attachments: _Most = None,
    works: _Most = None,
    jobs: _Most = None,
    json: AsJson = False,
) -> None:
    """Show how much an organization has, and the most that it may have; with --data-dir, limit that.

    Over a limit, whatever would add to it is refused; what is there stays. `files` and `file_bytes` count published
    files, `storage` their bytes in the server's own storage, `attachments` bytes of files of parts and sensors, `works`
    queue and archive, `jobs` those that wait. The server takes note within seconds.

    Example: `entrepot organizations limit --data-dir /srv/entrepot "Wind farms" --points 1000000000 --works none`
    """
    given = {
        "points": points,
        "files": files,
        "file_bytes": file_bytes,
        "storage": storage,
        "attachments": attachments,
        "works": works,
        "jobs": jobs,
    }
    changes = {field: _number(field, text) for field, text in given.items() if text is not None}

    def on_server(client: "Client") -> list[Record]:
        if changes:
            raise typer.BadParameter("limits are the operator's to change: with --data-dir")
        me = client.me()
        own: Record = next((one for one in me["organizations"] if one["id"] == me["organization_id"]), {})
        if name not in (None, *own.values()):
            raise InvalidInput.field("name", f"Your key is of {own.get('name')}: ask with one of {name}.")
        found = client.connection.json("GET", "/api/v1/limits")
        return [{"limit": one["name"], "used": one["used"], "most": one["most"]} for one in found]

    show(Whom(ctx, data_dir, url, token).ask(lambda folder: _limit_in_folder(folder, name, changes), on_server), json)


def _in_folder(folder: Path) -> list[Record]:
    from entrepot.identity import projects

    with open_services(folder) as services, services.database.read() as session:
        named = projects.list_organizations(session, operator(session))
        return [{"id": one.id, "name": one.name, "description": one.description} for one in named]


def _limit_in_folder(folder: Path, name: str | None, changes: dict[str, int | None]) -> list[Record]:
    import entrepot.files.publish
    import entrepot.rows.attachments
    import entrepot.series.store
    import entrepot.works.archive  # noqa: F401 - each measures what is its own
    from entrepot.identity import limits

    with open_services(folder) as services, services.database.write() as session:
        organization = find_organization(session, name)
        limits.set_limits(session, organization, changes)
        return [{"limit": one.name, "used": one.used, "most": one.most} for one in limits.use_of(session, organization)]


def _change_in_folder(folder: Path, name: str, changes: Record) -> Record:
    from entrepot.identity import users

    if strange := changes.keys() - {"name", "description"}:
        raise InvalidInput.field(min(strange), "An organization has no such setting; there are name, description.")
    with open_services(folder) as services, services.database.write() as session:
        found = users.find_organization(session, name)
        if "name" in changes:
            users.rename_organization(session, found, changes["name"])
        found.description = str(changes.get("description", found.description))
        return {"id": found.id, "name": found.name, "description": found.description}


def _number(field: str, text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput.field(field, "A whole number, or none.")
    return int(text)
