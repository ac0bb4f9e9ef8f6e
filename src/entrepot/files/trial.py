"""Tests of storage configs: a task, done by a job, whose end says whether the config is valid and which step failed."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.files import storage
from entrepot.files.configs import open_config
from entrepot.files.models import StorageConfig
from entrepot.requests import polls, trials
from entrepot.requests.models import Task

KIND = "storage_config.test"


def begin(session: Session, config: StorageConfig, key_id: str | None = None) -> Task:
    """Have a storage config tested, and return the task that is done then."""
    return trials.begin(session, KIND, config.organization_id, config.id, key_id)


@jobs.task(KIND, pool="deliveries", calls_out=True)
def run(context: jobs.JobContext) -> None:
    """Try a storage config out: write, read back, a range, sign, delete."""
    payload: dict[str, str] = context.job.payload or {}
    with context.unit() as session:
        task = session.scalar(select(Task).where(Task.id == payload["task"]))
        if task is None:
            return
        polls.start_task(session, task)
        config = session.scalar(select(StorageConfig).where(StorageConfig.id == task.config_id))
        if config is None:
            polls.end_task(session, task, "The configuration was deleted.")
            return
    settings = context.settings
    try:
        opened = open_config(settings, context.services["vault"], config)
        steps = storage.try_out(opened, settings.webhook_allowed_networks)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being opened is the answer
        steps = {"open": str(error)[:300]}
    failed = "; ".join(f"{name}: {problem}" for name, problem in steps.items() if problem)
    with context.unit() as session:
        current = session.scalars(select(StorageConfig).where(StorageConfig.id == config.id)).one()
        current.tested = steps
        # Changed or taken out of use since: what was tested is no longer what is there.
        if current.url == config.url and current.state != "deactivated" and not current.own:
            current.state = "invalid" if failed else "valid"
        polls.end_task(session, session.scalars(select(Task).where(Task.id == task.id)).one(), failed or None)
