"""Importers: their settings, the files that they know, and scripts that are tried before they count."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import numpy as np
from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from entrepot.errors import InvalidInput
from entrepot.identity import projects
from entrepot.pipeline import configuration
from entrepot.pipeline.importing import configuration as importers
from entrepot.pipeline.models import Gate, ImportedFile, Importer
from entrepot.pipeline.runs import trials
from entrepot.server.api.importer_models import ImporterChanges, ImporterRequest, ImporterShown
from entrepot.server.api.nouns import (
    Asked,
    InProject,
    Kept,
    Named,
    Noun,
    Page,
    Script,
    Sought,
    column,
    listed,
    microseconds,
    named_page,
    of_project,
    project_names,
    resolve,
    to_change,
)
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.runs import RunShown, begun
from entrepot.server.api.versions import VersionShown, listed_versions

router = NativeRouter(tags=["importers"])


def _stamp(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return str(np.datetime_as_string(np.datetime64(microseconds, "us"), unit="auto"))


class KnownFile(Noun):
    """A file that an importer has read, and whether another version of it lies on the gate that is not read."""

    path: str
    size: int
    modified_at: datetime
    sha256: str
    run: Annotated[str, column("run_id"), Field(description="Id of the run that read it.")]
    rows: int
    first: Annotated[str | None, Kept(("first",), _stamp), Field(description="The first stamp, as delivered.")]
    last: Annotated[str | None, Kept(("last",), _stamp), Field(description="The last stamp, as delivered.")]
    changed: Annotated[bool, Kept(("changed_size",), lambda size: size is not None)]


class SentFile(BaseModel):
    """A file that is sent along: its path, as the script gets it, and its content in Base64."""

    model_config = ConfigDict(extra="forbid")

    path: str
    content: str


class ImporterTrial(Noun):
    """A parse script, and the files on which it is tried: of the gate (``paths``), or sent along (``files``)."""

    project: Annotated[str | None, column("project_id"), Field(description="Id or name; or else the importer's.")] = (
        None
    )
    importer: Annotated[
        str | None, column("importer_id"), Field(description="Id or name of the importer that it is meant for.")
    ] = None
    gate: Annotated[
        str | None, column("gate_id"), Field(description="Id or name of the gate of `paths`; or else the importer's.")
    ] = None
    script: Annotated[Script | None, Field(description="By default, the importer's.")] = None
    paths: list[str] = Field(default_factory=list)
    files: list[SentFile] = Field(default_factory=list)


class AnalysisTrial(BaseModel):
    """An analysis' script, by default its own, and the window on which it is tried."""

    model_config = ConfigDict(extra="forbid")

    script: Script | None = None
    from_: AwareDatetime | None = Field(
        None, alias="from", description="By default, the last hundred steps that can be computed are tried."
    )
    to: AwareDatetime | None = None


@router.serve("GET", "/importers", area="series", right="read")
def list_importers(
    unit: Unit,
    asked: Sought,
    project: InProject = None,
    gate: Annotated[str | None, Query(description="Id or name of the gate.")] = None,
    name: Named = None,
) -> Page[ImporterShown]:
    """List importers by name."""
    where = of_project(unit, project)
    if gate is not None:
        where["gate_id"] = resolve(unit.session, unit.principal, Gate, gate, "gate", where.get("project_id")).id
    return named_page(unit, Importer, where | {"name": name}, asked, lambda rows: _shown_all(unit, rows), Importer.gate)


@router.serve("POST", "/importers", area="series", right="write", status=201)
def create_importer(unit: Unit, given: ImporterRequest) -> ImporterShown:
    """Create an importer; its channels say what becomes of the series that it makes."""
    project = projects.find_project(unit.session, unit.principal, given.project, "write")
    fields = {**given.kept(), "project": project.id, "gate": _gate(unit, given.gate, project.id)}
    with ImporterRequest.naming():
        return _shown(unit, importers.create_importer(unit.session, unit.principal, fields))


