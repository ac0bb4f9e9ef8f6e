"""Jobs and the reports of runs."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from entrepot import jobs
from entrepot.errors import NotFound
from entrepot.identity import Right, projects
from entrepot.lineage import Run
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["runs"])


class Job(BaseModel):
    """A job, its progress and how it ended."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str
    status: str
    project_id: str | None
    attempt: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress_done: int
    progress_total: int
    progress_message: str
    output: str
    error: str | None
    result: Any


class RunReport(BaseModel):
    """A run of an importer, a cleaner or an analysis, with its report."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    generator_kind: str
    generator_id: str
    project_id: str | None
    script_sha256: str | None
    started: datetime
    ended: datetime | None
    status: str
    report: dict[str, Any]


@router.serve("GET", "/jobs/{job_id}", area="series", right="read")
def get_job(unit: Unit, job_id: str) -> Job:
    """Return a job."""
    return Job.model_validate(_job(unit, job_id, "read"))


@router.serve("POST", "/jobs/{job_id}/cancel", area="series", right="write")
def cancel_job(unit: Unit, job_id: str) -> Job:
    """Cancel a job: at once if it waits; if it runs, it is told to stop."""
    return Job.model_validate(jobs.cancel(unit.session, _job(unit, job_id, "write").id))


class CancelRequest(BaseModel):
    """Which jobs of a project are to be cancelled."""

    model_config = ConfigDict(extra="forbid")

    kind: str | None = Field(None, max_length=100, description="Such as `importer.run`, or `importer`; null: all.")
    waiting_only: bool = Field(False, description="Let those go on that run.")


class Cancelled(BaseModel):
    """How many jobs were cancelled."""

    model_config = ConfigDict(from_attributes=True)

    waiting: int = Field(description="That waited: they are cancelled.")
    running: int = Field(description="That run: they are told to stop.")
    more: bool = Field(description="Whether more are left that wait: ask again.")


@router.serve("POST", "/projects/{project_id}/jobs/cancel", area="series", right="write")
def cancel_jobs(unit: Unit, project_id: str, request_: CancelRequest) -> Cancelled:
    """Cancel the jobs of a project: at once those that wait; those that run are told to stop."""
    project = projects.get_project(unit.session, unit.principal, project_id, "write")
    done = jobs.cancel_all(
        unit.session, project.organization_id, project.id, kind=request_.kind, running=not request_.waiting_only
    )
    return Cancelled.model_validate(done)


@router.serve("GET", "/runs", area="series", right="read")
def list_runs(
    unit: Unit,
    generator_id: str | None = None,
    project_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> list[RunReport]:
    """List runs and their reports, newest first."""
    query = select(Run).where(unit.principal.within(Run))
    if generator_id is not None:
        query = query.where(Run.generator_id == generator_id)
    if project_id is not None:
        query = query.where(Run.project_id == project_id)
    query = query.order_by(Run.started.desc(), Run.id).offset(offset).limit(limit)
    return [RunReport.model_validate(run) for run in unit.session.scalars(query)]


class IdleRuns(BaseModel):
    """How often a generator, or a feeder, looked since it last left a run, and found nothing; these leave no runs."""

    kind: str = Field(description="Such as `importer.run`, or `feeder.feed`.")
    generator_id: str
    project_id: str | None
    count: int
    since: datetime = Field(description="When the first of them began.")
    last_started: datetime | None
    last_ended: datetime
    last_job_id: str


class IdleRunsPage(BaseModel):
    """Some of them; `next` is the `after` of those that follow, null at the end."""

    items: list[IdleRuns]
    next: int | None


@router.serve("GET", "/runs/idle", area="series", right="read")
def list_idle_runs(
    unit: Unit,
    generator_id: str | None = None,
    project_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    after: Annotated[int | None, Query(ge=1, le=2**62, description="`next` of the answer before.")] = None,
) -> IdleRunsPage:
    """List how often generators and feeders looked in vain since their last runs, the latest first."""
    key = jobs.Idle.key
    where = [unit.principal.within(jobs.Idle), key.startswith("generator:") | key.startswith("feeder:")]
    if generator_id is not None:
        where.append(key.in_((f"generator:{generator_id}", f"feeder:{generator_id}")))
    if project_id is not None:
        where.append(jobs.Idle.project_id == project_id)
    if after is not None:
        where.append(jobs.Idle.number < after)
    found = jobs.idle.list_(unit.session, *where, limit=limit)
    items = [
        IdleRuns(
            kind=one.kind,
            generator_id=one.key.partition(":")[2],
            project_id=one.project_id,
            count=one.count,
            since=one.since,
            last_started=one.started_at,
            last_ended=one.ended_at,
            last_job_id=one.id,
        )
        for one in found
    ]
    return IdleRunsPage(items=items, next=found[-1].number if len(found) == limit else None)


def _job(unit: Unit, job_id: str, right: Right) -> jobs.Job:
    job = jobs.get(unit.session, job_id)
    if job.organization_id is None:
        raise NotFound("Job not found.")
    unit.principal.require(right, job.organization_id, "Job", job.project_id)
    return job
