"""Importers: their settings, the files that they know, and scripts that are tried before they count."""

from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from entrepot.errors import InvalidInput
from entrepot.jobs import Job as JobRecord
from entrepot.pipeline import configuration, importers, trials
from entrepot.pipeline.models import ImportedFile, Importer
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.runs import Job

router = NativeRouter(tags=["importers"])


class ImporterShown(BaseModel):
    """An importer and its settings."""

    model_config = ConfigDict(from_attributes=True, title="Importer")

    id: str
    name: str
    comment: str
    project_id: str
    gate_id: str | None
    active: bool
    crontab: str
    root_dir_path: str
    parse_script: str
    file_order: str
    read_changed: bool
    replaces: bool
    clock: str | None
    timezone: str | None
    repeated_hour: str
    plausible_from: datetime | None
    plausible_ahead: str | None
    notify_missing_files_nb: int
    last_run: datetime | None
    last_imported_path: str | None


class ImporterChanges(BaseModel):
    """What is to change of an importer; what is left out stays.

    ``read_changed`` says whether a file that changed under its name is read again, ``replaces`` whether rows that it
    then has no more go, ``file_order`` in which order files are read. ``clock`` and ``timezone`` say what stamps
    without a zone show: instants (``gmt``), the zone's standard time (``tzt``) or its wall clock (``dst``); null leaves
    that to the unit cleaners. ``repeated_hour`` says how to tell of which time around a file is that begins inside an
    hour which the clock showed twice: by what came before it (``order``), by the times of files (``modified``), or,
    where that does not tell, always so (``first``, ``second``); a change has files read again that were guessed. Rows
    with stamps before ``plausible_from``, or further ahead of the present than ``plausible_ahead`` (such as ``31D``),
    are set aside; null sets no bound.
    """

    model_config = ConfigDict(extra="forbid")

    comment: str = ""
    active: bool = False
    crontab: str = ""
    root_dir_path: str = "/"
    parse_script: str = ""
    file_order: Literal["name", "arrival"] = "name"
    read_changed: bool = True
    replaces: bool = False
    clock: Literal["gmt", "tzt", "dst"] | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None
    repeated_hour: Literal["order", "modified", "first", "second"] = "order"
    plausible_from: AwareDatetime | None = None
    plausible_ahead: Annotated[str, Field(max_length=32)] | None = None
    notify_missing_files_nb: Annotated[int, Field(ge=0)] = 0


class KnownFile(BaseModel):
    """A file that an importer has read, and whether another version of it lies on the gate that is not read."""

    path: str
    size: int
    modified: datetime
    sha256: str
    run_id: str
    rows: int
    first: str | None
    last: str | None
    changed: bool


class KnownFiles(BaseModel):
    """A page of files, by path; ``next`` is the path to go on after."""

    items: list[KnownFile]
    next: str | None


class SentFile(BaseModel):
    """A file that is sent along: its path, as the script gets it, and its content in Base64."""

    model_config = ConfigDict(extra="forbid")

    path: str
    content: str


class ImporterTrial(BaseModel):
    """A parse script, and the files on which it is tried: of the gate (``paths``), or sent along (``files``)."""

    model_config = ConfigDict(extra="forbid")

    project_id: str | None = None
    importer_id: str | None = None
    gate_id: str | None = None
    script: str | None = None
    paths: list[str] = []
    files: list[SentFile] = []


class AnalysisTrial(BaseModel):
    """An analysis' script, by default its own, and the window on which it is tried."""

    model_config = ConfigDict(extra="forbid")

    script: str | None = None
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None


@router.serve("GET", "/importers", area="series", right="read")
def list_importers(
    unit: Unit, project_id: str | None = None, name: Annotated[str | None, Query(description="Exact name.")] = None
) -> list[ImporterShown]:
    """List importers by name."""
    equal = {"project_id": project_id, "name": name}
    found = configuration.listed(unit.session, unit.principal, Importer, equal)
    return [ImporterShown.model_validate(importer) for importer in found]


@router.serve("GET", "/importers/{importer_id}", area="series", right="read")
def get_importer(unit: Unit, importer_id: str) -> ImporterShown:
    """Return an importer."""
    return ImporterShown.model_validate(configuration.get(unit.session, unit.principal, Importer, importer_id))


@router.serve("PATCH", "/importers/{importer_id}", area="series", right="write")
def update_importer(unit: Unit, importer_id: str, request_: ImporterChanges) -> ImporterShown:
    """Change an importer; a new script or folder resets what it made."""
    fields = request_.model_dump(exclude_unset=True)
    return ImporterShown.model_validate(importers.update_importer(unit.session, unit.principal, importer_id, fields))


@router.serve("GET", "/importers/{importer_id}/files", area="series", right="read")
def list_importer_files(
    unit: Unit,
    importer_id: str,
    after: Annotated[str | None, Query(description="Only paths after this one.")] = None,
    changed: Annotated[bool, Query(description="Only files that changed and are not read again.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> KnownFiles:
    """List the files that an importer knows, by path."""
    found = importers.list_files(
        unit.session, unit.principal, importer_id, after=after, changed=changed, limit=limit + 1
    )
    page = found[:limit]
    return KnownFiles(items=[_file(row) for row in page], next=page[-1].path if len(found) > limit else None)


@router.serve("POST", "/importers/try", area="series", right="write", status=201)
def try_importer(unit: Unit, request_: ImporterTrial) -> Job:
    """Try a parse script on files; nothing is written, and the job's result says what it makes of each."""
    fields = request_.model_dump()
    return _job(unit, trials.start_importer_trial(unit.session, unit.principal, unit.services.settings, **fields))


@router.serve("POST", "/analyses/{analysis_id}/try", area="series", right="write", status=201)
def try_analysis(unit: Unit, analysis_id: str, request_: AnalysisTrial) -> Job:
    """Try an analysis' script on a window of its inputs; nothing is written, and the job's result says what comes."""
    start, end = (None if at is None else round(at.timestamp() * 1_000_000) for at in (request_.start, request_.end))
    if start is not None and end is not None and start >= end:
        raise InvalidInput.field("end", "This is not after the start.")
    job = trials.start_analysis_trial(
        unit.session, unit.principal, analysis_id, script=request_.script, start=start, end=end
    )
    return _job(unit, job)


def _job(unit: Unit, job: JobRecord) -> Job:
    unit.session.flush()
    return Job.model_validate(job)


def _file(row: ImportedFile) -> KnownFile:
    ends: dict[str, Any] = {
        name: None if at is None else np.datetime_as_string(np.datetime64(at, "us"), unit="auto").item()
        for name, at in (("first", row.first), ("last", row.last))
    }
    return KnownFile(
        path=row.path,
        size=row.size,
        modified=row.modified,
        sha256=row.sha256,
        run_id=row.run_id,
        rows=row.rows,
        changed=row.changed_size is not None,
        **ends,
    )
