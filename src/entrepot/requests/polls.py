"""Polls and their tasks: requests for data, and the steps that fulfil them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, false, select
from sqlalchemy.orm import Session

from entrepot.db import new_id, now
from entrepot.errors import InvalidInput
from entrepot.events import emit
from entrepot.identity import Principal, Right, records
from entrepot.requests.models import Poll, RemoteSource, Task

STATES = ("pending", "processing", "completed")
TASK_STATES = ("pending", "processing", "succeeded", "failed", "suspended")
OPEN = ("pending", "processing")
#: The type of tasks that fetch what a poll asks for.
FETCH = "poll.fetch"
#: Who may have made a poll.
REQUESTORS = ("subscription", "user")


def create_poll(
    session: Session,
    organization_id: str,
    *,
    key_id: str | None = None,
    payload: Mapping[str, Any] | None = None,
    **links: str | None,
) -> Poll:
    """Create a poll that waits for its tasks.

    Parameters
    ----------
    links
        Any of ``user_id``, ``source_id``, ``session_id`` and ``subscription_id``.
    """
    poll = Poll(organization_id=organization_id, key_id=key_id, payload=dict(payload or {}), **links)
    session.add(poll)
    session.flush()
    emit(session, "poll", "created", poll.id, organization_id=organization_id, data={"key": key_id})
    return poll


def create_task(
    session: Session,
    organization_id: str,
    type_: str,
    *,
    poll: Poll | None = None,
    key_id: str | None = None,
    work_id: str | None = None,
    config_id: str | None = None,
) -> Task:
    """Create a task that waits."""
    task = Task(
        organization_id=organization_id,
        type=type_,
        poll_id=poll.id if poll else None,
        key_id=key_id,
        work_id=work_id,
        config_id=config_id,
    )
    session.add(task)
    session.flush()
    _emit(session, task, "created")
    return task


def create_answered(
    session: Session, organization_id: str, poll: Poll | None, *, key_id: str | None = None
) -> tuple[Poll, Task]:
    """Create what stands for a file that nobody waited for: a task that succeeded, and its poll where none is given.

    That they are done is to be told once the file is (:func:`tell_answered`).
    """
    instant = now()
    done = {"organization_id": organization_id, "key_id": key_id, "started": instant, "completed": instant}
    if poll is None:
        poll = Poll(id=new_id(), state="completed", **done)
        session.add(poll)
        emit(session, "poll", "created", poll.id, organization_id=organization_id, data={"key": key_id})
    task = Task(id=new_id(), type=FETCH, poll_id=poll.id, state="succeeded", **done)
    session.add(task)
    _emit(session, task, "created")
    return poll, task


def tell_answered(session: Session, poll: Poll, task: Task) -> None:
    """Tell that a task succeeded, and that its poll is complete where it was made with it."""
    _emit(session, task, "succeeded")
    if poll.completed == task.completed:
        _tell_completed(session, poll)


def start_task(session: Session, task: Task) -> None:
    """Say that a task is being done; nothing happens when it ended."""
    if task.state != "pending":
        return
    task.state, task.started = "processing", now()
    poll = _poll_of(session, task)
    if poll is not None and poll.state == "pending":
        poll.state, poll.started = "processing", task.started
    session.flush()


def end_task(session: Session, task: Task, error: str | None = None) -> None:
    """Say that a task ended, with an error or well; the last one completes its poll. A second end changes nothing."""
    if task.state not in OPEN:
        return
    instant = now()
    task.started, task.completed = task.started or instant, instant
    task.state, task.error = ("succeeded", None) if error is None else ("failed", error)
    session.flush()
    _emit(session, task, task.state)
    poll = _poll_of(session, task)
    if poll is None or poll.state == "completed":
        return
    query = select(Task.id).where(Task.poll_id == poll.id, Task.state.in_(OPEN)).limit(1)
    if session.scalar(query) is None:
        poll.state, poll.started, poll.completed = "completed", poll.started or instant, instant
        session.flush()
        _tell_completed(session, poll)


def get_poll(session: Session, principal: Principal, poll_id: str, right: Right = "read") -> Poll:
    """Return a poll of the caller's organizations."""
    found: Poll = records.find(session, principal, Poll, "Poll", poll_id, right)
    return found


def get_task(session: Session, principal: Principal, task_id: str, right: Right = "read") -> Task:
    """Return a task of the caller's organizations."""
    found: Task = records.find(session, principal, Task, "Task", task_id, right)
    return found


