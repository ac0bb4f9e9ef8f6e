"""Who fulfils requests: each becomes a work, which any worker may withdraw, and whose end is the step's end.

The worker publishes what it fetched with the step's id, and reports the work.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.errors import NotFound
from entrepot.events import log
from entrepot.identity import Principal, Role
from entrepot.requests import requested, sources
from entrepot.requests.models import DataRequest, RemoteSession, RemoteSource, RequestStep, Subscription
from entrepot.works import archive, queue

PIPELINE = "ricloud-poll"
FOLLOW = "requests.follow"
_LONGEST_ERROR = 1000


def start(
    session: Session,
    principal: Principal,
    payload: Mapping[str, Any],
    remote: RemoteSession | None,
    source: RemoteSource | None,
    subscription: Subscription | None = None,
) -> DataRequest:
    """Make a request, with a step that a work fulfils."""
    principal.require("write")
    request = requested.create_request(
        session,
        principal.organization_id,
        key_id=principal.key_id or (subscription.key_id if subscription else None),
        payload=payload,
        user_id=source.user_id if source else None,
        source_id=source.id if source else None,
        session_id=remote.id if remote else None,
        subscription_id=subscription.id if subscription else None,
    )
    add_step(session, principal, request)
    return request


def add_step(session: Session, principal: Principal, request: DataRequest) -> RequestStep:
    """Give a request a step, and deposit the work that fulfils it."""
    principal.require("write", request.organization_id, "Request")
    step = requested.create_step(
        session, request.organization_id, requested.FETCH, request=request, key_id=request.key_id
    )
    source = session.scalar(select(RemoteSource).where(RemoteSource.id == request.source_id))
    parent = session.scalar(select(RemoteSource).where(RemoteSource.id == source.parent_id)) if source else None
    about = {**_described(source), "parent": _described(parent) if parent else None} if source else None
    work = {
        "pipeline": PIPELINE,
        "site": "local",
        "user": principal.login or "entrepot",
        "parameters": {"poll": request.id, "task": step.id, "source": about, "payload": request.payload},
        "tags": [source.type] if source else None,
    }
    (step.work_id,) = queue.deposit(session, principal, [work])
    if request.status in requested.ENDED:
        request.status, request.ended_at = "processing", None
    session.flush()
    return step


def cancel(session: Session, principal: Principal, request_id: str) -> DataRequest:
    """End a request early: nobody withdraws the works of its steps any more. One that ended stays as it is."""
    request, works = requested.cancel_request(session, principal, request_id)
    queue.delete_ids(session, principal, works)
    return request


def _described(source: RemoteSource) -> dict[str, Any]:
    return {"type": source.type, "identifier": source.identifier}


@jobs.task(FOLLOW)
def follow(context: jobs.JobContext) -> None:
    """Do to the steps of a work what happened to the work."""
    payload: dict[str, str] = context.job.payload or {}
    organization_id, action = payload["organization_id"], payload["action"]
    with context.unit() as session:
        for step in requested.steps_of_work(session, organization_id, payload["id"]):
            if action == "withdrawn":
                requested.start_step(session, step)
            elif action == "success":
                work = _find(session, organization_id, payload["id"])
                sources.found_by(session, step, ((work or {}).get("results") or {}).get("sources"))
                requested.end_step(session, step)
            elif action == "deleted":
                requested.end_step(session, step, "The work was deleted.")
            else:
                work = _find(session, organization_id, payload["id"])
                if work is None or (work["status"] == "failure" and work["attempt"] >= work["retries"]):
                    requested.end_step(session, step, _why(work))


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


def _concerns(action: str, data: Mapping[str, Any]) -> bool:
    return data.get("pipeline") == PIPELINE and action in ("withdrawn", "success", "failure", "deleted", "expired")


log.react("work", FOLLOW, _concerns)
