"""Exports: series written into an archive in the folder of the user who asked for it."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.bounds.budget import Budget
from entrepot.db import now
from entrepot.errors import InvalidInput
from entrepot.identity import Principal, limits
from entrepot.pipeline.gates import folders
from entrepot.pipeline.generators import catalog, publication
from entrepot.series.export import ExportRequest, check_offsets, export
from entrepot.series.models import Series

FOLDER: Final = "series_exports"
#: Archives that a user keeps; older ones make room. Clients read one page of the folder, which holds as many.
KEPT: Final = 200


def user_home(user_id: str) -> str:
    """Return a user's folder, below the data folder."""
    return f"users/{user_id}"


def make_home(home: Path) -> Path:
    """Make the folder of an account and return it; a user's has a place for exports."""
    (home / FOLDER if home.parent.name == "users" else home).mkdir(parents=True, exist_ok=True)
    return home


def start(
    session: Session, principal: Principal, series: list[Series], options: Mapping[str, Any], publish: Any = None
) -> jobs.Job:
    """Have series exported for the caller and return the job that does it.

    Parameters
    ----------
    series
        The series, whose rights were checked.
    options
        Those of :class:`~entrepot.series.export.ExportRequest` that differ from its defaults.
    publish
        What is said of the archive as a published file (:func:`.publication.check_request`); None: it is none.

    Raises
    ------
    InvalidInput
        Names the option at fault.
    """
    if not series:
        raise InvalidInput.field("series", "There is no series to export.")
    check_offsets(series, ExportRequest(**options))
    written = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in options.items()}
    projects = {one.project_id for one in series}
    project_id = projects.pop() if len(projects) == 1 else None
    if principal.bound and project_id is None:
        raise InvalidInput.field("series", "A key that is bound to projects exports series of one project at a time.")
    organization_id = series[0].organization_id
    if publish is not None:
        if any(one.organization_id != organization_id for one in series):
            raise InvalidInput.field("publish", "The series belong to several organizations.")
        publish = publication.check_request(session, principal, organization_id, project_id, publish)
    job = jobs.enqueue(
        session,
        "series.export",
        {
            "series": [one.pk for one in series],
            "options": written,
            "publish": publish,
            "key": principal.key_id,
        },
        organization_id=organization_id,
        project_id=project_id,
        user_id=principal.user_id,
        # A user's exports take turns: clients take the newest archive for the one that they asked for last.
        key=f"export:{principal.user_id}",
    )
    limits.grown(session, organization_id, "jobs", 1)
    return job


@jobs.task("series.export", pool="exports")
def run(context: jobs.JobContext) -> dict[str, Any]:
    """Write the archive; it is complete and listed before the job ends."""
    payload: Any = context.job.payload
    options = payload["options"]
    times = {name: datetime.fromisoformat(options[name]) for name in ("start", "end") if name in options}
    request = ExportRequest(**{**options, **times})
    assert context.job.user_id is not None
    folder = make_home(context.settings.data_dir / user_home(context.job.user_id)) / FOLDER

    settings = context.settings
    budget = Budget(
        settings.export_max_rows, settings.export_max_bytes, settings.export_max_seconds, "export", context.check
    )
    with context.database.read() as session:
        series = catalog.existing_series(session, payload["series"])
        if not series:
            raise jobs.Refused("The series were deleted.")
        names = catalog.generator_names(session, series)
        sources = [(one, one.generator_kind, names.get(one.generator_id or "", "")) for one in series]
        path = folder / now().strftime("%Y-%m-%d-%H-%M-%S-%f.zip")
        with folders.replacing(path) as file:
            files = export(session, sources, request, Path(file.name), context.progress, budget)
    for old in sorted(folder.glob("*.zip"), reverse=True)[KEPT:]:
        old.unlink(missing_ok=True)
    result = {"path": f"{FOLDER}/{path.name}", "files": files}
    if payload.get("publish") is not None:
        _publish(context, series, path, result)
    return result


def _publish(context: jobs.JobContext, series: list[Series], path: Path, result: dict[str, Any]) -> None:
    payload: Any = context.job.payload
    fields = {"name": path.name, "identifier": "series.export", "type": "zip", **payload["publish"]}
    with publication.storing(context, path, fields, payload["key"]) as stored, context.unit() as session:
        run_id, organization_id = context.job.id, stored.file.organization_id
        lineage.begin_run(
            session,
            run_id,
            "export",
            "direct",
            organization_id=organization_id,
            project_id=context.job.project_id,
            user_id=context.job.user_id,
        )
        for one in series:
            lineage.read(session, run_id, "series", one.id)
        result["file"] = stored.record(session, run_id).id
        lineage.end_run(session, run_id, "finished", result)
        context.finish(session, result)