@router.serve("GET", "/importers/{importer_id}", area="series", right="read")
def get_importer(unit: Unit, importer_id: str) -> ImporterShown:
    """Return an importer."""
    return _shown(unit, configuration.get(unit.session, unit.principal, Importer, importer_id))


@router.serve("PATCH", "/importers/{importer_id}", area="series", right="write")
def change_importer(unit: Unit, importer_id: str, given: ImporterChanges) -> ImporterShown:
    """Change an importer; with another script, gate or folder, what it made is made anew, as far as `again` says."""
    importer = to_change(unit, Importer, importer_id)
    fields = given.kept()
    if "gate" in given.model_fields_set:
        fields["gate"] = _gate(unit, given.gate, importer.project_id)
    again = importers.Again(given.again, microseconds(given.again_from))
    with ImporterChanges.naming():
        return _shown(unit, importers.update_importer(unit.session, unit.principal, importer_id, fields, again))


@router.serve("DELETE", "/importers/{importer_id}", area="series", right="write", status=204)
def delete_importer(unit: Unit, importer_id: str) -> None:
    """Delete an importer with its channels and all their series."""
    to_change(unit, Importer, importer_id)
    importers.delete_importer(unit.session, unit.principal, importer_id)


@router.serve("GET", "/importers/{importer_id}/files", area="series", right="read")
def list_importer_files(
    unit: Unit,
    importer_id: str,
    asked: Asked,
    changed: Annotated[bool, Query(description="Only files that changed and are not read again.")] = False,
) -> Page[KnownFile]:
    """List the files that an importer knows, by path."""
    query = importers.known_files(unit.session, unit.principal, importer_id, changed=changed)
    return listed(unit, query, (ImportedFile.path,), asked, lambda rows: map(KnownFile.showing, rows))


@router.serve("GET", "/importers/{importer_id}/versions", area="series", right="read")
def list_importer_versions(unit: Unit, importer_id: str, asked: Asked) -> Page[VersionShown]:
    """List the scripts that an importer had, the newest first."""
    return listed_versions(unit, importer_id, Importer.kind, asked)


@router.serve("POST", "/importers/try", area="series", right="write", status=202, body="large")
def try_importer(unit: Unit, request_: ImporterTrial) -> RunShown:
    """Try a parse script on files; nothing is written, and the run's `result` says what it makes of each."""
    session, principal, settings = unit.session, unit.principal, unit.services.settings
    project, importer, gate = of_project(unit, request_.project).get("project_id"), request_.importer, request_.gate
    named: dict[str, Any] = {
        "project_id": project,
        "importer_id": importer and resolve(session, principal, Importer, importer, "importer", project).id,
        "gate_id": gate and resolve(session, principal, Gate, gate, "gate", project).id,
    }
    tried = request_.model_dump(include={"script", "paths", "files"})
    with ImporterTrial.naming():
        return begun(unit, trials.start_importer_trial(session, principal, settings, **named, **tried))


@router.serve("POST", "/analyses/{analysis_id}/try", area="series", right="write", status=202, body="large")
def try_analysis(unit: Unit, analysis_id: str, request_: AnalysisTrial) -> RunShown:
    """Try an analysis' script on a window of its inputs; nothing is written; the run's `result` says what comes."""
    start, end = map(microseconds, (request_.from_, request_.to))
    if start is not None and end is not None and start >= end:
        raise InvalidInput.field("to", "This is not after `from`.")
    job = trials.start_analysis_trial(
        unit.session, unit.principal, analysis_id, script=request_.script, start=start, end=end
    )
    return begun(unit, job)


def _shown_all(unit: Unit, rows: Sequence[Importer]) -> list[ImporterShown]:
    names = project_names(unit, rows)
    return [ImporterShown.shown(importer, names[importer.project_id]) for importer in rows]


def _shown(unit: Unit, importer: Importer) -> ImporterShown:
    return _shown_all(unit, [importer])[0]


def _gate(unit: Unit, text: str | None, project_id: str) -> str | None:
    return None if text is None else resolve(unit.session, unit.principal, Gate, text, "gate", project_id).id
