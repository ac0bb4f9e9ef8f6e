"""`entrepot users`: who may sign in, and with which role."""

from enum import StrEnum
from typing import Annotated

import typer

from entrepot.cli.common import (
    AsJson,
    DataDir,
    OrganizationName,
    PasswordFile,
    find_organization,
    group,
    open_services,
    operator,
    read_password,
    show,
    show_one,
)

app = group("Users and their roles.")


class RoleName(StrEnum):
    """The roles, named here so that `--help` needs no database."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"


_Role = Annotated[RoleName, typer.Option(help="What the user may do.")]


@app.command("create")
def create(
    login: str,
    data_dir: DataDir,
    organization: OrganizationName = None,
    role: _Role = RoleName.READER,
    email: Annotated[str, typer.Option(help="Address for notifications.")] = "",
    password_file: PasswordFile = None,
    json: AsJson = False,
) -> None:
    """Add a user. Without a password file, a password is made and printed, once.

    Example: `entrepot users create --data-dir /srv/entrepot grace@example.org --role writer`
    """
    from entrepot.identity import Role, users
    from entrepot.server.setup import add_member

    password = read_password(password_file)
    with open_services(data_dir) as services, services.database.write() as session:
        owner = find_organization(session, organization)
        user, made_up = users.create_user(session, login, password, email)
        add_member(session, services, user, owner, Role(role))
        made = {"login": user.login, "password": made_up, "organization": owner.name, "role": str(role)}
    if password is not None:
        del made["password"]
    show_one(made, json)


@app.command("list")
def list_(data_dir: DataDir, organization: OrganizationName = None, json: AsJson = False) -> None:
    """List the members of an organization, or of all.

    Example: `entrepot users list --data-dir /srv/entrepot --json`
    """
    from entrepot.identity import projects, users

    with open_services(data_dir) as services, services.database.read() as session:
        names = {one.id: one.name for one in projects.list_organizations(session, operator(session), organization)}
        rows = [
            {
                "login": user.login,
                "email": user.email,
                "organization": names[membership.organization_id],
                "role": str(membership.role),
                "disabled": user.disabled,
            }
            for user, membership in users.list_members(session, list(names))
        ]
    show(rows, json)


@app.command()
def password(login: str, data_dir: DataDir, password_file: PasswordFile = None, json: AsJson = False) -> None:
    """Give a user another password. Without a password file, one is made and printed, once.

    Example: `entrepot users password --data-dir /srv/entrepot grace@example.org --password-file -`
    """
    from entrepot.identity import users

    given = read_password(password_file)
    with open_services(data_dir) as services, services.database.write() as session:
        made_up = users.set_password(session, users.find_user(session, login), given)
    show_one({"login": login} if given is not None else {"login": login, "password": made_up}, json)


@app.command()
def mail(
    login: str,
    data_dir: DataDir,
    address: Annotated[str | None, typer.Option(help="Where notices are sent to.")] = None,
    wanted: Annotated[bool | None, typer.Option("--on/--off", help="Whether notices are wanted by mail.")] = None,
    json: AsJson = False,
) -> None:
    """Change where a user's notices are mailed to, and whether they are.

    Example: `entrepot users mail --data-dir /srv/entrepot grace --address grace@example.org --on`
    """
    from entrepot.identity import users

    with open_services(data_dir) as services, services.database.write() as session:
        user = users.find_user(session, login)
        users.set_mail(session, user, address, wanted=wanted)
        made = {"login": user.login, "email": user.email, "mail_notices": user.mail_notices}
    show_one(made, json)


@app.command()
def role(
    login: str,
    role: RoleName,
    data_dir: DataDir,
    organization: OrganizationName = None,
    json: AsJson = False,
) -> None:
    """Change a user's role, or make a user a member of another organization.

    Example: `entrepot users role --data-dir /srv/entrepot grace@example.org admin --organization Openergy`
    """
    from entrepot.identity import Role, users
    from entrepot.server.setup import add_member

    with open_services(data_dir) as services, services.database.write() as session:
        owner = find_organization(session, organization)
        add_member(session, services, users.find_user(session, login), owner, Role(role))
        made = {"login": login, "organization": owner.name, "role": str(role)}
    show_one(made, json)


@app.command("delete")
def delete(login: str, data_dir: DataDir, organization: OrganizationName = None) -> None:
    """Remove a user from an organization. A user without any cannot sign in; what the user made stays.

    Example: `entrepot users delete --data-dir /srv/entrepot grace@example.org`
    """
    from entrepot.identity import users

    with open_services(data_dir) as services, services.database.write() as session:
        owner = find_organization(session, organization)
        users.remove_member(session, users.find_user(session, login), owner)
        name = owner.name
    typer.echo(f"{login} is no member of {name} any more.")


@app.command()
def disable(login: str, data_dir: DataDir) -> None:
    """Keep a user out of all organizations at once: keys end, and so do sessions and FTP logins.

    This is the operator's alone, for a user may belong to several organizations: an administrator of one removes the
    user from it, with the same end there. What the user made stays. Passwords of gates' FTP accounts are the gates':
    change those that the user knew.

    Example: `entrepot users disable --data-dir /srv/entrepot grace@example.org`
    """
    from entrepot.identity import users

    with open_services(data_dir) as services, services.database.write() as session:
        users.disable(session, users.find_user(session, login))
    typer.echo(f"{login} is disabled; its keys are revoked.")


@app.command()
def enable(login: str, data_dir: DataDir) -> None:
    """Let a disabled user in again, with its password and roles; its keys have to be made anew.

    Example: `entrepot users enable --data-dir /srv/entrepot grace@example.org`
    """
    from entrepot.identity import users

    with open_services(data_dir) as services, services.database.write() as session:
        users.enable(session, users.find_user(session, login))
    typer.echo(f"{login} may sign in again.")
