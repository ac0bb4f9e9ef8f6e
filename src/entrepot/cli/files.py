"""`entrepot publish`: files to a server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

Url = Annotated[str, typer.Option("--url", envvar="ENTREPOT_URL", help="Address of the server.")]
Token = Annotated[str, typer.Option("--token", envvar="ENTREPOT_TOKEN", help="An API key's token.")]
_PART_BYTES = 16 * 2**20
_BLOCK = 1 << 20
_TRIES = 8


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(help=_HELP)(publish)


_HELP = """Publish files, and those in folders, with a progress bar; what breaks goes on where it was.

Example: `entrepot publish report.pdf results/ --identifier weekly --url https://entrepot.example`
"""


def publish(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", exists=True, help="Files and folders.")],
    token: Token,
    url: Url = "http://127.0.0.1:8000",
    identifier: Annotated[str | None, typer.Option(help="What is in them; by default their names.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Their type; by default what they show.")] = None,
    poll: Annotated[str | None, typer.Option(help="The poll that they answer.")] = None,
    task: Annotated[str | None, typer.Option(help="The task that they answer.")] = None,
    storage_config: Annotated[str | None, typer.Option(help="Where they are stored.")] = None,
    project: Annotated[str | None, typer.Option(help="The project that they belong to.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Publish files."""
    import httpx
    from tqdm import tqdm

    from entrepot.cli.common import show, show_json
    from entrepot.errors import InvalidInput, Unavailable

    described = {
        "identifier": identifier,
        "type": type_,
        "poll": poll,
        "task": task,
        "storage_config": storage_config,
        "project": project,
    }
    found = list(_files(paths))
    if not found:
        raise InvalidInput("There is no file in what was given.")
    total = sum(path.stat().st_size for path in found)
    headers = {"authorization": f"Token {token}"}
    records = []
    with (
        httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=300) as client,
        tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar,
    ):
        for path in found:
            bar.set_description(path.name[:40])
            fields = {name: value for name, value in described.items() if value is not None}
            try:
                records.append(_publish(client, path, {"name": path.name} | fields, bar.update))
            except httpx.HTTPStatusError as error:
                raise InvalidInput(f"{path}: {_said(error.response)}") from None
            except httpx.TransportError as error:
                raise Unavailable(f"{path}: the server does not answer: {error}") from None
    if json:
        show_json(records)
        return
    names = ("id", "name", "type", "size", "sha256")
    show([{name: record[name] for name in names} for record in records], as_json=False)


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.is_file())
        else:
            yield path


def _publish(client: Any, path: Path, fields: dict[str, str], moved: Any) -> Any:
    """Upload a file in parts and publish it; a part that breaks is taken up where the server has it."""
    import httpx

    size = path.stat().st_size
    upload = _checked(client.post("/uploads", json=fields | {"size": size}))
    address, offset, failures = f"/uploads/{upload['id']}", 0, 0
    with path.open("rb") as file:
        while offset < size:
            try:
                headers = {"upload-offset": str(offset)}
                answer = client.patch(address, content=_blocks(file, offset), headers=headers)
                came = int(_checked(answer)["offset"])
                failures = 0
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                failures += 1
                gone = isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in (409, 502, 503)
                if gone or failures >= _TRIES:
                    raise
                came = int(_checked(client.get(address))["offset"])
            moved(came - offset)
            offset = came
    return _checked(client.post(f"{address}/publish"))


def _blocks(file: Any, offset: int) -> Iterator[bytes]:
    file.seek(offset)
    left = _PART_BYTES
    while left and (block := file.read(min(_BLOCK, left))):
        left -= len(block)
        yield block


def _checked(answer: Any) -> Any:
    answer.raise_for_status()
    return answer.json()


def _said(answer: Any) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {answer.status_code}"
