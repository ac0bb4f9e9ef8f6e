"""Webhooks: who is told of events, every delivery with what was sent and answered, and what is sent once more."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot.db import keyset
from entrepot.errors import EntrepotError
from entrepot.events import webhooks
from entrepot.events.models import Delivery, Webhook
from entrepot.requests import requested, trials
from entrepot.server.api import webhooks as api
from entrepot.server.api.webhooks import (
    ReplayRequest,
    Rotation,
    WebhookChanges,
    WebhookMade,
    WebhookRequest,
    WebhookShown,
)
from entrepot.server.console import forms
from entrepot.server.console.deliveries import COLUMNS, FIRST, NEWEST, PAUSED, PLACE, administers, rows
from entrepot.server.console.events import LISTS
from entrepot.server.console.form_page import Deletion, FormPage, refusal, require_named
from entrepot.server.console.forms import Entry
from entrepot.server.console.listing import Cell, Field, Form, Link, Listing, State
from entrepot.server.console.native import PageUnit, attempted, done
from entrepot.server.console.outcomes import Outcome, Step, test_of
from entrepot.server.console.page import Page, form
from entrepot.server.console.thing import Action, Table, Thing
from entrepot.server.endpoint import Call

_LIST = PLACE
_FIELDS = ("url", "types")
_FOLLOWS = "It is told of nothing more; what waits for it is not sent."
_SECRET = "Its secret, by which the receiver knows that requests are ours"  # noqa: S105 - what is written beside it


def _list(call: Call) -> Response:
    state = call.query.get("state", "")
    query = select(Webhook).where(call.principal.own(Webhook))
    if state == "failing":
        query = query.where(Webhook.failing_since.is_not(None))
    elif state:
        query = query.where(Webhook.status == state)

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        found = call.session.scalars(query.order_by(keyset.along(Webhook.number).desc()).offset(offset).limit(limit))
        return [
            (
                Link(one.url, f"{_LIST}/{one.id}"),
                State(one.status),
                ", ".join(one.types or ("all",)),
                one.failing_since,
                one.paused_until,
                one.created_at,
            )
            for one in found
        ]

    choices = (("", "any"), *((one, one) for one in (*webhooks.STATUSES, "failing")))
    columns = ("Address", "State", "Told of", "Failing since", "Left alone until", "Made")
    may = administers(call)
    begin = "make one above" if may else "an administrator makes one"
    empty = f"There are no webhooks: {begin}, and events are posted to an address of yours, signed."
    make = Link("New webhook", f"{_LIST}/new") if may else None
    fields = (Field("state", "State", state, choices),)
    return Listing("Webhooks", columns, read, fields, empty, make=make, others=LISTS).shown(call)


def _show(
    call: Call, error: EntrepotError | None = None, *, made: WebhookMade | None = None, said: str = ""
) -> Response:
    webhook = webhooks.get_webhook(call.session, call.principal, made.id if made else call.path["id"])
    page, may, paused = f"{_LIST}/{webhook.id}", administers(call), webhook.status == PAUSED
    buttons = []
    if may:
        buttons = [Form("Begin again", f"{page}/begin") if paused else Form("Pause", f"{page}/pause")]
        buttons = buttons if paused else [Form("Send a test event", f"{page}/test"), *buttons]
    query = select(Delivery).where(Delivery.webhook_id == webhook.id).order_by(NEWEST)
    latest = call.session.scalars(query.limit(FIRST)).all()
    test = call.query.get("test", "")
    return Thing(
        title=f"Webhook {webhook.url}",
        said=said,
        back=Link("All webhooks", _LIST),
        facts=_facts(webhook),
        secret=(_SECRET, made.secret) if made else None,
        links=[Link("Settings", f"{page}/settings")] if may else [],
        buttons=buttons,
        actions=_actions(call, page, error) if may and not paused else [],
        tables=[
            Table(
                "Deliveries",
                COLUMNS,
                rows(call, webhook, latest),
                "It was not told of anything yet.",
                Link("All deliveries", f"{page}/deliveries") if latest else None,
            )
        ],
        deletion=Deletion(f"{page}/delete", "webhook", webhook.url, _FOLLOWS) if may else None,
        refusal=refusal(error, [Entry(one, "") for one in ("overlap_hours", "failed_since")]),
        part=f"{page}/tests/{test}" if test and may else "",
    ).shown(call, error)


def _facts(webhook: Webhook) -> list[tuple[str, Cell]]:
    return [
        ("State", State(webhook.status)),
        ("Told of", ", ".join(webhook.types or ("all",))),
        ("Told since", webhook.active_since),
        ("Failing since", webhook.failing_since),
        ("Left alone until", webhook.paused_until),
        ("Slow", "yes: it is sent to apart from others" if webhook.slow else ""),
        ("The old secret signs, too, until", webhook.former_secret_until),
        ("Made", webhook.created_at),
    ]


def _actions(call: Call, page: str, error: EntrepotError | None) -> list[Action]:
    typed = {"overlap_hours": "24", "failed_since": ""} | (call.content or {})
    rotate = forms.entries(Rotation, ("overlap_hours",), typed, error)
    again = forms.entries(ReplayRequest, ("failed_since",), typed, error)
    again = [
        replace(one, label="Send once more what was given up since", hint="As 2014-03-01, in UTC.") for one in again
    ]
    rotate = [replace(one, label="The old secret signs, too, for so many hours", hint="") for one in rotate]
    return [
        Action("Replay", f"{page}/replay", "Send it once more", again),
        Action("Rotate", f"{page}/rotate", "Give it a new secret", rotate),
    ]


def _new(call: Call, error: EntrepotError | None = None) -> Response:
    call.principal.require("admin")
    shown = forms.entries(WebhookRequest, _FIELDS, call.content or {}, error)
    return FormPage(
        title="New webhook",
        said="Events are posted to its address as they happen, signed, and again for days where it does not answer.",
        back=Link("All webhooks", _LIST),
        action=f"{_LIST}/new",
        button="Make it",
        entries=[_typed(one) for one in shown],
        refusal=refusal(error, shown),
    ).shown(call, error)


def _typed(one: Entry) -> Entry:
    hint = "Of the events: file, or file.published, one a line; empty: all." if one.name == "types" else one.hint
    return Entry(one.name, one.label, one.value, one.kind, one.choices, hint, one.wrong)


def _create(call: Call) -> Response:
    made, error = attempted(
        call.session,
        lambda: api.create_webhook(PageUnit(call), forms.read(WebhookRequest, _FIELDS, _no_types(call.content))),
    )
    return _new(call, error) if made is None else _show(call, made=made, said="It was made.")


def _no_types(typed: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed; of no types, that all are meant."""
    return {name: value.strip() if name == "types" else value for name, value in typed.items()}


