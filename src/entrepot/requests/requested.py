"""Requests for data, and the steps that fulfil them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, false, select
from sqlalchemy.orm import Session

from entrepot.db import new_id, now
from entrepot.errors import InvalidInput
from entrepot.events import emit
from entrepot.identity import Principal, Right, records
from entrepot.requests.models import DataRequest, RemoteSource, RequestStep

STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
#: Those of requests that have ended: with what was asked for (some of it at least), without, or early.
ENDED = ("completed", "failed", "cancelled")
STEP_STATUSES = ("pending", "processing", "succeeded", "failed", "suspended")
OPEN = ("pending", "processing")
#: The type of steps that fetch what a request asks for.
FETCH = "request.fetch"
#: Who may have made a request.
REQUESTORS = ("subscription", "user")


def create_request(
    session: Session,
    organization_id: str,
    *,
    key_id: str | None = None,
    payload: Mapping[str, Any] | None = None,
    **links: str | None,
) -> DataRequest:
    """Create a request that waits for its steps.

    Parameters
    ----------
    links
        Any of ``user_id``, ``source_id``, ``session_id`` and ``subscription_id``.
    """
    request = DataRequest(organization_id=organization_id, key_id=key_id, payload=dict(payload or {}), **links)
    session.add(request)
    session.flush()
    emit(session, "request", "created", request.id, organization_id=organization_id, data={"key": key_id})
    return request


def create_step(
    session: Session,
    organization_id: str,
    type_: str,
    *,
    request: DataRequest | None = None,
    key_id: str | None = None,
    work_id: str | None = None,
    target_id: str | None = None,
) -> RequestStep:
    """Create a step that waits."""
    step = RequestStep(
        organization_id=organization_id,
        type=type_,
        request_id=request.id if request else None,
        key_id=key_id,
        work_id=work_id,
        target_id=target_id,
    )
    session.add(step)
    session.flush()
    _emit(session, step, "created")
    return step


def create_answered(
    session: Session, organization_id: str, request: DataRequest | None, *, key_id: str | None = None
) -> tuple[DataRequest, RequestStep]:
    """Create what stands for a file that nobody waited for: a step that succeeded; its request where none is given.

    That they are done is to be told once the file is (:func:`tell_answered`).
    """
    instant = now()
    done = {"organization_id": organization_id, "key_id": key_id, "started_at": instant, "ended_at": instant}
    if request is None:
        request = DataRequest(id=new_id(), status="completed", **done)
        session.add(request)
        emit(session, "request", "created", request.id, organization_id=organization_id, data={"key": key_id})
    step = RequestStep(id=new_id(), type=FETCH, request_id=request.id, status="succeeded", **done)
    session.add(step)
    _emit(session, step, "created")
    return request, step


def tell_answered(session: Session, request: DataRequest, step: RequestStep) -> None:
    """Tell that a step succeeded, and that its request is complete where it was made with it."""
    _emit(session, step, "succeeded")
    if request.ended_at == step.ended_at:
        _tell_completed(session, request)


def start_step(session: Session, step: RequestStep) -> None:
    """Say that a step is being done; nothing happens when it ended."""
    if step.status != "pending":
        return
    step.status, step.started_at = "processing", now()
    request = _request_of(session, step)
    if request is not None and request.status == "pending":
        request.status, request.started_at = "processing", step.started_at
    session.flush()


def end_step(session: Session, step: RequestStep, error: str | None = None) -> None:
    """Say that a step ended, with an error or well; the last completes its request. A second end changes nothing."""
    if step.status not in OPEN:
        return
    instant = now()
    step.started_at, step.ended_at = step.started_at or instant, instant
    step.status, step.error = ("succeeded", None) if error is None else ("failed", error)
    session.flush()
    _emit(session, step, step.status)
    request = _request_of(session, step)
    if request is None or request.status in ENDED:
        return
    statuses = set(session.scalars(select(RequestStep.status).where(RequestStep.request_id == request.id).distinct()))
    if statuses.isdisjoint(OPEN):
        _end(session, request, "failed" if statuses == {"failed"} else "completed", instant)


def cancel_request(session: Session, principal: Principal, request_id: str) -> tuple[DataRequest, list[str]]:
    """End a request early, and return it with the ids of works that nobody need do; one that ended stays as it is."""
    request = get_request(session, principal, request_id, "write")
    waiting = (
        select(RequestStep)
        .where(RequestStep.request_id == request.id, RequestStep.status.in_(OPEN))
        .order_by(RequestStep.number)
    )
    steps = session.scalars(waiting.with_for_update()).all()
    session.refresh(request, with_for_update=True)
    if request.status not in ENDED:
        _end(session, request, "cancelled", now())
    for step in steps:
        end_step(session, step, "The request was cancelled.")
    return request, [step.work_id for step in steps if step.work_id is not None]


def get_request(session: Session, principal: Principal, request_id: str, right: Right = "read") -> DataRequest:
    """Return a request of the caller's organizations."""
    found: DataRequest = records.find(session, principal, DataRequest, "Request", request_id, right)
    return found


