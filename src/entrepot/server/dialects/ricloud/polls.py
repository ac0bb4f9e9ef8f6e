"""Polls, their tasks, and subscriptions, which are polls that are made again and again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from entrepot.db import Session
from entrepot.errors import InvalidInput
from entrepot.identity import Principal, records
from entrepot.requests import fulfilment, requested, sessions, subscriptions
from entrepot.requests.models import DataRequest, RemoteSession, RemoteSource, RequestStep, Subscription
from entrepot.server.dialects.ricloud import names, parse, render
from entrepot.server.dialects.ricloud.listing import Listing, Record, parse_instant
from entrepot.server.dialects.ricloud.people import find, named
from entrepot.server.endpoint import Call, Endpoint


def _records(call: Call, rows: Sequence[DataRequest]) -> list[Record]:
    return render.polls(call.session, rows, render.signer(call))


def _find(session: Session, principal: Principal, wanted: records.Wanted) -> records.Page[DataRequest]:
    if (states := wanted.values.get("status")) is not None:
        wanted = replace(wanted, values={**wanted.values, "status": names.poll_statuses(states)})
    return requested.list_requests(session, principal, wanted)


_FETCH = names.kind_word(requested.FETCH)
_TIMES = ("date_created", "date_started", "date_completed")
_STATES = tuple(dict.fromkeys(map(names.poll_state, requested.STATUSES)))
_POLLS = Listing(
    "/polls",
    DataRequest,
    _records,
    filters=("session", "subscription", "source", "user", "state", "requestor"),
    known={"state": _STATES, "requestor": requested.REQUESTORS},
    instants=_TIMES,
    find=_find,
)
_TASKS = Listing(
    "/tasks",
    RequestStep,
    lambda call, rows: render.tasks(call.session, rows, render.signer(call)),
    filters=("key", "poll", "state", "type", "user", "source", "session", "source_type"),
    known={"state": requested.STEP_STATUSES},
    kinds=("type",),
    instants=_TIMES,
    find=requested.list_steps,
)
_SUBSCRIPTIONS = Listing(
    "/subscriptions",
    Subscription,
    render.each(render.subscription),
    filters=("source", "session", "state"),
    known={"state": subscriptions.STATUSES},
)


def _origin(call: Call, given: dict[str, Any]) -> tuple[RemoteSession | None, RemoteSource | None]:
    """Return the session and the source that a request names."""
    remote = source = None
    if given.get("session") is not None:
        remote = named(call, RemoteSession, "session", given["session"])
        sessions.require_active(remote)
    if given.get("source"):
        source = named(call, RemoteSource, "source", given["source"])
    return remote, sessions.source_asked(call.session, remote, source)


def _create_poll(call: Call) -> Record:
    given = parse.fields(call, "payload", "session", "source", "subscription")
    payload = parse.mapping("payload", given.get("payload") or {})
    subscription = None
    if given.get("subscription") is not None:
        subscription = named(call, Subscription, "subscription", given["subscription"])
        given = {"session": subscription.session_id, "source": subscription.source_id} | given
    remote, source = _origin(call, given)
    poll = fulfilment.start(call.session, call.principal, payload, remote, source, subscription)
    return _records(call, [poll])[0]


def _get_poll(call: Call) -> Record:
    return _records(call, [requested.get_request(call.session, call.principal, call.path["id"])])[0]


def _create_task(call: Call) -> Record:
    given = parse.fields(call, "type", required=("poll",))
    if names.kind_here(given.get("type", _FETCH)) != requested.FETCH:
        raise InvalidInput.field("type", f"Only {_FETCH}; configurations are tested at their own address.")
    poll = named(call, DataRequest, "poll", given["poll"])
    return _task(call, fulfilment.add_step(call.session, call.principal, poll))


def _get_task(call: Call) -> Record:
    return _task(call, requested.get_step(call.session, call.principal, call.path["id"]))


def _task(call: Call, task: RequestStep) -> Record:
    return render.tasks(call.session, [task], render.signer(call))[0]


def _create_subscription(call: Call) -> Record:
    given = parse.fields(call, "session", "source", "interval", "date_start", "date_end", required=("poll_payload",))
    interval = parse.number("interval", given.get("interval", 86_400))
    remote, source = _origin(call, given)
    dates = {
        name: parse_instant(name, parse.text(name, given[name], 40))[0] if given.get(name) is not None else None
        for name in ("date_start", "date_end")
    }
    subscription = subscriptions.create_subscription(
        call.session,
        call.principal,
        payload=parse.mapping("poll_payload", given["poll_payload"]),
        interval=interval,
        remote=remote,
        source=source,
        **names.received(dates),
    )
    return render.subscription(subscription)


def _get_subscription(call: Call) -> Record:
    return render.subscription(find(call, Subscription, "Subscription", call.path["id"]))


def _delete_subscription(call: Call) -> Record:
    subscription = find(call, Subscription, "Subscription", call.path["id"], "write")
    subscriptions.delete_subscription(call.session, subscription)
    return render.subscription(subscription)


ENDPOINTS = [
    Endpoint("GET", "/polls", _POLLS.answer, "files", "read"),
    Endpoint("POST", "/polls", _create_poll, "files", "write", status=201, body="large"),
    Endpoint("GET", "/polls/{id}", _get_poll, "files", "read"),
    Endpoint("GET", "/tasks", _TASKS.answer, "files", "read"),
    Endpoint("POST", "/tasks", _create_task, "files", "write", status=201, body="large"),
    Endpoint("GET", "/tasks/{id}", _get_task, "files", "read"),
    Endpoint("GET", "/subscriptions", _SUBSCRIPTIONS.answer, "files", "read"),
    Endpoint("POST", "/subscriptions", _create_subscription, "files", "write", status=201),
    Endpoint("GET", "/subscriptions/{id}", _get_subscription, "files", "read"),
    Endpoint("DELETE", "/subscriptions/{id}", _delete_subscription, "files", "write"),
]
