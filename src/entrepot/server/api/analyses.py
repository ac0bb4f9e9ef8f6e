"""Analyses: what they compute, of which inputs, by which script, into which series and rows."""

from collections.abc import Sequence
from typing import Any

from entrepot.errors import InvalidInput
from entrepot.identity import projects
from entrepot.pipeline import configuration
from entrepot.pipeline.analyses import configuration as analyses
from entrepot.pipeline.analyses import inputs as analysis_inputs
from entrepot.pipeline.analyses import rows as analysis_rows
from entrepot.pipeline.models import Analysis, AnalysisInput, AnalysisOutput
from entrepot.rows.models import ResultSet
from entrepot.server.api.analysis_models import (
    AnalysisChanges,
    AnalysisRequest,
    AnalysisShown,
    InputRequest,
    Output,
)
from entrepot.server.api.nouns import (
    Asked,
    InProject,
    Named,
    Page,
    Sought,
    makers,
    named_page,
    of_project,
    project_names,
    to_change,
)
from entrepot.server.api.places import references, resolve
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.versions import VersionShown, listed_versions

router = NativeRouter(tags=["analyses"])


@router.serve("GET", "/analyses", area="series", right="read")
def list_analyses(
    unit: Unit,
    asked: Sought,
    project: InProject = None,
    name: Named = None,
) -> Page[AnalysisShown]:
    """List analyses by name."""
    wanted = of_project(unit, project) | {"name": name}
    load = (Analysis.config, Analysis.inputs, Analysis.outputs)
    return named_page(unit, Analysis, wanted, asked, lambda rows: _shown(unit, rows), *load)


@router.serve("POST", "/analyses", area="series", right="write", status=201, body="large")
def create_analysis(unit: Unit, given: AnalysisRequest) -> AnalysisShown:
    """Create an analysis with its script, inputs and outputs; an active one runs at once."""
    project = projects.find_project(unit.session, unit.principal, given.project, "write")
    with AnalysisRequest.naming():
        fields = {name: value for name, value in given.own.items() if name != "active"}
        analysis = analyses.create_analysis(unit.session, unit.principal, {"project": project.id, **fields})
        _configure(unit, analysis, given)
        if given.active:
            analyses.update_analysis(unit.session, unit.principal, analysis.id, {"active": True})
    return _shown(unit, [analysis])[0]


@router.serve("GET", "/analyses/{analysis_id}", area="series", right="read")
def get_analysis(unit: Unit, analysis_id: str) -> AnalysisShown:
    """Return an analysis."""
    return _shown(unit, [configuration.get(unit.session, unit.principal, Analysis, analysis_id)])[0]


@router.serve("PATCH", "/analyses/{analysis_id}", area="series", right="write", body="large")
def change_analysis(unit: Unit, analysis_id: str, given: AnalysisChanges) -> AnalysisShown:
    """Change an analysis; what it had computed is made anew."""
    analysis = to_change(unit, Analysis, analysis_id)
    with AnalysisChanges.naming():
        _configure(unit, analysis, given)
        analyses.update_analysis(unit.session, unit.principal, analysis_id, given.own)
    return _shown(unit, [analysis])[0]


@router.serve("DELETE", "/analyses/{analysis_id}", area="series", right="write", status=204)
def delete_analysis(unit: Unit, analysis_id: str) -> None:
    """Delete an analysis with the series that it made; rows that it made stay."""
    to_change(unit, Analysis, analysis_id)
    analyses.delete_analysis(unit.session, unit.principal, analysis_id)


@router.serve("GET", "/analyses/{analysis_id}/versions", area="series", right="read")
def list_analysis_versions(unit: Unit, analysis_id: str, asked: Asked) -> Page[VersionShown]:
    """List the scripts that an analysis had, the newest first."""
    return listed_versions(unit, analysis_id, Analysis.kind, asked)


def _configure(unit: Unit, analysis: Analysis, given: AnalysisChanges) -> None:
    """Give an analysis what was given of how it computes; its own fields are not looked at."""
    session, principal = unit.session, unit.principal
    if "inputs" in given.model_fields_set:
        _set_inputs(unit, analysis, given.inputs)
    if "outputs" in given.model_fields_set:
        _set_outputs(unit, analysis, given.outputs)
    if analysis.config is not None:
        if columns := given.kept():
            analyses.update_config(session, principal, analysis.config.id, columns)
    elif "script" in given.model_fields_set:
        analyses.create_config(session, principal, {"analysis": analysis.id, **given.kept(unset=True)})
        session.refresh(analysis, ["config"])
    elif given.kept():
        raise InvalidInput.field("script", "This is missing: without it nothing can be computed.")
    if "into" in given.model_fields_set:
        into = None if given.into is None else resolve(unit, ResultSet, given.into, "into").id
        analysis_rows.keep_in(session, principal, analysis.id, into)


def _set_inputs(unit: Unit, analysis: Analysis, given: Sequence[InputRequest | str]) -> None:
    wanted: dict[str, dict[str, Any]] = {}
    for number, each in enumerate(given):
        asked = InputRequest(series=each) if isinstance(each, str) else each
        with configuration.naming(f"inputs.{number}"):
            generator_id, name = analysis_inputs.find(unit.session, analysis, asked.series, asked.of)
            column = asked.column or name
            if column in wanted:
                raise InvalidInput(f"Two columns would be named {column!r}.")
            wanted[column] = {"generator_id": generator_id, "series_name": name}
    present = {one.column: one for one in analysis.inputs}
    for column, one in present.items():
        if column not in wanted:
            analyses.delete_column(unit.session, unit.principal, AnalysisInput, one.id)
    for number, (column, source) in enumerate(wanted.items()):
        with configuration.naming(f"inputs.{number}"):
            if column in present:
                analyses.update_input(unit.session, unit.principal, present[column].id, source)
            else:
                fields = {"analysis": analysis.id, "column": column, **source}
                analyses.create_input(unit.session, unit.principal, fields)


def _set_outputs(unit: Unit, analysis: Analysis, given: Sequence[Output | str]) -> None:
    wanted = {(one.name): one for one in (Output(name=each) if isinstance(each, str) else each for each in given)}
    if len(wanted) < len(given):
        raise InvalidInput.field("outputs", "Two have the same name.")
    present = {one.name: one for one in analysis.outputs}
    for name, one in present.items():
        if name not in wanted:
            analyses.delete_column(unit.session, unit.principal, AnalysisOutput, one.id)
    for name, output in wanted.items():
        with configuration.naming("outputs"):
            if name in present:
                analyses.update_output(unit.session, unit.principal, present[name].id, output.kept(unset=True))
            else:
                fields = {"analysis": analysis.id, **output.kept(unset=True)}
                analyses.create_output(unit.session, unit.principal, fields)


def _shown(unit: Unit, rows: Sequence[Analysis]) -> list[AnalysisShown]:
    names = project_names(unit, rows)
    sources = makers(unit, (one.generator_id for row in rows for one in row.inputs))
    sets = references(unit, ResultSet, (row.result_set_id for row in rows))
    return [AnalysisShown.shown(row, names[row.project_id], sources, sets.get(row.result_set_id or 0)) for row in rows]
