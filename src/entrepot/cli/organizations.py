"""`entrepot org`: organizations."""

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

    Example: `entrepot org create --data-dir /srv/entrepot "Wind farms" --admin ada@example.org`
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

    Example: `entrepot org list --data-dir /srv/entrepot --json`
    """
    from entrepot.identity import projects

    with open_services(data_dir) as services, services.database.read() as session:
        found = projects.list_organizations(session, operator(session))
        rows = [{"id": one.id, "name": one.name, "comment": one.comment} for one in found]
    show(rows, json)