def get_step(session: Session, principal: Principal, step_id: str, right: Right = "read") -> RequestStep:
    """Return a step of the caller's organizations."""
    found: RequestStep = records.find(session, principal, RequestStep, "Step", step_id, right)
    return found


def list_requests(session: Session, principal: Principal, wanted: records.Wanted) -> records.Page[DataRequest]:
    """Return requests of the caller's organization, narrowed by ``requestor`` (of :data:`REQUESTORS`), too."""
    return records.page(session, principal, DataRequest, wanted, conditions={"requestor": _requested_by})


def list_steps(session: Session, principal: Principal, wanted: records.Wanted) -> records.Page[RequestStep]:
    """Return steps of the caller's organization.

    They may be narrowed by ``user_id``, ``source_id``, ``session_id`` of their requests, and ``source_type``, too.
    """
    return records.page(session, principal, RequestStep, wanted, conditions=_OF_REQUESTS)


def _requested_by(values: Sequence[str]) -> ColumnElement[bool]:
    wanted: ColumnElement[bool] = false()
    if "subscription" in values:
        wanted = wanted | DataRequest.subscription_id.is_not(None)
    return wanted | DataRequest.subscription_id.is_(None) if "user" in values else wanted


def _of_requests(column: Any) -> Callable[[Sequence[str]], ColumnElement[bool]]:
    return lambda values: RequestStep.request_id.in_(select(DataRequest.id).where(column.in_(values)))


_OF_REQUESTS: records.Conditions = {
    "user_id": _of_requests(DataRequest.user_id),
    "source_id": _of_requests(DataRequest.source_id),
    "session_id": _of_requests(DataRequest.session_id),
    "source_type": lambda types: RequestStep.request_id.in_(
        select(DataRequest.id)
        .join(RemoteSource, RemoteSource.id == DataRequest.source_id)
        .where(RemoteSource.type.in_(types))
    ),
}


def steps_of(session: Session, requests: Sequence[DataRequest]) -> dict[str, list[RequestStep]]:
    """Return the steps of requests by the ids of these."""
    found: dict[str, list[RequestStep]] = {request.id: [] for request in requests}
    for step in session.scalars(
        select(RequestStep).where(RequestStep.request_id.in_(found)).order_by(RequestStep.number)
    ):
        found[str(step.request_id)].append(step)
    return found


def asked_by(session: Session, steps: Sequence[RequestStep]) -> dict[str | None, tuple[DataRequest | None, str | None]]:
    """Return the requests of steps, each with the type of its source, by their ids."""
    query = (
        select(DataRequest, RemoteSource.type)
        .outerjoin(RemoteSource, RemoteSource.id == DataRequest.source_id)
        .where(DataRequest.id.in_({step.request_id for step in steps}))
    )
    return {request.id: (request, type_) for request, type_ in session.execute(query)}


def answered(
    session: Session, organization_id: str, request_id: str | None, step_id: str | None
) -> tuple[DataRequest | None, RequestStep | None]:
    """Return the request and the step that a file answers, as far as they are named.

    Raises
    ------
    InvalidInput
        There is none such in the organization.
    """
    request = step = None
    if step_id is not None:
        step = session.scalar(
            select(RequestStep).where(RequestStep.id == step_id, RequestStep.organization_id == organization_id)
        )
        if step is None or step.request_id is None:
            raise InvalidInput.field("step", "There is no such step of a request.")
        if request_id not in (None, step.request_id):
            raise InvalidInput.field("step", "It belongs to another request.")
        request_id = step.request_id
    if request_id is not None:
        request = session.scalar(
            select(DataRequest).where(DataRequest.id == request_id, DataRequest.organization_id == organization_id)
        )
        if request is None:
            raise InvalidInput.field("request", "There is no such request.")
        if step is None:
            waiting = select(RequestStep).where(RequestStep.request_id == request.id, RequestStep.status.in_(OPEN))
            step = session.scalar(waiting.order_by(RequestStep.number).limit(1))
    return request, step


def steps_of_work(session: Session, organization_id: str, work_id: str) -> list[RequestStep]:
    """Return the steps that a work fulfils."""
    query = select(RequestStep).where(RequestStep.organization_id == organization_id, RequestStep.work_id == work_id)
    return list(session.scalars(query.order_by(RequestStep.number).with_for_update()))


def _request_of(session: Session, step: RequestStep) -> DataRequest | None:
    if step.request_id is None:
        return None
    # Two steps that end at once must not each see the other as open.
    return session.scalar(select(DataRequest).where(DataRequest.id == step.request_id).with_for_update())


def _end(session: Session, request: DataRequest, status: str, instant: datetime) -> None:
    request.status, request.started_at, request.ended_at = status, request.started_at or instant, instant
    session.flush()
    _tell_completed(session, request)


def _tell_completed(session: Session, request: DataRequest) -> None:
    data = {"key": request.key_id, "status": request.status}
    emit(session, "request", "completed", request.id, organization_id=request.organization_id, data=data)


def _emit(session: Session, step: RequestStep, action: str) -> None:
    data = {"key": step.key_id, "request": step.request_id, "type": step.type, "error": step.error}
    emit(session, "step", action, step.id, organization_id=step.organization_id, data=data)
