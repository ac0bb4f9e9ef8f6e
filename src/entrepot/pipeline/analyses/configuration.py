"""Configuring analyses: their configuration, inputs and outputs."""

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock
from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.identity.projects import get_project
from entrepot.pipeline.configuration import (
    assign,
    check_choices,
    check_frequencies,
    check_offsets,
    check_series_texts,
    check_timezone,
    get,
    new_name,
    remove,
    require_free,
)
from entrepot.pipeline.generators import actions, versions
from entrepot.pipeline.generators.finding import get_generator
from entrepot.pipeline.models import Analysis, AnalysisInput, AnalysisOutput, AnalysisSettings

ColumnT = TypeVar("ColumnT", AnalysisInput, AnalysisOutput)
CLOCKS = ("utc", "standard", "local")
#: How the points of an output are brought to longer steps.
RULES = ("mean", "sum", "first", "last", "min", "max")


def create_analysis(session: Session, principal: Principal, fields: Mapping[str, Any]) -> Analysis:
    """Create an analysis: ``project`` (an id), ``name``, and perhaps ``description``, ``active``."""
    values = dict(fields)
    project = get_project(session, principal, values.pop("project"), "write")
    active = values.pop("active", False)
    analysis = Analysis(project_id=project.id, organization_id=project.organization_id, config=None)
    values["name"] = new_name(session, Analysis, values["name"], project_id=project.id)
    assign(analysis, values)
    session.add(analysis)
    session.flush()
    if active:
        actions.set_active(session, analysis, value=True)
    return analysis


def update_analysis(session: Session, principal: Principal, analysis_id: str, fields: Mapping[str, Any]) -> Analysis:
    """Change an analysis' ``name``, ``description`` or ``active``."""
    analysis = get(session, principal, Analysis, analysis_id, "write")
    values = dict(fields)
    active = values.pop("active", None)
    if "name" in values:
        values["name"] = new_name(session, Analysis, values["name"], analysis.name, project_id=analysis.project_id)
    assign(analysis, values)
    session.flush()
    if active is not None:
        actions.set_active(session, analysis, value=active)
    return analysis


def delete_analysis(session: Session, principal: Principal, analysis_id: str) -> None:
    """Delete an analysis with its configuration, inputs, outputs and series."""
    analysis = get(session, principal, Analysis, analysis_id, "write")
    actions.analysis_deleted(session, analysis)
    remove(session, analysis)


def create_config(session: Session, principal: Principal, fields: Mapping[str, Any]) -> AnalysisSettings:
    """Create the configuration of an analysis that has none: ``analysis`` (an id) and columns of the table."""
    values = dict(fields)
    analysis = get(session, principal, Analysis, values.pop("analysis"), "write")
    advisory_lock(session, "analysis config", analysis.id)
    if session.scalar(select(AnalysisSettings.id).where(AnalysisSettings.analysis_id == analysis.id)):
        raise InvalidInput.field("analysis", "This analysis has a configuration already: change that one.")
    _check_config(values)
    config = AnalysisSettings(analysis=analysis, **values)
    session.add(config)
    session.flush()
    versions.note(session, principal, analysis, config.script)
    actions.analysis_changed(session, analysis)
    return config


def update_config(
    session: Session, principal: Principal, config_id: str, fields: Mapping[str, Any]
) -> AnalysisSettings:
    """Change how an analysis computes; what it had computed is obsolete."""
    config = get(session, principal, AnalysisSettings, config_id, "write")
    _check_config(fields)
    if assign(config, fields):
        config.analysis.touch()
        session.flush()
        versions.note(session, principal, config.analysis, config.script)
        actions.analysis_changed(session, config.analysis)
    return config


def delete_config(session: Session, principal: Principal, config_id: str) -> None:
    """Leave an analysis without a configuration."""
    config = get(session, principal, AnalysisSettings, config_id, "write")
    analysis = config.analysis
    remove(session, config)
    session.expire(analysis, ["config"])
    actions.analysis_changed(session, analysis)


