"""Jobs and the reports of runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import select

from entrepot import jobs
from entrepot.errors import NotFound
from entrepot.identity import Right, projects
from entrepot.jobs import Job as JobRecord
from entrepot.lineage import Run
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import get_generator
from entrepot.server.api.nouns import Asked, InProject, Maker, Page, listed, makers, of_project
from entrepot.server.api.routing import NativeRouter, Unit

_Status = Literal["running", "finished", "refused", "failed", "cancelled", "success", "failure"]

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


class Progress(BaseModel):
    """How far a run is: `done` of `total`, which is 0 where nobody knows yet."""

    done: int
    total: int
    message: str


class RunShown(BaseModel):
    """One time that a feeder, an importer, a cleaner or an analysis did its work, or is to."""

    id: str
    action: str = Field(description="`run`, `clear`, `feed`, `test`, ...")
    of: Maker | None
    project: str | None
    status: str
    progress: Progress | None
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None
    script_sha256: str | None
    report: Annotated[dict[str, Any], Field(description="What the run says of itself to people.")]
    result: Annotated[Any, Field(description="What a trial, a test or an export came to; null until it ended.")]


class IdleRuns(BaseModel):
    """How often a generator, or a feeder, looked since it last left a run, and found nothing; these leave no runs."""

    action: str = Field(description="`run`, or `feed`.")
    of: Maker
    project: str | None
    count: int
    since: datetime = Field(description="When the first of them began.")
    last_started_at: datetime | None
    last_ended_at: datetime
    last_job: str = Field(description="Id of the last one's job.")


class RunRequest(BaseModel):
    """What is to be run."""

    model_config = ConfigDict(extra="forbid")

    again: bool = Field(False, description="Delete what was made, and make all of it anew.")
    from_: AwareDatetime | None = Field(
        None, alias="from", description="Delete what was made from this instant on, and make that anew."
    )


class ClearRequest(BaseModel):
    """What is to be deleted of what was made."""

    model_config = ConfigDict(extra="forbid")

    from_: AwareDatetime | None = Field(None, alias="from", description="From this instant on; null: all of it.")


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
    asked: Asked,
    of: Annotated[str | None, Query(description="Id of what ran.")] = None,
    project: InProject = None,
    status: Annotated[_Status | None, Query(description="A work's run ends as the work does.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Only runs that began then or later.")] = None,
) -> Page[RunShown]:
    """List the runs that have begun, newest first."""
    query = select(Run).where(unit.principal.within(Run))
    for name, value in {**of_project(unit, project), "generator_id": of, "status": status}.items():
        if value is not None:
            query = query.where(getattr(Run, name) == value)
    if since is not None:
        query = query.where(Run.started_at >= since)
    return listed(unit, query, (Run.started_at, Run.id), asked, lambda rows: _shown(unit, rows), newest_first=True)


@router.serve("GET", "/runs/idle", area="series", right="read")
def list_idle_runs(
    unit: Unit,
    asked: Asked,
    of: Annotated[str | None, Query(description="Id of the generator or feeder.")] = None,
    project: InProject = None,
) -> Page[IdleRuns]:
    """List how often generators and feeders looked in vain since their last runs, the latest first."""
    key = jobs.Idle.key
    query = select(jobs.Idle).where(
        unit.principal.within(jobs.Idle), key.startswith("generator:") | key.startswith("feeder:")
    )
    if of is not None:
        query = query.where(key.in_((f"generator:{of}", f"feeder:{of}")))
    if project is not None:
        query = query.where(jobs.Idle.project_id == of_project(unit, project)["project_id"])

    def show(rows: Sequence[jobs.Idle]) -> list[IdleRuns]:
        known = makers(unit, map(_maker_id, rows))
        return [_idle(row, known) for row in rows]

    return listed(unit, query, (jobs.Idle.ended_at, jobs.Idle.id), asked, show, newest_first=True)


@router.serve("GET", "/runs/{run_id}", area="series", right="read")
def get_run(unit: Unit, run_id: str) -> RunShown:
    """Return a run, that waits, runs, or has ended, with its report."""
    return _found(unit, run_id)


@router.serve("GET", "/runs/{run_id}/log", area="series", right="read", response_class=PlainTextResponse)
def get_log(unit: Unit, run_id: str) -> PlainTextResponse:
    """Return what the script of a run printed, as text; empty once the job is forgotten."""
    return PlainTextResponse(_job(unit, run_id, "read").output)


@router.serve("POST", "/runs/{run_id}/cancel", area="series", right="write")
def cancel_run(unit: Unit, run_id: str) -> RunShown:
    """Cancel a run: at once if it waits; if it runs, it is told to stop."""
    jobs.cancel(unit.session, _job(unit, run_id, "write").id)
    return _found(unit, run_id)


def _serve_runs(kinds: str, what: str) -> None:
    @router.serve(
        "POST", f"/{kinds}/{{generator_id}}/runs", area="series", right="write", status=202, name=f"run_{what}"
    )
    def run(unit: Unit, generator_id: str, given: RunRequest) -> RunShown:
        generator = get_generator(unit.session, unit.principal, generator_id, "write", what)
        user, instant = unit.principal.user_id, given.from_
        if given.again or instant is not None:
            from_us = None if instant is None else round(instant.timestamp() * 1_000_000)
            job = actions.start(unit.session, generator, "reset", instant_us=from_us, utc=True, user_id=user)
        else:
            job = actions.start(unit.session, generator, "run", user_id=user)
        return begun(unit, job)

    @router.serve(
        "POST", f"/{kinds}/{{generator_id}}/clear", area="series", right="write", status=202, name=f"clear_{what}"
    )
    def clear(unit: Unit, generator_id: str, given: ClearRequest) -> RunShown:
        generator = get_generator(unit.session, unit.principal, generator_id, "write", what)
        from_us = None if given.from_ is None else round(given.from_.timestamp() * 1_000_000)
        user = unit.principal.user_id
        job = actions.start(unit.session, generator, "clear", instant_us=from_us, utc=True, user_id=user)
        return begun(unit, job)

    run.__doc__ = f"Run {what}: what is new is read, and what follows from it made. With `again`, all is made anew."
    clear.__doc__ = f"Delete the points that {what} made; what was computed from them follows."


for _kinds, _what in (("importers", "importer"), ("cleaners", "cleaner"), ("analyses", "analysis")):
    _serve_runs(_kinds, _what)


def _found(unit: Unit, run_id: str) -> RunShown:
    run = unit.session.scalar(select(Run).where(Run.id == run_id))
    if run is None:
        return begun(unit, _job(unit, run_id, "read"))
    unit.principal.require("read", run.organization_id, "Run", run.project_id)
    return _shown(unit, [run])[0]


def _shown(unit: Unit, runs: Sequence[Run]) -> list[RunShown]:
    ids = [run.id for run in runs]
    kept = {job.id: job for job in unit.session.scalars(select(JobRecord).where(JobRecord.id.in_(ids)))}
    known = makers(unit, (run.generator_id for run in runs))
    return [_told(run, kept.get(run.id), _maker(known, run.generator_kind, run.generator_id)) for run in runs]


def begun(unit: Unit, job: JobRecord) -> RunShown:
    """Return the run that a job is, which has not begun yet."""
    unit.session.flush()
    payload: Any = job.payload or {}
    maker_id = str(payload.get("id", ""))
    return _told(None, job, _maker(makers(unit, [maker_id]), job.kind.partition(".")[0], maker_id))


def _maker(known: Mapping[str, Maker], kind: str, maker_id: str) -> Maker:
    """Return what ran; it may have been deleted since, and a feeder has no name."""
    return Maker(kind=kind, id=maker_id, name=known[maker_id].name if maker_id in known else "")


def _told(run: Run | None, job: JobRecord | None, of: Maker) -> RunShown:
    """Return a run by its record, which lasts, and by its job, which knows more until it is forgotten."""
    told: dict[str, Any] = {"action": "run", "progress": None, "created_at": None, "error": None}
    told |= {"script_sha256": None, "report": {}, "result": None}
    if job is not None:
        told |= {"id": job.id, "project": job.project_id, "action": job.kind.partition(".")[2], "error": job.error}
        told["progress"] = Progress(done=job.progress_done, total=job.progress_total, message=job.progress_message)
        told |= {"created_at": job.created_at, "result": job.result}
    if run is not None:
        told |= {"id": run.id, "project": run.project_id, "status": run.status}
        told |= {"started_at": run.started_at, "ended_at": run.ended_at}
        told |= {"script_sha256": run.script_sha256, "report": run.report or {}}
    if job is not None:
        told |= {"status": job.status, "started_at": job.started_at, "ended_at": job.ended_at}
    return RunShown(of=of, **told)


def _idle(row: jobs.Idle, known: Mapping[str, Maker]) -> IdleRuns:
    kind, _, action = row.kind.partition(".")
    return IdleRuns(
        action=action,
        of=_maker(known, kind, _maker_id(row)),
        project=row.project_id,
        count=row.count,
        since=row.since,
        last_started_at=row.started_at,
        last_ended_at=row.ended_at,
        last_job=row.id,
    )


def _maker_id(row: jobs.Idle) -> str:
    return row.key.partition(":")[2]


def _job(unit: Unit, job_id: str, right: Right) -> jobs.Job:
    job = jobs.get(unit.session, job_id)
    if job.organization_id is None:
        raise NotFound("Job not found.")
    unit.principal.require(right, job.organization_id, "Job", job.project_id)
    return job
