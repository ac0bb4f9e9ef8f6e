"""`entrepot webhooks`: who is told of events."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.renamed import Renaming

if TYPE_CHECKING:
    from entrepot.client.webhooks import Webhooks

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Addresses that events are sent to.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the webhook.")]


@app.command("list")
def list_(token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List webhooks, newest first.

    Example: `entrepot webhooks list`
    """
    with _webhooks(url, token) as webhooks:
        found = webhooks.all()
    names = ("id", "url", "types", "status", "slow", "failing_since", "paused_until")
    show(found if json else [{name.replace("_", " "): one[name] for name in names} for one in found], json)


@app.command("create")
def create(
    receiver: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where events are sent.")],
    token: Token,
    url: Url = DEFAULT_URL,
    type_: Annotated[list[str] | None, typer.Option("--type", help="`type` or `type.action`; may be repeated.")] = None,
    json: AsJson = False,
) -> None:
    """Have events sent to an address from now on, and print the secret that signs them, once.

    Example: `entrepot webhooks create https://example.org/hooks --type file.published`
    """
    with _webhooks(url, token) as webhooks:
        show_one(webhooks.create(receiver, type_), json)


@app.command("rotate")
def rotate(
    webhook_id: Id,
    token: Token,
    url: Url = DEFAULT_URL,
    overlap_hours: Annotated[float, typer.Option(help="For so long, the old secret signs as well.")] = 24,
    json: AsJson = False,
) -> None:
    """Give a webhook a new secret, and print it, once.

    Example: `entrepot webhooks rotate 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e --overlap-hours 48`
    """
    with _webhooks(url, token) as webhooks:
        show_one(webhooks.rotate(webhook_id, overlap_hours), json)


@app.command("set")
def set_(
    webhook_id: Id,
    token: Token,
    url: Url = DEFAULT_URL,
    active: Annotated[
        bool | None, typer.Option("--on/--off", help="Send events, of those that happen from then on; or none.")
    ] = None,
    receiver: Annotated[str | None, typer.Option("--address", help="Another address.")] = None,
) -> None:
    """Switch a webhook on or off, or give it another address.

    Example: `entrepot webhooks set 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e --on`
    """
    changes = {"url": receiver, "status": None if active is None else "new" if active else "deactivated"}
    with _webhooks(url, token) as webhooks:
        changed = webhooks.update(webhook_id, **{name: value for name, value in changes.items() if value is not None})
    typer.echo(f"{changed['url']}: {changed['status']}")


@app.command("delete")
def delete(webhook_id: Id, token: Token, url: Url = DEFAULT_URL) -> None:
    """Delete a webhook, and what waits for it.

    Example: `entrepot webhooks delete 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e`
    """
    with _webhooks(url, token) as webhooks:
        webhooks.delete(webhook_id)
    typer.echo("1 deleted")


@contextmanager
def _webhooks(url: str, token: str) -> "Iterator[Webhooks]":
    from entrepot.cli.connection import answering, connect
    from entrepot.client.webhooks import Webhooks

    with answering():
        connection = connect(url, token)
        try:
            yield Webhooks(connection)
        finally:
            connection.close()
