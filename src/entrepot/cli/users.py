"""`entrepot users`: who may sign in, and with which role."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.nouns import Settings, settings_of
from entrepot.cli.paths import NOUNS, find
from entrepot.cli.renamed import say_new
from entrepot.cli.whereabouts import MaybeDataDir, Whom
from entrepot.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from entrepot.client.native import Client

app = group("Users and their roles.")
Login = Annotated[str, typer.Argument(help="What the user signs in with.")]
Record = dict[str, Any]
_OWN = ("email", "mail_notices")


class RoleName(StrEnum):
    """The roles, named here so that `--help` needs no database."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"


@app.command("list")
def list_(
    ctx: typer.Context,
    token: Token,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    organization: OrganizationName = None,
    json: AsJson = False,
) -> None:
    """List the members of your organization; with --data-dir, of an organization or of all.

    Example: `entrepot users list --json`
    """
    Whom(ctx, data_dir, url, token).show(
        lambda folder: _in_folder(folder, organization),
        lambda client: list(client.connection.pages("/api/v1/members")),
        NOUNS["members"].columns,
        json,
        organization=organization,
    )


@app.command("show")
def show_user(
    ctx: typer.Context,
    login: Login,
    token: Token,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    organization: OrganizationName = None,
    json: AsJson = False,
) -> None:
    """Show a member of your organization; with --data-dir, a user of any.

    Example: `entrepot users show grace@example.org`
    """

    def in_folder(folder: Path) -> list[Record]:
        found = [one for one in _in_folder(folder, organization) if one["login"] == login]
        if not found:
            raise NotFound(f"There is no user named {login!r}.")
        return found

    found = Whom(ctx, data_dir, url, token).ask(
        in_folder, lambda client: [find(client, NOUNS["members"], login)], organization=organization
    )
    if len(found) == 1:
        show_one(found[0], json)
    else:
        show(found, json)


@app.command("create")
def create(
    ctx: typer.Context,
    login: Login,
    token: Token,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    organization: OrganizationName = None,
    role: Annotated[RoleName, typer.Option(help="What the user may do.")] = RoleName.READER,
    email: Annotated[str, typer.Option(help="Address for notifications.")] = "",
    password_file: PasswordFile = None,
    json: AsJson = False,
) -> None:
    """Add a user. Without a password file, a password is made and printed, once.

    Example: `entrepot users create grace@example.org --role writer`
    """
    body = {"login": login, "role": str(role), "email": email}
    Whom(ctx, data_dir, url, token).show(
        lambda folder: _create_in_folder(folder, login, str(role), email, organization, password_file),
        lambda client: client.connection.json("POST", "/api/v1/members", body=body, once=True),
        ("login", "password", "role"),
        json,
        organization=organization,
        password_file=password_file,
    )


@app.command("set")
def set_(
    ctx: typer.Context,
    login: Login,
    token: Token,
    settings: Settings = None,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    organization: OrganizationName = None,
    json: AsJson = False,
) -> None:
    """Change a user's `role`; your own `email`, and whether notices are mailed there (`mail_notices`).

    With --data-dir, anybody's; and a role in another organization makes the user a member of it.

    Example: `entrepot users set grace@example.org role=admin`
    """
    changes = settings_of(settings)
    if strange := changes.keys() - {"role", *_OWN}:
        raise InvalidInput.field(min(strange), f"A user has no such setting; there are role, {', '.join(_OWN)}.")
    if not isinstance(changes.get("email", ""), str) or not isinstance(changes.get("mail_notices", True), bool):
        raise InvalidInput.field("settings", "`email` is an address, and `mail_notices` true or false.")

    Whom(ctx, data_dir, url, token).show(
        lambda folder: _set_in_folder(folder, login, changes, organization),
        lambda client: _set_on_server(client, login, changes),
        ("login", *changes),
        json,
        organization=organization,
    )


@app.command("delete")
def delete(
    ctx: typer.Context,
    login: Login,
    token: Token,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    organization: OrganizationName = None,
) -> None:
    """Remove a user from an organization. A user without any cannot sign in; what the user made stays.

    Example: `entrepot users delete grace@example.org`
    """

    def in_folder(folder: Path) -> str:
        from entrepot.identity import users

        with open_services(folder) as services, services.database.write() as session:
            owner = find_organization(session, organization)
            users.remove_member(session, users.find_user(session, login), owner)
            return f" of {owner.name}"

    def on_server(client: "Client") -> str:
        client.connection.request("DELETE", f"/api/v1/members/{find(client, NOUNS['members'], login)['id']}")
        return ""

    of = Whom(ctx, data_dir, url, token).ask(in_folder, on_server, organization=organization)
    typer.echo(f"{login} is no member{of} any more.")


@app.command()
def link(
    login: Login,
    data_dir: DataDir,
    to: Annotated[str, typer.Option(help="The page that it leads to.")] = "/console",
    json: AsJson = False,
) -> None:
    """Print an address that opens the console as this user: on this machine, once, within ten minutes.

    Example: `entrepot users link ada@example.org --data-dir /srv/entrepot`
    """
    from entrepot.identity import sessions, users

    with open_services(data_dir) as services, services.database.write() as session:
        token = sessions.make_link(session, users.find_user(session, login), to)
        show_one({"link": f"{_address(services.settings)}/console/link?token={token}"}, json)


