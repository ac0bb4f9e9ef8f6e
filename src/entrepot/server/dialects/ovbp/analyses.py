"""Analyses, their configuration, inputs and outputs."""

from entrepot.events import notifications
from entrepot.pipeline import configuration
from entrepot.pipeline.analyses import configuration as analyses
from entrepot.pipeline.models import Analysis, AnalysisInput, AnalysisOutput, AnalysisSettings
from entrepot.server.dialects.ovbp import parse, render, specs
from entrepot.server.dialects.ovbp.generators import generator_actions, list_generators
from entrepot.server.dialects.ovbp.render import Record
from entrepot.server.dialects.ovbp.table import Resource, found, one
from entrepot.server.endpoint import Call


def _retrieve_analysis(call: Call) -> Record:
    analysis = one(call, Analysis)
    unresolved = notifications.count_unresolved(call.session, analysis.id)
    return render.analysis_detailed(analysis, unresolved, call.principal)


def _create_analysis(call: Call) -> Record:
    fields = parse.created(call.fields, specs.ANALYSIS)
    return render.analysis(analyses.create_analysis(call.session, call.principal, fields))


def _update_analysis(call: Call) -> Record:
    fields = parse.changed(call.fields, specs.ANALYSIS)
    return render.analysis(analyses.update_analysis(call.session, call.principal, call.path["id"], fields))


def _configs(call: Call) -> list[Record]:
    records = found(call, AnalysisSettings, "analysis", analysis_id="analysis", project_id="project")
    return [render.analysis_config(record) for record in records]


def _retrieve_config(call: Call) -> Record:
    record = one(call, AnalysisSettings)
    return render.analysis_config(record, call.principal)


def _create_config(call: Call) -> Record:
    fields = parse.created(call.fields, specs.ANALYSIS_CONFIG)
    return render.analysis_config(analyses.create_config(call.session, call.principal, fields))


def _update_config(call: Call) -> Record:
    fields = parse.changed(call.fields, specs.ANALYSIS_CONFIG)
    return render.analysis_config(analyses.update_config(call.session, call.principal, call.path["id"], fields))


def _inputs(call: Call) -> list[Record]:
    records = found(
        call,
        AnalysisInput,
        analysis_id="analysis",
        project_id="project",
        column="column_name",
        generator_id="input_series_generator",
        series_name="input_series_name",
    )
    return [render.analysis_input(record) for record in records]


def _retrieve_input(call: Call) -> Record:
    record = one(call, AnalysisInput)
    return render.analysis_input(record, _rights(call, record.analysis_id))


def _create_input(call: Call) -> Record:
    fields = parse.created(call.fields, specs.ANALYSIS_INPUT)
    return render.analysis_input(analyses.create_input(call.session, call.principal, fields))


def _update_input(call: Call) -> Record:
    fields = parse.changed(call.fields, specs.ANALYSIS_INPUT)
    return render.analysis_input(analyses.update_input(call.session, call.principal, call.path["id"], fields))


def _outputs(call: Call) -> list[Record]:
    records = found(call, AnalysisOutput, analysis_id="analysis", project_id="project", name="name")
    return [render.analysis_output(record) for record in records]


def _retrieve_output(call: Call) -> Record:
    record = one(call, AnalysisOutput)
    return render.analysis_output(record, _rights(call, record.analysis_id))


def _create_output(call: Call) -> Record:
    fields = parse.created(call.fields, specs.ANALYSIS_OUTPUT)
    return render.analysis_output(analyses.create_output(call.session, call.principal, fields))


def _update_output(call: Call) -> Record:
    fields = parse.changed(call.fields, specs.ANALYSIS_OUTPUT)
    return render.analysis_output(analyses.update_output(call.session, call.principal, call.path["id"], fields))


def _rights(call: Call, analysis_id: str) -> dict[str, bool] | None:
    analysis = configuration.get(call.session, call.principal, Analysis, analysis_id)
    return render.rights(call.principal, analysis.organization_id, analysis.project_id)


RESOURCES = (
    Resource(
        "odata/analyses",
        lambda call: [render.analysis(record) for record in list_generators(call, Analysis, "config")],
        _retrieve_analysis,
        create=_create_analysis,
        update=_update_analysis,
        delete=lambda call: analyses.delete_analysis(call.session, call.principal, call.path["id"]),
        actions=generator_actions(Analysis),
        spec=specs.ANALYSIS,
    ),
    Resource(
        "odata/analysis_configs",
        _configs,
        _retrieve_config,
        create=_create_config,
        update=_update_config,
        delete=lambda call: analyses.delete_config(call.session, call.principal, call.path["id"]),
        spec=specs.ANALYSIS_CONFIG,
    ),
    Resource(
        "odata/analysis_inputs",
        _inputs,
        _retrieve_input,
        create=_create_input,
        update=_update_input,
        delete=lambda call: analyses.delete_column(call.session, call.principal, AnalysisInput, call.path["id"]),
        spec=specs.ANALYSIS_INPUT,
    ),
    Resource(
        "odata/analysis_outputs",
        _outputs,
        _retrieve_output,
        create=_create_output,
        update=_update_output,
        delete=lambda call: analyses.delete_column(call.session, call.principal, AnalysisOutput, call.path["id"]),
        spec=specs.ANALYSIS_OUTPUT,
    ),
)
