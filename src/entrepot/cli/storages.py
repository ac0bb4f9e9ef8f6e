"""`entrepot storages`: where files are stored."""

from pathlib import Path
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Where files are stored besides the server's own storage.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Its id.")]
Credentials = Annotated[
    Path | None, typer.Option("--credentials", help="A JSON file, or a CSV file as AWS gives it.", exists=True)
]
Expiry = Annotated[
    float | None, typer.Option("--signed-urls", help="Give files signed URLs that work for so many seconds; 0: none.")
]
Default = Annotated[bool, typer.Option("--default", help="Store files there that say nothing else.")]


@app.command("list")
def list_(token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List storages.

    Example: `entrepot storages list`
    """
    with port(url, token) as client:
        records = client.storages.all()
    names = ("id", "url", "status", "default", "signed_for")
    show(records if json else [{name: record[name] for name in names} for record in records], json)


@app.command("create")
def create(
    place: Annotated[str, typer.Argument(metavar="URL", help="`s3://bucket/path`, `gs:`, `az:` or `local:///folder`.")],
    token: Token,
    url: Url = DEFAULT_URL,
    credentials: Credentials = None,
    signed_urls: Expiry = None,
    default: Default = False,
    json: AsJson = False,
) -> None:
    """Add a storage, and try it out.

    Example: `entrepot storages create s3://results/lab --credentials key.csv --signed-urls 3600`
    """
    options = {**_signing(signed_urls), "default": default}
    with port(url, token) as client:
        made = client.storages.create(place, _credentials(credentials), **options)
        _tell(client.storages.test(made["id"]), json)


@app.command("show")
def show_storage(storage_id: Id, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Print a storage; its credentials are never told.

    Example: `entrepot storages show 0c7a2a1e-0a2b-4c3d-8e4f-5a6b7c8d9e0f`
    """
    with port(url, token) as client:
        show_one(client.storages.get(storage_id), json)


@app.command("set")
def change_storage(
    storage_id: Id,
    token: Token,
    url: Url = DEFAULT_URL,
    place: Annotated[str | None, typer.Option("--place", help="Another URL; give the credentials again.")] = None,
    credentials: Credentials = None,
    signed_urls: Expiry = None,
    default: Annotated[bool | None, typer.Option("--default/--no-default", help="Store files there.")] = None,
    json: AsJson = False,
) -> None:
    """Change a storage.

    Example: `entrepot storages set 0c7a2a1e-0a2b-4c3d-8e4f-5a6b7c8d9e0f --signed-urls 600`
    """
    changes: dict[str, Any] = {"url": place, "credentials": _credentials(credentials), "default": default}
    changes = {name: value for name, value in changes.items() if value is not None} | _signing(signed_urls)
    with port(url, token) as client:
        show_one(client.storages.update(storage_id, **changes), json)


@app.command("delete")
def delete(storage_id: Id, token: Token, url: Url = DEFAULT_URL) -> None:
    """Take a storage out of use; what is stored there stays.

    Example: `entrepot storages delete 0c7a2a1e-0a2b-4c3d-8e4f-5a6b7c8d9e0f`
    """
    with port(url, token) as client:
        client.storages.delete(storage_id)


@app.command("test")
def try_storage(storage_id: Id, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Write, read back, read a range, sign and delete, and say which of them failed.

    Example: `entrepot storages test 0c7a2a1e-0a2b-4c3d-8e4f-5a6b7c8d9e0f`
    """
    with port(url, token) as client:
        _tell(client.storages.test(storage_id), json)


def _tell(record: dict[str, Any], json: bool) -> None:
    if json:
        show_one(record, json)
    else:
        typer.echo(f"{record['id']}  {record['url']}  {record['status']}")
        for name, problem in (record["tested"] or {}).items():
            typer.echo(f"  {name:<8}{problem or 'ok'}")
    if record["status"] not in ("valid", "new") or any((record["tested"] or {}).values()):
        raise typer.Exit(1)


def _credentials(file: Path | None) -> dict[str, Any] | None:
    import csv
    import json

    if file is None:
        return None
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix.lower() == ".csv":
        rows = list(csv.DictReader(text.splitlines()))
        if len(rows) != 1:
            raise InvalidInput.field("credentials", f"{file} has {len(rows)} rows, where one is expected.")
        return {name.strip().lower().replace(" ", "_"): value for name, value in rows[0].items() if name}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidInput.field("credentials", f"{file} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput.field("credentials", f"{file} does not hold an object.")
    return found


def _signing(seconds: float | None) -> dict[str, Any]:
    if seconds is None:
        return {}
    return {"signed": seconds > 0, "signed_for": seconds or None}