def _address(settings: Any) -> str:
    """Return where the server of a data folder is reached from this machine."""
    from entrepot.server import state

    port = state.http_port(settings.data_dir)
    if not port:
        raise NotFound("The server of this folder does not run: start it by entrepot serve.")
    return f"{'https' if settings.tls_certificate else 'http'}://127.0.0.1:{port}"


@app.command()
def password(login: Login, data_dir: DataDir, password_file: PasswordFile = None, json: AsJson = False) -> None:
    """Give a user another password. Without a password file, one is made and printed, once.

    Example: `entrepot users password --data-dir /srv/entrepot grace@example.org --password-file -`
    """
    from entrepot.identity import users

    given = read_password(password_file)
    with open_services(data_dir) as services, services.database.write() as session:
        made_up = users.set_password(session, users.find_user(session, login), given)
    show_one({"login": login} if given is not None else {"login": login, "password": made_up}, json)


@app.command()
def disable(login: Login, data_dir: DataDir) -> None:
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
def enable(login: Login, data_dir: DataDir) -> None:
    """Let a disabled user in again, with its password and roles; its keys have to be made anew.

    Example: `entrepot users enable --data-dir /srv/entrepot grace@example.org`
    """
    from entrepot.identity import users

    with open_services(data_dir) as services, services.database.write() as session:
        users.enable(session, users.find_user(session, login))
    typer.echo(f"{login} may sign in again.")


@app.command("role", hidden=True)
def role_(
    ctx: typer.Context, login: Login, role: RoleName, data_dir: DataDir, organization: OrganizationName = None,
    json: AsJson = False,
) -> None:  # fmt: skip
    """Change a user's role, as `set` does.

    Example: `entrepot users role --data-dir /srv/entrepot grace@example.org admin`
    """
    say_new(ctx, "users set LOGIN role=ROLE")
    show_one(_set_in_folder(data_dir, login, {"role": str(role)}, organization), json)


@app.command("mail", hidden=True)
def mail(
    ctx: typer.Context,
    login: Login,
    data_dir: DataDir,
    address: Annotated[str | None, typer.Option(help="Where notices are sent to.")] = None,
    wanted: Annotated[bool | None, typer.Option("--on/--off", help="Whether notices are wanted by mail.")] = None,
    json: AsJson = False,
) -> None:
    """Change where a user's notices are mailed to, as `set` does.

    Example: `entrepot users mail --data-dir /srv/entrepot grace --address grace@example.org --on`
    """
    say_new(ctx, "users set LOGIN email=ADDRESS mail_notices=true")
    given = zip(_OWN, (address, wanted), strict=True)
    show_one(_set_in_folder(data_dir, login, {name: value for name, value in given if value is not None}, None), json)


def _in_folder(folder: Path, organization: str | None) -> list[Record]:
    from entrepot.identity import projects, users

    with open_services(folder) as services, services.database.read() as session:
        names = {one.id: one.name for one in projects.list_organizations(session, operator(session), organization)}
        return [
            {
                "login": user.login,
                "email": user.email,
                "organization": names[membership.organization_id],
                "role": str(membership.role),
                "disabled": user.disabled,
            }
            for user, membership in users.list_members(session, list(names))
        ]


def _create_in_folder(
    folder: Path, login: str, role: str, email: str, organization: str | None, password_file: Path | None
) -> Record:
    from entrepot.identity import Role, users
    from entrepot.server.setup import add_member

    password = read_password(password_file)
    with open_services(folder) as services, services.database.write() as session:
        owner = find_organization(session, organization)
        user, made_up = users.create_user(session, login, password, email)
        add_member(session, services, user, owner, Role(role))
        made = {"login": user.login} | ({"password": made_up} if password is None else {})
        return made | {"organization": owner.name, "role": role}


def _set_in_folder(folder: Path, login: str, changes: Record, organization: str | None) -> Record:
    from entrepot.identity import Role, users
    from entrepot.server.setup import add_member

    with open_services(folder) as services, services.database.write() as session:
        user = users.find_user(session, login)
        changed: Record = {"login": login}
        if "role" in changes:
            if changes["role"] not in list(Role):
                raise InvalidInput.field("role", f"This is none of {', '.join(Role)}.")
            owner = find_organization(session, organization)
            add_member(session, services, user, owner, Role(changes["role"]))
            changed |= {"organization": owner.name, "role": changes["role"]}
        if changes.keys() & set(_OWN):
            users.set_mail(session, user, changes.get("email"), wanted=changes.get("mail_notices"))
            changed |= {"email": user.email, "mail_notices": user.mail_notices}
        return changed


def _set_on_server(client: "Client", login: str, changes: Record) -> Record:
    mine = {name: changes[name] for name in _OWN if name in changes}
    if mine and client.me()["login"] != login:
        raise InvalidInput.field(min(mine), f"This is {login}'s own to change, or the operator's with --data-dir.")
    changed: Record = find(client, NOUNS["members"], login)
    if "role" in changes:
        body = {"role": changes["role"]}
        changed = client.connection.json("PATCH", f"/api/v1/members/{changed['id']}", body=body)
    if mine:
        changed = changed | client.connection.json("PATCH", "/api/v1/me", body=mine)
    return changed
