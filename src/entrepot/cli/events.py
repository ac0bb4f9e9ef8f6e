"""`entrepot events`: what happened."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

Url = Annotated[str, typer.Option("--url", envvar="ENTREPOT_URL", help="Address of the server.")]
Token = Annotated[str, typer.Option("--token", envvar="ENTREPOT_TOKEN", help="An API key's token.")]
_WAIT_SECONDS = 30
_PAUSE_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(help=_HELP)(events)


_HELP = """Print events, oldest first; with `--follow`, go on as they happen.

Example: `entrepot events --follow --type file --type work.success`
"""


def events(
    token: Token,
    url: Url = "http://127.0.0.1:8000",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more, until Ctrl-C.")] = False,
    after: Annotated[
        str | None, typer.Option(help="Cursor or id of an event to go on from; by default, all; to follow, `latest`.")
    ] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="`type` or `type.action`; may be repeated.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Print events."""
    import orjson

    for event in _read(url, token, after or ("latest" if follow else None), type_ or [], follow=follow):
        if json:
            typer.echo(orjson.dumps(event).decode())
        else:
            name = f"{event['type']}.{event['action']}"
            typer.echo(f"{event['created_at']}  {event['id']}  {name:<24}  {event['object_id']}")


def _read(url: str, token: str, cursor: str | None, types: list[str], *, follow: bool) -> Iterator[dict[str, Any]]:
    import time

    import httpx

    from entrepot.errors import InvalidInput, Unavailable

    headers = {"authorization": f"Token {token}"}
    with httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=_WAIT_SECONDS + 30) as client:
        while True:
            params: dict[str, Any] = {"type": types, "limit": 1000, "wait": _WAIT_SECONDS if follow else 0}
            try:
                answer = client.get("/events", params=params | ({"after": cursor} if cursor is not None else {}))
            except httpx.TransportError as error:
                if not follow:
                    raise Unavailable(f"The server does not answer: {error}") from None
                # It may be starting again; the cursor knows where to go on.
                time.sleep(_PAUSE_SECONDS)
                continue
            if answer.is_error:
                raise InvalidInput(str(answer.json().get("detail", answer.text)))
            page = answer.json()
            yield from page["items"]
            cursor = str(page["cursor"])
            if not follow and not page["items"]:
                return