def _settings(call: Call, error: EntrepotError | None = None) -> Response:
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["id"], "admin")
    typed = call.content or forms.typed_of(WebhookShown.showing(webhook), _FIELDS)
    shown = forms.entries(WebhookRequest, _FIELDS, typed, error)
    return FormPage(
        title=f"Settings of webhook {webhook.url}",
        back=Link("To the webhook", f"{_LIST}/{webhook.id}"),
        action=f"{_LIST}/{webhook.id}/settings",
        button="Save",
        entries=[_typed(one) for one in shown],
        refusal=refusal(error, shown),
    ).shown(call, error)


def _change(call: Call) -> Response:
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["id"], "admin")
    typed = _no_types(call.content)
    names = [one for one in _FIELDS if one != "url" or typed.get("url", "") != webhook.url]
    _, error = attempted(
        call.session,
        lambda: api.change_webhook(PageUnit(call), webhook.id, forms.read(WebhookChanges, names, typed)),
    )
    return _settings(call, error) if error else RedirectResponse(f"{_LIST}/{webhook.id}", 303)


def _rotate(call: Call) -> Response:
    made, error = attempted(
        call.session,
        lambda: api.rotate_webhook(
            PageUnit(call), call.path["id"], forms.read(Rotation, ("overlap_hours",), call.content)
        ),
    )
    return _show(call, error) if made is None else _show(call, made=made, said="It has a new secret.")


def _replay(call: Call) -> Response:
    replayed, error = attempted(
        call.session,
        lambda: api.replay(PageUnit(call), call.path["id"], forms.read(ReplayRequest, ("failed_since",), call.content)),
    )
    if replayed is None:
        return _show(call, error)
    return RedirectResponse(f"{_LIST}/{call.path['id']}/deliveries?status=pending", 303)


def _test(call: Call) -> Response:
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["id"], "admin")
    test = trials.begin_webhook(call.session, webhook, call.principal.key_id)
    return RedirectResponse(f"{_LIST}/{webhook.id}?test={test.id}", 303)


def _outcome(call: Call) -> Response:
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["id"], "admin")
    test = test_of(call, webhook.id)
    steps = [Step("post", test.error or "" if test.status == "failed" else "")]
    is_over = test.status not in requested.OPEN
    return Outcome(call.request.url.path, is_over, "A test event is posted …", steps).shown(call)


def _pause(call: Call) -> Response:
    return done(
        call, _LIST, lambda unit, id_: api.change_webhook(unit, id_, WebhookChanges(status="deactivated")), _show
    )


def _begin(call: Call) -> Response:
    return done(call, _LIST, lambda unit, id_: api.change_webhook(unit, id_, WebhookChanges(status="new")), _show)


def _delete(call: Call) -> Response:
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["id"], "admin")
    require_named(call, webhook.url)
    api.delete_webhook(PageUnit(call), webhook.id)
    return RedirectResponse(_LIST, 303)


PAGES = (
    Page("GET", _LIST, _list, "events", "read"),
    Page("GET", f"{_LIST}/new", _new, "events", "admin", write=False),
    Page("POST", f"{_LIST}/new", _create, "events", "admin", parse=form),
    Page("GET", f"{_LIST}/{{id}}", _show, "events", "read"),
    Page("GET", f"{_LIST}/{{id}}/settings", _settings, "events", "admin", write=False),
    Page("POST", f"{_LIST}/{{id}}/settings", _change, "events", "admin", parse=form),
    Page("POST", f"{_LIST}/{{id}}/rotate", _rotate, "events", "admin", parse=form),
    Page("POST", f"{_LIST}/{{id}}/replay", _replay, "events", "admin", parse=form),
    Page("POST", f"{_LIST}/{{id}}/test", _test, "events", "admin", parse=form),
    Page("GET", f"{_LIST}/{{id}}/tests/{{test_id}}", _outcome, "events", "admin", write=False),
    Page("POST", f"{_LIST}/{{id}}/pause", _pause, "events", "admin", parse=form),
    Page("POST", f"{_LIST}/{{id}}/begin", _begin, "events", "admin", parse=form),
    Page("POST", f"{_LIST}/{{id}}/delete", _delete, "events", "admin", parse=form),
)
