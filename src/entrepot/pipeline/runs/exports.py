"""Exports: series written into an archive in the folder of the user who asked for it."""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.bounds.budget import Budget
from entrepot.db import now
from entrepot.errors import InvalidInput
from entrepot.identity import Principal, limits
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.generators import catalog, publication
from entrepot.series.export import ExportRequest, check_offsets, export
from entrepot.series.models import Series

FOLDER: Final = "series_exports"
#: Archives that a user keeps; older ones make room. Clients read one page of the folder, which holds as many.
KEPT: Final = 200


def user_home(user_id: str) -> str:
    """Return a user's folder, below the data folder."""
    return f"users/{user_id}"


def make_home(home: Home) -> Home:
    """Make the home of an account and return it; a user's has a place for exports."""
    home.make()
    if home.name.startswith(user_home("")) and not gate_files.exists(home, FOLDER):
        with suppress(FileExistsError):
            home.make_folder(FOLDER)
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
            "series": [one.number for one in series],
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
    settings = context.settings
    most = settings.export_max_rows, settings.export_max_bytes, settings.export_max_seconds
    home = make_home(open_home(settings, context.database, user_home(context.job.user_id)))
    with home.scratch() as scratch:
        path = scratch / now().strftime("%Y-%m-%d-%H-%M-%S-%f.zip")

        def write(session: Session) -> tuple[list[Series], int]:
            series = catalog.existing_series(session, payload["series"])
            if not series:
                raise jobs.Refused("The series were deleted.")
            names = catalog.generator_names(session, series)
            sources = [(one, one.generator_kind, names.get(one.generator_id or "", "")) for one in series]
            budget = Budget(*most, "export", context.check)
            return series, export(session, sources, request, path, context.progress, budget)

        series, files = context.database.read_long(write)
        result = {"path": f"{FOLDER}/{path.name}", "files": files}
        _keep(home, path)
        if payload.get("publish") is not None:
            _publish(context, series, path, result)
    return result


def _keep(home: Home, path: Path) -> None:
    """Have an archive, safe on disk, appear among the user's others, of which the oldest make room."""
    copy = path.with_suffix(".kept")
    copy.hardlink_to(path)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    ready = home.prepare(copy)
    with home.alone() as turn:
        turn.put(ready, f"{FOLDER}/{path.name}")
        kept = [entry.path for entry in turn.listed(FOLDER) if entry.name.endswith(".zip") and entry.name != path.name]
        # By its name the new one need not be the newest: the clock may have been set back.
        for old in sorted(kept, reverse=True)[KEPT - 1 :]:
            turn.remove(old)


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
