"""`entrepot webhooks`: who is told of events."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Addresses that events are sent to.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the webhook.")]


@app.command("list")
def list_(token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """List webhooks, newest first.

    Example: `entrepot webhooks list`
    """
    with port(url, token) as client:
        found = client.webhooks.all()
    names = ("id", "url", "types", "status", "slow", "failing_since", "paused_until")
    show(found if json else [{name.replace("_", " "): one[name] for name in names} for one in found], json)


@app.command("show")
def show_webhook(webhook_id: Id, token: Token, url: Url = DEFAULT_URL, json: AsJson = False) -> None:
    """Show a webhook, without its secret.

    Example: `entrepot webhooks show 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e`
    """
    with port(url, token) as client:
        show_one(client.webhooks.get(webhook_id), json)


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
    with port(url, token) as client:
        show_one(client.webhooks.create(receiver, type_), json)


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
    with port(url, token) as client:
        show_one(client.webhooks.rotate(webhook_id, overlap_hours), json)


@app.command("set")
def set_(
    webhook_id: Id,
    token: Token,
    url: Url = DEFAULT_URL,
    active: Annotated[
        bool | None, typer.Option("--on/--off", help="Send events, of those that happen from then on; or none.")
    ] = None,
    receiver: Annotated[str | None, typer.Option("--address", help="Another address.")] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="What it is told of, `all` for everything; may be repeated.")
    ] = None,
) -> None:
    """Switch a webhook on or off, give it another address, or tell it of other events.

    Example: `entrepot webhooks set 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e --on`
    """
    changes: dict[str, Any] = {
        "url": receiver,
        "status": None if active is None else "new" if active else "deactivated",
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if type_:
        changes["types"] = None if type_ == ["all"] else type_
    with port(url, token) as client:
        changed = client.webhooks.update(webhook_id, **changes)
    typer.echo(f"{changed['url']}: {changed['status']}")


@app.command("test")
def try_out(webhook_id: Id, token: Token, url: Url = DEFAULT_URL) -> None:
    """Have a test event posted to a webhook, and tell whether it took that.

    Example: `entrepot webhooks test 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e`
    """
    with port(url, token) as client:
        tried = client.webhooks.test(webhook_id)
    typer.echo(f"{tried['url']}: {tried['status']}")
    if tried["status"] != "valid":
        raise typer.Exit(1)


@app.command("replay")
def replay(
    webhook_id: Id,
    token: Token,
    url: Url = DEFAULT_URL,
    after: Annotated[str | None, typer.Option("--after", help="All events after this one (id); 0: all kept.")] = None,
    event: Annotated[str | None, typer.Option("--event", help="This event alone, by its id.")] = None,
    failed_since: Annotated[
        str | None, typer.Option("--failed-since", help="Those given up since this instant: 2014-03-01T00:00Z.")
    ] = None,
) -> None:
    """Have a webhook told of events once more: of those after one, of one alone, or of those that were given up.

    Example: `entrepot webhooks replay 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e --failed-since 2014-03-01T00:00Z`
    """
    try:
        since = None if failed_since is None else datetime.fromisoformat(failed_since)
    except ValueError:
        raise InvalidInput.field("--failed-since", "An instant such as 2014-03-01T00:00Z.") from None
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    with port(url, token) as client:
        count = client.webhooks.replay(webhook_id, after=after, event=event, failed_since=since)
    typer.echo(f"{count} events are sent once more")


@app.command("delete")
def delete(webhook_id: Id, token: Token, url: Url = DEFAULT_URL) -> None:
    """Delete a webhook, and what waits for it.

    Example: `entrepot webhooks delete 0d9b1d54-5b0c-4f0e-9a55-0b8c4f6f3a1e`
    """
    with port(url, token) as client:
        client.webhooks.delete(webhook_id)
    typer.echo("1 deleted")
