"""Tests of storages and webhooks: a step, done by a job, whose end says whether what it tests is valid."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.events import delivery, emit
from entrepot.events.models import Delivery, Webhook
from entrepot.events.styles import STYLES
from entrepot.identity import Vault
from entrepot.requests import requested
from entrepot.requests.models import RequestStep

WEBHOOK = "webhook.test"


def begin(session: Session, kind: str, organization_id: str, target_id: str, key_id: str | None) -> RequestStep:
    """Have a storage or a webhook tested by a kind of job, and return the step that is done then."""
    step = requested.create_step(session, organization_id, kind, target_id=target_id, key_id=key_id)
    jobs.enqueue(session, kind, {"step": step.id}, organization_id=organization_id, key=f"test:{target_id}")
    return step


def status_of(session: Session, step_id: str) -> str:
    """Return how far a test is."""
    return session.scalars(select(RequestStep.status).where(RequestStep.id == step_id)).one()


def begin_webhook(session: Session, webhook: Webhook, key_id: str | None = None) -> RequestStep:
    """Have a webhook tested."""
    return begin(session, WEBHOOK, webhook.organization_id, webhook.id, key_id)


@jobs.task(WEBHOOK, pool="deliveries", calls_out=True)
def test_webhook(context: jobs.JobContext) -> None:
    """Try a webhook out: post a test event, once."""
    step, webhook = _subject(context)
    if step is None or webhook is None:
        return
    vault: Vault = context.services["vault"]
    with context.unit() as session:
        event = emit(session, "webhook", "test", webhook.id, organization_id=webhook.organization_id)
        session.flush()
        row = Delivery(webhook_id=webhook.id, event_number=event.number, object_key=f"test:{event.id}")
        row.next_at = now()
        # Failed until it went well: nobody but this job tries it.
        row.status = "failed"
        session.add(row)
        session.flush()
        message = STYLES[webhook.style].compose(session, webhook.url, event, row)
    with delivery.open_client(context.settings) as client:
        outcome = delivery.send(client, webhook.style, [vault.decrypt(webhook.secret_encrypted)], message)
    with context.unit() as session:
        stored = session.get_one(Delivery, row.number)
        stored.attempts, stored.log = 1, delivery.logged((), outcome)
        if outcome.error is None:
            stored.status, stored.delivered_at = "delivered", now()
        current = session.scalars(select(Webhook).where(Webhook.id == webhook.id)).one()
        if current.url == webhook.url and current.status != "deactivated":
            current.status = "valid" if outcome.error is None else "invalid"
        requested.end_step(
            session, session.scalars(select(RequestStep).where(RequestStep.id == step.id)).one(), outcome.error
        )


def _subject(context: jobs.JobContext) -> tuple[RequestStep | None, Webhook | None]:
    """Begin a step, and return it with the webhook; None and nothing when either is gone."""
    payload: dict[str, str] = context.job.payload or {}
    with context.unit() as session:
        step = session.scalar(select(RequestStep).where(RequestStep.id == payload["step"]))
        webhook = session.scalar(select(Webhook).where(Webhook.id == step.target_id)) if step else None
        if step is not None:
            requested.start_step(session, step)
            if webhook is None:
                requested.end_step(session, step, "The webhook was deleted.")
        return step, webhook