def list_polls(session: Session, principal: Principal, wanted: records.Wanted) -> records.Page[Poll]:
    """Return polls of the caller's organization, which may be narrowed by ``requestor`` (of :data:`REQUESTORS`) too."""
    return records.page(session, principal, Poll, wanted, conditions={"requestor": _requested_by})


def list_tasks(session: Session, principal: Principal, wanted: records.Wanted) -> records.Page[Task]:
    """Return tasks of the caller's organization.

    They may be narrowed by ``user_id``, ``source_id`` and ``session_id`` of their polls, and by ``source_type``, too.
    """
    return records.page(session, principal, Task, wanted, conditions=_OF_POLLS)


def _requested_by(values: Sequence[str]) -> ColumnElement[bool]:
    wanted: ColumnElement[bool] = false()
    if "subscription" in values:
        wanted = wanted | Poll.subscription_id.is_not(None)
    return wanted | Poll.subscription_id.is_(None) if "user" in values else wanted


def _of_polls(column: Any) -> Callable[[Sequence[str]], ColumnElement[bool]]:
    return lambda values: Task.poll_id.in_(select(Poll.id).where(column.in_(values)))


_OF_POLLS: records.Conditions = {
    "user_id": _of_polls(Poll.user_id),
    "source_id": _of_polls(Poll.source_id),
    "session_id": _of_polls(Poll.session_id),
    "source_type": lambda types: Task.poll_id.in_(
        select(Poll.id).join(RemoteSource, RemoteSource.id == Poll.source_id).where(RemoteSource.type.in_(types))
    ),
}


def tasks_of(session: Session, polls: Sequence[Poll]) -> dict[str, list[Task]]:
    """Return the tasks of polls by the ids of these."""
    found: dict[str, list[Task]] = {poll.id: [] for poll in polls}
    for task in session.scalars(select(Task).where(Task.poll_id.in_(found)).order_by(Task.number)):
        found[str(task.poll_id)].append(task)
    return found


def asked_by(session: Session, tasks: Sequence[Task]) -> dict[str | None, tuple[Poll | None, str | None]]:
    """Return the polls of tasks, each with the type of its source, by their ids."""
    query = (
        select(Poll, RemoteSource.type)
        .outerjoin(RemoteSource, RemoteSource.id == Poll.source_id)
        .where(Poll.id.in_({task.poll_id for task in tasks}))
    )
    return {poll.id: (poll, type_) for poll, type_ in session.execute(query)}


def answered(
    session: Session, organization_id: str, poll_id: str | None, task_id: str | None
) -> tuple[Poll | None, Task | None]:
    """Return the poll and the task that a file answers, as far as they are named.

    Raises
    ------
    InvalidInput
        There is none such in the organization.
    """
    poll = task = None
    if task_id is not None:
        task = session.scalar(select(Task).where(Task.id == task_id, Task.organization_id == organization_id))
        if task is None or task.poll_id is None:
            raise InvalidInput.field("task", "There is no such task of a poll.")
        if poll_id not in (None, task.poll_id):
            raise InvalidInput.field("task", "It belongs to another poll.")
        poll_id = task.poll_id
    if poll_id is not None:
        poll = session.scalar(select(Poll).where(Poll.id == poll_id, Poll.organization_id == organization_id))
        if poll is None:
            raise InvalidInput.field("poll", "There is no such poll.")
        if task is None:
            waiting = select(Task).where(Task.poll_id == poll.id, Task.state.in_(OPEN))
            task = session.scalar(waiting.order_by(Task.number).limit(1))
    return poll, task


def tasks_of_work(session: Session, organization_id: str, work_id: str) -> list[Task]:
    """Return the tasks that a work fulfils."""
    query = select(Task).where(Task.organization_id == organization_id, Task.work_id == work_id)
    return list(session.scalars(query.order_by(Task.number).with_for_update()))


def _poll_of(session: Session, task: Task) -> Poll | None:
    if task.poll_id is None:
        return None
    # Two tasks that end at once must not each see the other as open.
    return session.scalar(select(Poll).where(Poll.id == task.poll_id).with_for_update())


def _tell_completed(session: Session, poll: Poll) -> None:
    emit(session, "poll", "completed", poll.id, organization_id=poll.organization_id, data={"key": poll.key_id})


def _emit(session: Session, task: Task, action: str) -> None:
    data = {"key": task.key_id, "poll": task.poll_id, "type": task.type, "error": task.error}
    emit(session, "task", action, task.id, organization_id=task.organization_id, data=data)
