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
from entrepot.files import polls, trial
from entrepot.files.configs import get_config
from entrepot.files.models import StorageConfig, Task
from entrepot.identity import Principal, Vault
from entrepot.server.dialects.ricloud import events, render
from entrepot.server.endpoint import Json
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint, Waiting

STORAGE, WEBHOOK = trial.KIND, "webhook_config.test"
_LONGEST_WAIT = 10.0
_POLL_SECONDS = 0.05


def begin(session: Session, type_: str, config: StorageConfig | Webhook, key_id: str | None) -> Task:
    """Have a configuration tested."""
    return trial.enqueue(session, type_, config.organization_id, config.id, key_id)


@jobs.task(WEBHOOK, pool="deliveries")
def test_webhook(context: jobs.JobContext) -> None:
    """Try a webhook config out: post a test event, once."""
    task, webhook = _subject(context)
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
        outcome = delivery.send(client, webhook.style, [vault.decrypt(webhook.secret_encrypted)], message)
    with context.unit() as session:
        stored = session.get_one(Delivery, row.number)
        stored.attempts, stored.log = 1, [outcome.entry()]
        if outcome.error is None:
            stored.state, stored.delivered = "delivered", now()
        current = session.scalars(select(Webhook).where(Webhook.id == webhook.id)).one()
        if current.url == webhook.url and current.state != "deactivated":
            current.state = "valid" if outcome.error is None else "invalid"
        _end(session, task, outcome.error)


def _subject(context: jobs.JobContext) -> tuple[Task | None, Webhook | None]:
    """Begin a task, and return it with the webhook; None and nothing when either is gone."""
    payload: dict[str, str] = context.job.payload or {}
    with context.unit() as session:
        task = session.scalar(select(Task).where(Task.id == payload["task"]))
        webhook = session.scalar(select(Webhook).where(Webhook.id == task.config_id)) if task else None
        if task is not None:
            polls.start_task(session, task)
            if webhook is None:
                polls.end_task(session, task, "The configuration was deleted.")
        return task, webhook


def _end(session: Session, task: Task, error: str | None) -> None:
    polls.end_task(session, session.scalars(select(Task).where(Task.id == task.id)).one(), error)


async def _test(request: Request, principal: Principal, type_: str, get: Any) -> Response:
    services: Services = request.app.state.services

    def start() -> str:
        with services.database.write() as session:
            config = get(session, principal, request.path_params["id"], "admin")
            return begin(session, type_, config, principal.key_id).id

    def look() -> Task:
        with services.database.read() as session:
            return session.scalars(select(Task).where(Task.id == task_id)).one()

    waiting: Waiting = request.app.state.waiting
    with waiting.one(principal):
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
