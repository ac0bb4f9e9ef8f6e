"""Who fulfils polls: each becomes a work, which any worker may withdraw, and whose end is the task's end.

The worker publishes what it fetched with the task's id, and reports the work.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.errors import NotFound
from entrepot.events import log
from entrepot.files import polls, sources
from entrepot.files.models import Poll, RemoteSession, RemoteSource, Subscription, Task
from entrepot.identity import Principal, Role, keys
from entrepot.works import archive, queue

PIPELINE = "ricloud-poll"
FOLLOW, AGAIN = "ricloud.follow", "ricloud.subscription"
_LONGEST_ERROR = 1000


def start(
    session: Session,
    principal: Principal,
    payload: Mapping[str, Any],
    remote: RemoteSession | None,
    source: RemoteSource | None,
    subscription: Subscription | None = None,
) -> Poll:
    """Make a poll, with a task that a work fulfils."""
    poll = polls.create_poll(
        session,
        principal.organization_id,
        key_id=principal.key_id or (subscription.key_id if subscription else None),
        payload=payload,
        user_id=source.user_id if source else None,
        source_id=source.id if source else None,
        session_id=remote.id if remote else None,
        subscription_id=subscription.id if subscription else None,
    )
    add_task(session, principal, poll)
    return poll


def add_task(session: Session, principal: Principal, poll: Poll) -> Task:
    """Give a poll a task, and deposit the work that fulfils it."""
    task = polls.create_task(session, poll.organization_id, "poll.fetch", poll=poll, key_id=poll.key_id)
    source = session.scalar(select(RemoteSource).where(RemoteSource.id == poll.source_id))
    parent = session.scalar(select(RemoteSource).where(RemoteSource.id == source.parent_id)) if source else None
    about = {**_described(source), "parent": _described(parent) if parent else None} if source else None
    work = {
        "pipeline": PIPELINE,
        "site": "local",
        "user": principal.login or "entrepot",
        "parameters": {"poll": poll.id, "task": task.id, "source": about, "payload": poll.payload},
        "tags": [source.type] if source else None,
    }
    (task.work_id,) = queue.deposit(session, principal, [work])
    if poll.state == "completed":
        poll.state, poll.completed = "processing", None
    session.flush()
    return task


def _described(source: RemoteSource) -> dict[str, Any]:
    return {"type": source.type, "identifier": source.identifier}


@jobs.task(FOLLOW)
def follow(context: jobs.JobContext) -> None:
    """Do to the tasks of a work what happened to the work."""
    payload: dict[str, str] = context.job.payload or {}
    organization_id, action = payload["organization_id"], payload["action"]
    with context.unit() as session:
        for task in polls.tasks_of_work(session, organization_id, payload["id"]):
            if action == "withdrawn":
                polls.start_task(session, task)
            elif action == "success":
                work = _find(session, organization_id, payload["id"])
                sources.found_by(session, task, ((work or {}).get("results") or {}).get("sources"))
                polls.end_task(session, task)
            elif action == "deleted":
                polls.end_task(session, task, "The work was deleted.")
            else:
                work = _find(session, organization_id, payload["id"])
                if work is None or (work["status"] == "failure" and work["attempt"] >= work["retries"]):
                    polls.end_task(session, task, _why(work))


def _find(session: Session, organization_id: str, work_id: str) -> dict[str, Any] | None:
    """Return a work, queued or archived; None when it is gone."""
    reader = Principal("", "", organization_id, {organization_id: Role.READER})
    with suppress(NotFound):
        return queue.get(session, reader, work_id)
    archived = archive.view(session, reader, {"pipeline": PIPELINE, "id": work_id}, limit=1)
    return archived[0] if archived else None


def _why(work: dict[str, Any] | None) -> str:
    """Return why a work failed, as its worker said."""
    said = (work.get("results") or {}).get("error") if work else None
    return said[:_LONGEST_ERROR] if isinstance(said, str) and said.strip() else "The work failed."


def schedule(session: Session, subscription: Subscription) -> None:
    """Have a subscription's polls made, from now on."""
    payload = {"subscription": subscription.id}
    jobs.schedules.every(session, _name(subscription), subscription.interval, AGAIN, payload)


def unschedule(session: Session, subscription: Subscription) -> None:
    """Have no more polls made for a subscription."""
    jobs.schedules.remove(session, _name(subscription))


@jobs.task(AGAIN)
def again(context: jobs.JobContext) -> dict[str, int]:
    """Make the next poll of a subscription; none while the last one is still being fulfilled."""
    payload: dict[str, str] = context.job.payload or {}
    with context.unit() as session:
        subscription = session.scalar(select(Subscription).where(Subscription.id == payload["subscription"]))
        active = subscription is not None and subscription.state == "active"
        return {"polls": int(subscription is not None and active and _made(session, subscription))}


def _made(session: Session, subscription: Subscription) -> bool:
    """Make the next poll of an active subscription, if it is time, and tell whether it was."""
    instant = now()
    if subscription.start is not None and subscription.start > instant:
        return False
    principal = _owner(session, subscription)
    if principal is None or (subscription.end is not None and subscription.end <= instant):
        subscription.state = "deleted"
        unschedule(session, subscription)
        return False
    waiting = select(Poll.id).where(Poll.subscription_id == subscription.id, Poll.state != "completed")
    if session.scalar(waiting.limit(1)) is not None:
        return False
    remote = session.scalar(select(RemoteSession).where(RemoteSession.id == subscription.session_id))
    source = session.scalar(select(RemoteSource).where(RemoteSource.id == subscription.source_id))
    if source is not None and sources.why_unusable(session, source):
        return False
    start(session, principal, subscription.payload, remote, source, subscription)
    return True


def _owner(session: Session, subscription: Subscription) -> Principal | None:
    """Return for whom a subscription acts; None when whoever made it may no longer write."""
    principal = keys.find_principal_of(session, subscription.key_id) if subscription.key_id else None
    return principal if principal is not None and principal.can("write", subscription.organization_id) else None


def _name(subscription: Subscription) -> str:
    return f"ricloud subscription:{subscription.id}"


def _concerns(action: str, data: Mapping[str, Any]) -> bool:
    return data.get("pipeline") == PIPELINE and action in ("withdrawn", "success", "failure", "deleted", "expired")


log.react("work", FOLLOW, _concerns)
