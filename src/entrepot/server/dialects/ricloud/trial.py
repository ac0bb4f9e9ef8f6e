"""Tests of configurations: a task, done by a job, whose end says whether the configuration is valid."""

import asyncio
import time
from typing import Any

from anyio.to_thread import run_sync
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from entrepot import jobs
from entrepot.db import now
from entrepot.events import delivery, emit
from entrepot.events.models import Delivery, Webhook
from entrepot.events.webhooks import get_webhook
from entrepot.files import polls, storage
from entrepot.files.configs import get_config, open_config
from entrepot.files.models import StorageConfig, Task
from entrepot.identity import Principal, Vault
from entrepot.server.dialects.ricloud import events, render
from entrepot.server.endpoint import Json, read_body
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint

STORAGE, WEBHOOK = "storage_config.test", "webhook_config.test"
_LONGEST_WAIT = 10.0
_POLL_SECONDS = 0.05


def begin(session: Session, type_: str, config: StorageConfig | Webhook, key_id: str | None) -> Task:
    """Have a configuration tested."""
    task = polls.create_task(session, config.organization_id, type_, config_id=config.id, key_id=key_id)
    jobs.enqueue(
        session,
        type_,
        {"task": task.id},
        organization_id=config.organization_id,
        key=f"test:{config.id}",
    )
    return task


@jobs.task(STORAGE)
def test_storage(context: jobs.JobContext) -> None:
    """Try a storage config out: write, read back, a range, sign, delete."""
    task, config = _subject(context, StorageConfig)
    if task is None or config is None:
        return
    vault: Vault = context.services["vault"]
    try:
        steps = storage.test(open_config(context.settings, vault, config))
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being opened is the answer
        steps = {"open": str(error)[:300]}
    failed = "; ".join(f"{name}: {problem}" for name, problem in steps.items() if problem)
    with context.unit() as session:
        current = session.scalars(select(StorageConfig).where(StorageConfig.id == config.id)).one()
        current.tested = steps
        # Changed or taken out of use since: what was tested is no longer what is there.
        if current.url == config.url and current.state != "deactivated" and not current.own:
            current.state = "invalid" if failed else "valid"
        _end(session, task, failed or None)


@jobs.task(WEBHOOK)
def test_webhook(context: jobs.JobContext) -> None:
    """Try a webhook config out: post a test event, once."""
    task, webhook = _subject(context, Webhook)
    if task is None or webhook is None:
        return
    vault: Vault = context.services["vault"]
    with context.unit() as session:
        event = emit(session, "webhook_config", "test", webhook.id, organization_id=webhook.organization_id)
        session.flush()
        row = Delivery(webhook_id=webhook.id, event_position=event.position, object_key=f"test:{event.id}")
        row.next_at = now()
        # Failed until it went well: nobody but this job tries it.
        row.state = "failed"
        session.add(row)
        session.flush()
        message = events.compose(session, webhook.url, event, None)
    with delivery.open_client(context.settings) as client:
        outcome = delivery.send(client, webhook.style, vault.decrypt(webhook.secret_encrypted), message)
    with context.unit() as session:
        stored = session.get_one(Delivery, row.number)
        stored.attempts, stored.log = 1, [outcome.entry()]
        if outcome.error is None:
            stored.state, stored.delivered = "delivered", now()
        current = session.scalars(select(Webhook).where(Webhook.id == webhook.id)).one()
        if current.url == webhook.url and current.state != "deactivated":
            current.state = "valid" if outcome.error is None else "invalid"
        _end(session, task, outcome.error)


def _subject(context: jobs.JobContext, model: Any) -> tuple[Task | None, Any]:
    """Begin a task, and return it with the configuration; None and nothing when either is gone."""
    payload: dict[str, str] = context.job.payload or {}
    with context.unit() as session:
        task = session.scalar(select(Task).where(Task.id == payload["task"]))
        config = session.scalar(select(model).where(model.id == task.config_id)) if task else None
        if task is not None:
            polls.start_task(session, task)
            if config is None:
                polls.end_task(session, task, "The configuration was deleted.")
        return task, config


def _end(session: Session, task: Task, error: str | None) -> None:
    polls.end_task(session, session.scalars(select(Task).where(Task.id == task.id)).one(), error)


async def _test(request: Request, principal: Principal, type_: str, get: Any) -> Response:
    services: Services = request.app.state.services
    await read_body(request, services.settings.max_body_bytes)

    def start() -> str:
        with services.database.write() as session:
            config = get(session, principal, request.path_params["id"], "admin")
            return begin(session, type_, config, principal.key_id).id

    def look() -> Task:
        with services.database.read() as session:
            return session.scalars(select(Task).where(Task.id == task_id)).one()

    task_id = await run_sync(start)
    until = time.monotonic() + await_seconds(request)
    while True:
        task = await run_sync(look)
        if task.state not in polls.OPEN or time.monotonic() >= until:
            return Json(render.task(task))
        await asyncio.sleep(_POLL_SECONDS)


def await_seconds(request: Request) -> float:
    """Return how long the caller wants to wait: what cannot be read is no wait."""
    try:
        seconds = float(request.headers.get("ricloud-await", "0")[:20])
    except ValueError:
        return 0.0
    return min(seconds, _LONGEST_WAIT) if seconds > 0 else 0.0


async def _storage(request: Request, principal: Principal) -> Response:
    return await _test(request, principal, STORAGE, get_config)


async def _webhook(request: Request, principal: Principal) -> Response:
    return await _test(request, principal, WEBHOOK, get_webhook)


ENDPOINTS = [
    StreamEndpoint("POST", "/configs/storage/{id}/test", _storage, "files", "admin"),
    StreamEndpoint("POST", "/configs/webhook/{id}/test", _webhook, "events", "admin"),
]
