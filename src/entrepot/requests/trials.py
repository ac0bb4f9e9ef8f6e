"""Tests of configurations: a task, done by a job, whose end says whether the configuration is valid."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.events import delivery, emit
from entrepot.events.models import Delivery, Webhook
from entrepot.events.styles import STYLES
from entrepot.identity import Vault
from entrepot.requests import polls
from entrepot.requests.models import Task

WEBHOOK = "webhook_config.test"


def begin(session: Session, kind: str, organization_id: str, config_id: str, key_id: str | None) -> Task:
    """Have a configuration tested by a kind of job, which gets the task's id; return the task that is done then."""
    task = polls.create_task(session, organization_id, kind, config_id=config_id, key_id=key_id)
    jobs.enqueue(session, kind, {"task": task.id}, organization_id=organization_id, key=f"test:{config_id}")
    return task


def state_of(session: Session, task_id: str) -> str:
    """Return how far a test is."""
    return session.scalars(select(Task.state).where(Task.id == task_id)).one()


def begin_webhook(session: Session, webhook: Webhook, key_id: str | None = None) -> Task:
    """Have a webhook tested."""
    return begin(session, WEBHOOK, webhook.organization_id, webhook.id, key_id)


@jobs.task(WEBHOOK, pool="deliveries", calls_out=True)
def test_webhook(context: jobs.JobContext) -> None:
    """Try a webhook out: post a test event, once."""
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
        message = STYLES[webhook.style].compose(session, webhook.url, event, row)
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
        polls.end_task(session, session.scalars(select(Task).where(Task.id == task.id)).one(), outcome.error)


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
