"""`entrepot organizations`: organizations."""

from typing import Annotated

import typer

from entrepot.cli.common import AsJson, DataDir, group, open_services, operator, show, show_one

app = group("Organizations, which own projects and results.")


@app.command()
def create(
    name: str,
    data_dir: DataDir,
    admin: Annotated[str | None, typer.Option(help="Login of a user who becomes its administrator.")] = None,
    comment: Annotated[str, typer.Option(help="What it is.")] = "",
    json: AsJson = False,
) -> None:
    """Create an organization.

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
def list_(data_dir: DataDir, json: AsJson = False) -> None:
    """List the organizations.

    Example: `entrepot organizations list --data-dir /srv/entrepot --json`
    """
    from entrepot.identity import projects

    with open_services(data_dir) as services, services.database.read() as session:
        found = projects.list_organizations(session, operator(session))
        rows = [{"id": one.id, "name": one.name, "comment": one.description} for one in found]
    show(rows, json)


_Most = Annotated[str | None, typer.Option(help="A number; `none` lifts the limit.")]


@app.command()
def limit(
    name: str,
    data_dir: DataDir,
    points: _Most = None,
    files: _Most = None,
    file_bytes: _Most = None,
    storage: _Most = None,
    attachments: _Most = None,
    works: _Most = None,
    jobs: _Most = None,
    json: AsJson = False,
) -> None:
    """Limit how much an organization may have, and show what it has; without options, show it.

    Over a limit, whatever would add to it is refused; what is there stays. `files` and `file_bytes` count published
    files, `storage` their bytes in the server's own storage, `attachments` bytes of files of parts and sensors, `works`
    queue and archive, `jobs` those that wait. The server takes note within seconds.

    Example: `entrepot organizations limit --data-dir /srv/entrepot "Wind farms" --points 1000000000 --works none`
    """
    import entrepot.files.publish
    import entrepot.rows.attachments
    import entrepot.series.store
    import entrepot.works.archive  # noqa: F401 - each measures what is its own
    from entrepot.identity import limits, users

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
    with open_services(data_dir) as services, services.database.write() as session:
        organization = users.find_organization(session, name)
        limits.set_limits(session, organization, changes)
        rows = [{"limit": one.name, "used": one.used, "most": one.most} for one in limits.use_of(session, organization)]
    show(rows, json)


def _number(field: str, text: str) -> int | None:
    from entrepot.errors import InvalidInput

    if text == "none":
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput.field(field, "A whole number, or none.")
    return int(text)
