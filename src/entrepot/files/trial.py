"""Tests of storages: a step, done by a job, whose end says whether the storage is valid and what of it failed."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.files import stores
from entrepot.files.models import Storage
from entrepot.files.storages import open_storage
from entrepot.requests import requested, trials
from entrepot.requests.models import RequestStep

KIND = "storage.test"


def begin(session: Session, storage: Storage, key_id: str | None = None) -> RequestStep:
    """Have a storage tested, and return the step that is done then."""
    return trials.begin(session, KIND, storage.organization_id, storage.id, key_id)


@jobs.task(KIND, pool="deliveries", calls_out=True)
def run(context: jobs.JobContext) -> None:
    """Try a storage out: write, read back, a range, sign, delete."""
    payload: dict[str, str] = context.job.payload or {}
    with context.unit() as session:
        step = session.scalar(select(RequestStep).where(RequestStep.id == payload["step"]))
        if step is None:
            return
        requested.start_step(session, step)
        storage = session.scalar(select(Storage).where(Storage.id == step.target_id))
        if storage is None:
            requested.end_step(session, step, "The storage was deleted.")
            return
    settings = context.settings
    try:
        opened = open_storage(settings, context.services["vault"], storage)
        steps = stores.try_out(opened, settings.webhook_allowed_networks)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being opened is the answer
        steps = {"open": str(error)[:300]}
    failed = "; ".join(f"{name}: {problem}" for name, problem in steps.items() if problem)
    with context.unit() as session:
        current = session.scalars(select(Storage).where(Storage.id == storage.id)).one()
        current.tested = steps
        # Changed or taken out of use since: what was tested is no longer what is there.
        if current.url == storage.url and current.status != "deactivated" and not current.own:
            current.status = "invalid" if failed else "valid"
        requested.end_step(
            session, session.scalars(select(RequestStep).where(RequestStep.id == step.id)).one(), failed or None
        )
