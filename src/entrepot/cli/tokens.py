"""`entrepot keys`: API keys."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.common import (
    AsJson,
    DataDir,
    OrganizationName,
    find_organization,
    group,
    load_settings,
    open_services,
    operator,
    show,
    show_one,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from entrepot.identity import ApiKey

app = group("API keys, which act for a user in one organization.")
_KeyId = Annotated[str, typer.Argument(help="The key's id, from `entrepot keys list`.")]


@app.command()
def create(
    login: Annotated[str, typer.Argument(help="The user for whom the key acts.")],
    data_dir: DataDir,
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
    """Create a key and print its token, once.

    Example: `entrepot keys create --data-dir /srv/entrepot ada@example.org --scope points:write --project Farm`
    """
    from datetime import timedelta

    from entrepot.db import now
    from entrepot.errors import InvalidInput
    from entrepot.identity import keys, users

    with open_services(data_dir) as services, services.database.write() as session:
        user, owner = users.find_user(session, login), find_organization(session, organization)
        if owner.id not in users.memberships(session, user.id):
            raise InvalidInput.field("organization", f"{login} is no member of {owner.name}.")
        expires = None if expires_days is None else now() + timedelta(days=expires_days)
        key, token = keys.create_key(
            session,
            user.id,
            owner.id,
            name=name,
            scopes=scope or None,
            projects=_projects(session, owner.id, project) if project else None,
            series=_series(session, owner.id, series) if series else None,
            networks=network or None,
            expires=expires,
        )
        made = {"id": key.id, "login": login, "organization": owner.name, "token": token}
    if quiet:
        typer.echo(token)
    else:
        show_one(made, json)


@app.command("list")
def list_(data_dir: DataDir, organization: OrganizationName = None, json: AsJson = False) -> None:
    """List the keys of an organization; tokens are not stored and cannot be shown.

    Example: `entrepot keys list --data-dir /srv/entrepot --json`
    """
    from dataclasses import replace

    from entrepot.identity import User, keys

    with open_services(data_dir) as services, services.database.read() as session:
        owner = find_organization(session, organization)
        found = keys.list_keys(session, replace(operator(session), organization_id=owner.id))
        users = {key.user_id: session.get_one(User, key.user_id).login for key in found}
        rows = [_row(key, users[key.user_id]) for key in found]
    show(rows, json)


@app.command()
def rotate(key_id: _KeyId, data_dir: DataDir, json: AsJson = False) -> None:
    """Give a key another token and print it, once; the old one works for a while (setting `key_grace_seconds`).

    Example: `entrepot keys rotate --data-dir /srv/entrepot 0b9f3c4e-...`
    """
    from datetime import timedelta

    from entrepot.identity import keys

    grace = timedelta(seconds=load_settings(data_dir).key_grace_seconds)
    with open_services(data_dir) as services, services.database.write() as session:
        token = keys.rotate_key(session, keys.get_key(session, operator(session), key_id), grace)
    show_one({"id": key_id, "token": token}, json)


@app.command("delete")
def delete(key_id: _KeyId, data_dir: DataDir) -> None:
    """End a key at once.

    Example: `entrepot keys delete --data-dir /srv/entrepot 0b9f3c4e-...`
    """
    from entrepot.identity import keys

    with open_services(data_dir) as services, services.database.write() as session:
        keys.revoke_key(session, keys.get_key(session, operator(session), key_id))
    typer.echo(f"{key_id} is revoked.")


def _projects(session: "Session", organization_id: str, names: list[str]) -> list[str]:
    """Return the ids of an organization's projects, which may be named by their names; what is unknown stays."""
    from entrepot.identity import projects

    found = projects.list_projects(session, operator(session), organization_id=organization_id)
    ids = {one.name: one.id for one in found}
    return [ids.get(name, name) for name in names]


def _series(session: "Session", organization_id: str, ids: list[str]) -> list[str]:
    from entrepot.errors import InvalidInput
    from entrepot.pipeline.generators import catalog

    if any(one.organization_id != organization_id for one in catalog.find_series(session, operator(session), ids=ids)):
        raise InvalidInput.field("series", "One of them belongs to another organization.")
    return ids


def _row(key: "ApiKey", login: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "login": login,
        "name": key.name,
        **{
            field: None if (values := getattr(key, field)) is None else " ".join(values)
            for field in ("scopes", "projects", "series", "networks")
        },
        "created": key.created_at.isoformat(timespec="seconds"),
        "expires": key.expires and key.expires.isoformat(timespec="seconds"),
        "revoked": key.revoked and key.revoked.isoformat(timespec="seconds"),
    }
