"""Polls and their tasks: requests for data, and the steps that fulfil them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.db import new_id, now
from entrepot.errors import NotFound
from entrepot.events import emit
from entrepot.files.models import Poll, Task
from entrepot.identity import Principal, Right

OPEN = ("pending", "processing")


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
    task = Task(id=new_id(), type="poll.fetch", poll_id=poll.id, state="succeeded", **done)
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
    poll = session.scalar(select(Poll).where(Poll.id == poll_id))
    if poll is None:
        raise NotFound("Poll not found.")
    principal.require(right, poll.organization_id, "Poll")
    return poll


def get_task(session: Session, principal: Principal, task_id: str, right: Right = "read") -> Task:
    """Return a task of the caller's organizations."""
    task = session.scalar(select(Task).where(Task.id == task_id))
    if task is None:
        raise NotFound("Task not found.")
    principal.require(right, task.organization_id, "Task")
    return task


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
