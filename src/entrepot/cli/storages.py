"""`entrepot storages`: where files are stored."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput

if TYPE_CHECKING:
    from entrepot.client.files import StorageConfigs

app = typer.Typer(
    cls=Renaming, no_args_is_help=True, help="Storage configs: where files are stored besides the server's own storage."
)

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
    """List storage configs.

    Example: `entrepot storages list`
    """
    from entrepot.cli.connection import answering

    with answering():
        records = _configs(url, token).all()
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
    """Add a storage config, and try it out.

    Example: `entrepot storages create s3://results/lab --credentials key.csv --signed-urls 3600`
    """
    from entrepot.cli.connection import answering

    configs = _configs(url, token)
    options = {**_signing(signed_urls), "default": default}
    with answering():
        made = configs.create(place, _credentials(credentials), **options)
        _tell(configs.test(made["id"]), json)


@app.command("show")
def show_config(config_id: Id, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Print a storage config; its credentials are never told.

    Example: `entrepot storages show 0c7a2a1e-0a2b-4c3d-8e4f-5a6b7c8d9e0f`
    """
    from entrepot.cli.connection import answering

    with answering():
        show_one(_configs(url, token).get(config_id), json)


@app.command("set")
def set_config(
    config_id: Id,
    token: Token,
    url: Url = DEFAULT_URL,
    place: Annotated[str | None, typer.Option("--place", help="Another URL; give the credentials again.")] = None,
    credentials: Credentials = None,
    signed_urls: Expiry = None,
    default: Annotated[bool | None, typer.Option("--default/--no-default", help="Store files there.")] = None,
    json: AsJson = False,
) -> None:
    """Change a storage config.

    Example: `entrepot storages set 0c7a2a1e-0a2b-4c3d-8e4f-5a6b7c8d9e0f --signed-urls 600`
    """
    from entrepot.cli.connection import answering

    changes: dict[str, Any] = {"url": place, "credentials": _credentials(credentials), "default": default}
    changes = {name: value for name, value in changes.items() if value is not None} | _signing(signed_urls)
    with answering():
        show_one(_configs(url, token).update(config_id, **changes), json)


@app.command("delete")
def delete(config_id: Id, token: Token, url: Url = DEFAULT_URL) -> None:
    """Take a storage config out of use; what is stored there stays.

    Example: `entrepot storages delete 0c7a2a1e-0a2b-4c3d-8e4f-5a6b7c8d9e0f`
    """
    from entrepot.cli.connection import answering

    with answering():
        _configs(url, token).delete(config_id)


@app.command("test")
def try_config(config_id: Id, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Write, read back, read a range, sign and delete, and say which of them failed.

    Example: `entrepot storages test 0c7a2a1e-0a2b-4c3d-8e4f-5a6b7c8d9e0f`
    """
    from entrepot.cli.connection import answering

    with answering():
        _tell(_configs(url, token).test(config_id), json)


def _configs(url: str, token: str) -> "StorageConfigs":
    from entrepot.cli.connection import connect
    from entrepot.client.files import StorageConfigs

    return StorageConfigs(connect(url, token))


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
