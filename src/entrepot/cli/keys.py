"""`entrepot keys`: API keys."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from entrepot.cli.common import (
    AsJson,
    OrganizationName,
    find_organization,
    group,
    load_settings,
    open_services,
    operator,
    show_one,
)
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.nouns import Settings, settings_of
from entrepot.cli.paths import NOUNS, find
from entrepot.cli.whereabouts import MaybeDataDir, Whom
from entrepot.errors import InvalidInput

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from entrepot.client.native import Client
    from entrepot.identity import ApiKey

app = group("API keys, which act for a user in one organization.")
KeyId = Annotated[str, typer.Argument(help="The key's id, from `entrepot keys list`.")]
Record = dict[str, Any]
_BOUNDS = ("scopes", "projects", "series", "networks")


@app.command()
def create(
    ctx: typer.Context,
    token: Token,
    login: Annotated[str | None, typer.Argument(help="With --data-dir: the user for whom the key acts.")] = None,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    organization: OrganizationName = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Narrow it to `area:right`, e.g. `series:read`, or `points:write`; may be repeated."),
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="Bind it to a project, by name or id; may be repeated.")
    ] = None,
    series: Annotated[list[str] | None, typer.Option(help="Bind it to a series, by id; may be repeated.")] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="Let it be used from 192.0.2.0/24 only; may be repeated.")
    ] = None,
    expires_days: Annotated[float | None, typer.Option(min=0, help="Days until it ends by itself.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the token alone, for a variable.")] = False,
    json: AsJson = False,
) -> None:
    """Create a key for yourself, and print its token, once; with --data-dir, for any user.

    Example: `entrepot keys create --name logger --scope points:write --project Farm`
    """
    bounds = {"scopes": scope, "projects": project, "series": series, "networks": network}
    given = {field: list(values) for field, values in bounds.items() if values}
    made = Whom(ctx, data_dir, url, token).ask(
        lambda folder: _create_in_folder(folder, login, organization, name, given, expires_days),
        lambda client: _create_on_server(client, login, name, given, expires_days),
        organization=organization,
    )
    if quiet:
        typer.echo(made["token"])
    else:
        show_one(made, json)


@app.command("list")
def list_(
    ctx: typer.Context,
    token: Token,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    organization: OrganizationName = None,
    json: AsJson = False,
) -> None:
    """List your keys; as an administrator, those of the organization. Tokens are not stored and cannot be shown.

    Example: `entrepot keys list --json`
    """
    Whom(ctx, data_dir, url, token).show(
        lambda folder: _in_folder(folder, organization),
        lambda client: client.keys.list(),
        NOUNS["keys"].columns,
        json,
        organization=organization,
    )


@app.command("show")
def show_key(
    ctx: typer.Context,
    key_id: KeyId,
    token: Token,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    json: AsJson = False,
) -> None:
    """Show a key, without its token.

    Example: `entrepot keys show 0b9f3c4e-5a1d-4f0e-9a55-0b8c4f6f3a1e`
    """
    Whom(ctx, data_dir, url, token).show(
        lambda folder: _change_in_folder(folder, key_id, lambda *_: None),
        lambda client: client.connection.json("GET", _address(key_id)),
        None,
        json,
    )


@app.command("set")
def set_(
    ctx: typer.Context,
    key_id: KeyId,
    token: Token,
    settings: Settings = None,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    json: AsJson = False,
) -> None:
    """Change a key's `name`; what it may do stays.

    Example: `entrepot keys set 0b9f3c4e-5a1d-4f0e-9a55-0b8c4f6f3a1e name=logger`
    """
    changes = {name: str(value) for name, value in settings_of(settings).items()}
    if strange := changes.keys() - {"name"}:
        raise InvalidInput.field(min(strange), "Of a key, only its name can be changed.")

    def rename(_session: "Session", key: "ApiKey") -> None:
        key.name = changes.get("name", key.name)

    Whom(ctx, data_dir, url, token).show(
        lambda folder: _change_in_folder(folder, key_id, rename),
        lambda client: client.connection.json("PATCH", _address(key_id), body=changes),
        ("id", "name"),
        json,
    )


@app.command()
def rotate(
    ctx: typer.Context,
    key_id: KeyId,
    token: Token,
    url: Url = DEFAULT_URL,
    data_dir: MaybeDataDir = None,
    json: AsJson = False,
) -> None:
    """Give a key another token and print it, once; the old one works for a while (setting `key_grace_seconds`).

    Example: `entrepot keys rotate 0b9f3c4e-5a1d-4f0e-9a55-0b8c4f6f3a1e`
    """

    def on_server(client: "Client") -> str:
        return str(client.connection.json("POST", f"{_address(key_id)}/rotate", once=True)["token"])

    show_one(
        {
            "id": key_id,
            "token": Whom(ctx, data_dir, url, token).ask(lambda folder: _rotate_in_folder(folder, key_id), on_server),
        },
        json,
    )


@app.command("delete")
def delete(
    ctx: typer.Context, key_id: KeyId, token: Token, url: Url = DEFAULT_URL, data_dir: MaybeDataDir = None
) -> None:
    """End a key at once.

    Example: `entrepot keys delete 0b9f3c4e-5a1d-4f0e-9a55-0b8c4f6f3a1e`
    """

    def in_folder(folder: Path) -> None:
        from entrepot.identity import keys

        _change_in_folder(folder, key_id, keys.revoke_key)

    def on_server(client: "Client") -> None:
        client.connection.request("DELETE", _address(key_id))

    Whom(ctx, data_dir, url, token).ask(in_folder, on_server)
    typer.echo(f"{key_id} is revoked.")


def _address(key_id: str) -> str:
    return f"/api/v1/keys/{quote(key_id, safe='')}"


def _create_on_server(
    client: "Client", login: str | None, name: str, given: Record, expires_days: float | None
) -> Record:
    from datetime import UTC, datetime, timedelta

    if login is not None and login != client.me()["login"]:
        raise InvalidInput.field("login", "A key acts for who makes it; the operator makes others' with --data-dir.")
    if "projects" in given:
        given["projects"] = [find(client, NOUNS["projects"], one)["id"] for one in given["projects"]]
    expires_at = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    made = client.keys.create(name, **given, expires_at=expires_at)
    return {"id": made["id"], "login": made["user"]["name"], "token": made["token"]}


def _create_in_folder(
    folder: Path, login: str | None, organization: str | None, name: str, given: Record, expires_days: float | None
) -> Record:
    if login is None:
        raise typer.BadParameter("say for whom: `entrepot keys create LOGIN --data-dir ...`")
    from datetime import timedelta

    from entrepot.db import now
    from entrepot.identity import keys, users

    with open_services(folder) as services, services.database.write() as session:
        user, owner = users.find_user(session, login), find_organization(session, organization)
        if owner.id not in users.memberships(session, user.id):
            raise InvalidInput.field("organization", f"{login} is no member of {owner.name}.")
        if "projects" in given:
            given["projects"] = _projects(session, owner.id, given["projects"])
        if "series" in given:
            given["series"] = _series(session, owner.id, given["series"])
        expires_at = None if expires_days is None else now() + timedelta(days=expires_days)
        key, token = keys.create_key(session, user.id, owner.id, name=name, **given, expires_at=expires_at)
        return {"id": key.id, "login": login, "organization": owner.name, "token": token}


def _in_folder(folder: Path, organization: str | None) -> list[Record]:
    from dataclasses import replace

    from entrepot.identity import User, keys

    with open_services(folder) as services, services.database.read() as session:
        owner = find_organization(session, organization)
        found = keys.list_keys(session, replace(operator(session), organization_id=owner.id))
        users = {key.user_id: session.get_one(User, key.user_id).login for key in found}
        return [_row(key, users[key.user_id]) for key in found]


def _change_in_folder(folder: Path, key_id: str, change: "Callable[[Session, ApiKey], Any]") -> Record:
    from entrepot.identity import User, keys

    with open_services(folder) as services, services.database.write() as session:
        key = keys.get_key(session, operator(session), key_id)
        change(session, key)
        return _row(key, session.get_one(User, key.user_id).login)


def _rotate_in_folder(folder: Path, key_id: str) -> str:
    from datetime import timedelta

    from entrepot.identity import keys

    grace, tokens = timedelta(seconds=load_settings(folder).key_grace_seconds), []
    _change_in_folder(folder, key_id, lambda session, key: tokens.append(keys.rotate_key(session, key, grace)))
    return tokens[0]


def _projects(session: "Session", organization_id: str, names: list[str]) -> list[str]:
    """Return the ids of an organization's projects, which may be named by their names; what is unknown stays."""
    from entrepot.identity import projects

    found = projects.list_projects(session, operator(session), organization_id=organization_id)
    ids = {one.name: one.id for one in found}
    return [ids.get(name, name) for name in names]


def _series(session: "Session", organization_id: str, ids: list[str]) -> list[str]:
    from entrepot.pipeline.generators import catalog

    if any(one.organization_id != organization_id for one in catalog.find_series(session, operator(session), ids=ids)):
        raise InvalidInput.field("series", "One of them belongs to another organization.")
    return ids


def _row(key: "ApiKey", login: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "login": login,
        "name": key.name,
        **{field: None if (values := getattr(key, field)) is None else " ".join(values) for field in _BOUNDS},
        "created_at": key.created_at.isoformat(timespec="seconds"),
        "expires_at": key.expires_at and key.expires_at.isoformat(timespec="seconds"),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(timespec="seconds"),
    }
