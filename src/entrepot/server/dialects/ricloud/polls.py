"""Polls, their tasks, and subscriptions, which are polls that are made again and again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from entrepot.errors import Conflict, InvalidInput
from entrepot.files import sources
from entrepot.files.models import Poll, RemoteSession, RemoteSource, Subscription, Task
from entrepot.files.polls import get_poll, get_task
from entrepot.server.dialects.ricloud import fulfil, parse, render
from entrepot.server.dialects.ricloud.errors import SessionExpired
from entrepot.server.dialects.ricloud.listing import Listing, Record, parse_instant
from entrepot.server.dialects.ricloud.people import find, named
from entrepot.server.endpoint import Call, Endpoint

_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 1.0, 366 * 86_400.0


def _records(call: Call, rows: Sequence[Poll]) -> list[Record]:
    return render.polls(call.session, rows, render.signer(call))


def _requested_by(values: list[str]) -> Any:
    if set(values) - {"subscription", "user"}:
        raise InvalidInput.field("requestor", "subscription, or user.")
    wanted: Any = Poll.id.is_(None)
    if "subscription" in values:
        wanted = wanted | Poll.subscription_id.is_not(None)
    return wanted | Poll.subscription_id.is_(None) if "user" in values else wanted


def _of_polls(condition: Any) -> Any:
    return Task.poll_id.in_(select(Poll.id).where(condition))


_POLLS = Listing(
    "/polls",
    Poll,
    _records,
    filters={
        "session": Poll.session_id,
        "subscription": Poll.subscription_id,
        "source": Poll.source_id,
        "user": Poll.user_id,
        "state": Poll.state,
    },
    states=("pending", "processing", "completed"),
    instants={"date_created": Poll.created, "date_started": Poll.started, "date_completed": Poll.completed},
    extra={"requestor": _requested_by},
)
_TASKS = Listing(
    "/tasks",
    Task,
    lambda call, rows: render.tasks(call.session, rows, render.signer(call)),
    filters={"key": Task.key_id, "poll": Task.poll_id, "state": Task.state, "type": Task.type},
    states=("pending", "processing", "succeeded", "failed", "suspended"),
    extra={
        "user": lambda values: _of_polls(Poll.user_id.in_(values)),
        "source": lambda values: _of_polls(Poll.source_id.in_(values)),
        "session": lambda values: _of_polls(Poll.session_id.in_(values)),
        "source_type": lambda values: _of_polls(
            Poll.source_id.in_(select(RemoteSource.id).where(RemoteSource.type.in_(values)))
        ),
    },
    instants={"date_created": Task.created, "date_started": Task.started, "date_completed": Task.completed},
)
_SUBSCRIPTIONS = Listing(
    "/subscriptions",
    Subscription,
    render.each(render.subscription),
    filters={"source": Subscription.source_id, "session": Subscription.session_id, "state": Subscription.state},
    states=("pending", "active", "deleted"),
    instants={"date_created": Subscription.created},
)


def _origin(call: Call, given: dict[str, Any]) -> tuple[RemoteSession | None, RemoteSource | None]:
    """Return the session and the source that a request names."""
    remote = source = None
    if given.get("session") is not None:
        remote = named(call, RemoteSession, "session", given["session"])
        if remote.state != "active":
            raise SessionExpired("The session is not active.", {"session": ["It is not active."]})
    source_id = given.get("source") or (remote.source_id if remote else None)
    if source_id is not None:
        source = named(call, RemoteSource, "source", source_id)
    if remote is not None and source is not None and remote.source_id not in (source.id, source.parent_id):
        raise InvalidInput.field("source", "The session is one of another source.")
    if source is not None:
        sources.require_usable(call.session, source)
    return remote, source


def _create_poll(call: Call) -> Record:
    given = parse.fields(call, "payload", "session", "source", "subscription")
    call.principal.require("write")
    payload = parse.mapping("payload", given.get("payload") or {})
    subscription = None
    if given.get("subscription") is not None:
        subscription = named(call, Subscription, "subscription", given["subscription"])
        given = {"session": subscription.session_id, "source": subscription.source_id} | given
    remote, source = _origin(call, given)
    poll = fulfil.start(call.session, call.principal, payload, remote, source, subscription)
    return _records(call, [poll])[0]


def _get_poll(call: Call) -> Record:
    return _records(call, [get_poll(call.session, call.principal, call.path["id"])])[0]


def _create_task(call: Call) -> Record:
    given = parse.fields(call, "type", required=("poll",))
    if given.get("type", "poll.fetch") != "poll.fetch":
        raise InvalidInput.field("type", "Only poll.fetch; configurations are tested at their own address.")
    poll = named(call, Poll, "poll", given["poll"])
    call.principal.require("write", poll.organization_id, "Poll")
    return _task(call, fulfil.add_task(call.session, call.principal, poll))


def _get_task(call: Call) -> Record:
    return _task(call, get_task(call.session, call.principal, call.path["id"]))


def _task(call: Call, task: Task) -> Record:
    return render.tasks(call.session, [task], render.signer(call))[0]


def _create_subscription(call: Call) -> Record:
    given = parse.fields(call, "session", "source", "interval", "date_start", "date_end", required=("poll_payload",))
    call.principal.require("write")
    if call.principal.key_id is None:
        raise Conflict("A subscription acts for a key: come with one.")
    interval = parse.number("interval", given.get("interval", 86_400))
    if not _SHORTEST_INTERVAL <= interval <= _LONGEST_INTERVAL:
        raise InvalidInput.field("interval", "From 1 second to 366 days.")
    remote, source = _origin(call, given)
    dates = {
        name: parse_instant(name, parse.text(name, given[name], 40))[0] if given.get(name) is not None else None
        for name in ("date_start", "date_end")
    }
    subscription = Subscription(
        organization_id=call.principal.organization_id,
        key_id=call.principal.key_id,
        source_id=source.id if source else None,
        session_id=remote.id if remote else None,
        payload=parse.mapping("poll_payload", given["poll_payload"]),
        interval=interval,
        start=dates["date_start"],
        end=dates["date_end"],
    )
    call.session.add(subscription)
    call.session.flush()
    fulfil.schedule(call.session, subscription)
    return render.subscription(subscription)


def _get_subscription(call: Call) -> Record:
    return render.subscription(find(call, Subscription, "Subscription", call.path["id"]))


def _delete_subscription(call: Call) -> Record:
    subscription = find(call, Subscription, "Subscription", call.path["id"], "write")
    subscription.state = "deleted"
    fulfil.unschedule(call.session, subscription)
    call.session.flush()
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