def create_input(session: Session, principal: Principal, fields: Mapping[str, Any]) -> AnalysisInput:
    """Add a column to the frame that an analysis gets.

    Parameters
    ----------
    fields
        ``analysis`` and ``generator_id`` (ids, of one project), ``series_name``, ``column``. The
        series need not exist yet.
    """
    values = dict(fields)
    analysis = get(session, principal, Analysis, values.pop("analysis"), "write")
    _check_input(session, principal, analysis, values)
    require_free(session, AnalysisInput, "column", values["column"], analysis_id=analysis.id)
    analysis_input = AnalysisInput(analysis_id=analysis.id, **values)
    return _added(session, analysis, analysis_input)


def update_input(session: Session, principal: Principal, input_id: str, fields: Mapping[str, Any]) -> AnalysisInput:
    """Change a column of the frame that an analysis gets."""
    analysis_input = get(session, principal, AnalysisInput, input_id, "write")
    analysis = get(session, principal, Analysis, analysis_input.analysis_id)
    _check_input(session, principal, analysis, fields)
    if fields.get("column", analysis_input.column) != analysis_input.column:
        require_free(session, AnalysisInput, "column", fields["column"], analysis_id=analysis.id)
    if assign(analysis_input, fields):
        _changed(session, analysis)
    return analysis_input


def create_output(session: Session, principal: Principal, fields: Mapping[str, Any]) -> AnalysisOutput:
    """Declare a column that an analysis returns: ``analysis`` (an id), ``name`` of the series, columns of the table."""
    values = dict(fields)
    analysis = get(session, principal, Analysis, values.pop("analysis"), "write")
    _check_output(values)
    require_free(session, AnalysisOutput, "name", values["name"], analysis_id=analysis.id)
    return _added(session, analysis, AnalysisOutput(analysis_id=analysis.id, **values))


def update_output(session: Session, principal: Principal, output_id: str, fields: Mapping[str, Any]) -> AnalysisOutput:
    """Change a column that an analysis returns."""
    output = get(session, principal, AnalysisOutput, output_id, "write")
    analysis = get(session, principal, Analysis, output.analysis_id)
    _check_output(fields)
    if fields.get("name", output.name) != output.name:
        require_free(session, AnalysisOutput, "name", fields["name"], analysis_id=analysis.id)
    if assign(output, fields):
        _changed(session, analysis)
    return output


def delete_column(
    session: Session, principal: Principal, model: type[AnalysisInput] | type[AnalysisOutput], column_id: str
) -> None:
    """Delete an input or an output of an analysis."""
    column = get(session, principal, model, column_id, "write")
    analysis = get(session, principal, Analysis, column.analysis_id)
    remove(session, column)
    _changed(session, analysis)


def _added(session: Session, analysis: Analysis, column: ColumnT) -> ColumnT:
    session.add(column)
    _changed(session, analysis)
    return column


def _changed(session: Session, analysis: Analysis) -> None:
    analysis.touch()
    session.flush()
    session.expire(analysis, ["inputs", "outputs"])
    actions.analysis_changed(session, analysis)


def _check_config(fields: Mapping[str, Any]) -> None:
    check_choices(fields, {"clock": CLOCKS})
    check_timezone(fields, "timezone")
    check_frequencies(fields, "input_step", "step")
    check_frequencies(fields, "patience", "delay", zero=True)
    check_offsets(fields, "before", "after")


def _check_output(fields: Mapping[str, Any]) -> None:
    check_series_texts(fields, "name")
    check_series_texts(fields, "unit", "title", blank=True)
    check_choices(fields, {"rule": RULES})


def _check_input(session: Session, principal: Principal, analysis: Analysis, fields: Mapping[str, Any]) -> None:
    check_series_texts(fields, "series_name", "column")
    if "generator_id" not in fields:
        return
    generator = get_generator(session, principal, fields["generator_id"])
    if generator.project_id != analysis.project_id:
        raise InvalidInput.field("generator_id", "This generator is of another project.")
    # Two changes at once, each of which is fine alone, could close a circle together.
    advisory_lock(session, "analysis inputs", analysis.project_id)
    if analysis.id in _upstream(session, generator.id):
        raise InvalidInput.field("generator_id", "The analysis would wait for what it makes itself.")


def _upstream(session: Session, generator_id: str) -> set[str]:
    """Return a generator and, where it is an analysis, all that it computes from."""
    found, ahead = set[str](), {generator_id}
    while ahead:
        found |= ahead
        query = select(AnalysisInput.generator_id).where(AnalysisInput.analysis_id.in_(ahead))
        ahead = set(session.scalars(query)) - found
    return found
