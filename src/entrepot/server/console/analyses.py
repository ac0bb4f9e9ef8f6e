"""An analysis: its inputs and outputs, its script, tried on a window before it counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.identity import Project
from entrepot.pipeline import configuration
from entrepot.pipeline.generators.finding import KINDS
from entrepot.pipeline.models import Analysis
from entrepot.series.models import Series
from entrepot.server.api import analyses as api
from entrepot.server.api import importers as trying
from entrepot.server.api.analysis_models import AnalysisChanges, AnalysisRequest, AnalysisShown, Computing, Output
from entrepot.server.api.importers import AnalysisTrial
from entrepot.server.api.runs import RunShown
from entrepot.server.console import forms, plans, sheets, trials
from entrepot.server.console.form_page import Deletion, refusal, status_of
from entrepot.server.console.forms import Entry
from entrepot.server.console.making import Making, deleting
from entrepot.server.console.native import PageUnit, attempted
from entrepot.server.console.page import Page, form, render
from entrepot.server.console.sheets import Sheet, SheetColumn
from entrepot.server.console.versions import version_of
from entrepot.server.endpoint import Call

_INPUTS, _OUTPUTS = ("series", "of", "column"), ("name", "unit", "title", "rule")
_SETTINGS = ("name", "description", "active", *(name for name in Computing.model_fields if name != "script"), "into")
_CHANGED = ("script", *_SETTINGS)
_MOST_PROPOSED = 1000
_FOLLOWS = "The series that it made go with it, for good; rows that it made stay."
_MAKING = Making(
    noun="analysis",
    said="An analysis computes series of others by a script of yours, which is written and tried on the next page.",
    model=AnalysisRequest,
    create=api.create_analysis,
    place="/console/analyses",
)
BEGINNING = '''def analyze(frame, **tools):
    """Return a frame of the outputs, a column each, made of a frame of the inputs."""
    return frame
'''


@dataclass(frozen=True)
class AnalysisView:
    """What the page of an analysis shows.

    Attributes
    ----------
    analysis, project
        The analysis and what it belongs to.
    inputs, outputs
        As tables: what the script gets, and what it returns.
    script, settings, version
        What else the form holds, and of which version it was made.
    is_beginning, version_shown
        Whether the script is what there is to begin with; of which version it was taken back.
    since, until
        For which time it is tried, as typed.
    may_write, refusal, wrong, deletion
        Whether the caller may change it; why what was typed was not taken, as a whole and by field; how it is deleted.
    """

    analysis: Analysis
    project: Project
    inputs: Sheet
    outputs: Sheet
    script: str
    settings: Sequence[Entry]
    version: str
    is_beginning: bool
    version_shown: int | None
    since: str
    until: str
    may_write: bool
    refusal: str
    wrong: Mapping[str, str]
    deletion: Deletion


def _show(call: Call, error: EntrepotError | None = None) -> Response:
    analysis = configuration.get(call.session, call.principal, Analysis, call.path["id"])
    shown = api.get_analysis(PageUnit(call), analysis.id)
    taken = version_of(call, analysis.id, Analysis.kind, call.query.get("version", ""))
    saved = forms.typed_of(shown, _CHANGED[:-1]) | {"into": shown.into.id if shown.into else ""}
    typed: Mapping[str, str] = call.content or (saved | {"script": taken.script} if taken else saved)
    settings = forms.entries(AnalysisChanges, _SETTINGS, typed, error)
    view = AnalysisView(
        analysis=analysis,
        project=call.session.get_one(Project, analysis.project_id),
        inputs=_inputs(call, analysis, shown, typed, error),
        outputs=_outputs(shown, typed, error),
        script=typed.get("script", "") or (BEGINNING if not call.content else ""),
        settings=settings,
        version=typed.get("version", str(analysis.version)),
        is_beginning=analysis.config is None,
        version_shown=taken.version if taken else None,
        since=typed.get("since", ""),
        until=typed.get("until", ""),
        may_write=call.principal.can("write", analysis.organization_id, analysis.project_id),
        refusal=refusal(error, settings),
        wrong=forms.wrongs(error),
        deletion=Deletion(f"/console/analyses/{analysis.id}/delete", "analysis", analysis.name, _FOLLOWS),
    )
    return render(call, "analysis.html", status_of(error), view=view)


def _inputs(
    call: Call, analysis: Analysis, shown: AnalysisShown, typed: Mapping[str, str], error: EntrepotError | None
) -> Sheet:
    query = select(Series.name).where(Series.project_id == analysis.project_id).distinct()
    names = call.session.scalars(query.order_by(Series.name).limit(_MOST_PROPOSED)).all()
    columns = (
        SheetColumn("series", "Series", proposed=names),
        SheetColumn("of", "Made by", ("", *_makers(call, analysis))),
        SheetColumn("column", "Column of the frame"),
    )
    rows = [
        {"series": one.series, "of": f"{one.of.kind} {one.of.name}" if one.of else "", "column": one.column}
        for one in shown.inputs
    ]
    text = typed.get("inputs", sheets.written(_INPUTS, rows))
    return Sheet("inputs", "Inputs: what the script gets", columns, text, _wrong_cells("inputs", error))


def _outputs(shown: AnalysisShown, typed: Mapping[str, str], error: EntrepotError | None) -> Sheet:
    rules = ("mean", "sum", "first", "last", "min", "max")
    columns = (
        SheetColumn("name", "Name"),
        SheetColumn("unit", "Unit"),
        SheetColumn("title", "Title"),
        SheetColumn("rule", "To longer steps", rules),
    )
    rows = [{name: sheets.plain(getattr(one, name)) for name in _OUTPUTS} for one in shown.outputs]
    text = typed.get("outputs", sheets.written(_OUTPUTS, rows))
    return Sheet("outputs", "Outputs: what it returns", columns, text, _wrong_cells("outputs", error))


def _wrong_cells(field: str, error: EntrepotError | None) -> dict[str, str]:
    return sheets.wrong_cells(field, error.fields) if isinstance(error, InvalidInput) else {}


def _makers(call: Call, analysis: Analysis) -> dict[str, str]:
    """Return the ids of what makes series in the project, by kind and name."""
    found: dict[str, str] = {}
    for kind, model in KINDS.items():
        query = select(model.id, model.name).where(model.project_id == analysis.project_id, model.id != analysis.id)
        found |= {f"{kind} {name}": id_ for id_, name in call.session.execute(query.order_by(model.name))}
    return found


def _save(call: Call) -> Response:
    analysis = configuration.get(call.session, call.principal, Analysis, call.path["id"], "write")
    _, error = attempted(call.session, lambda: _changed(call, analysis))
    return _show(call, error) if error else RedirectResponse(f"/console/analyses/{analysis.id}", 303)


def _plan(call: Call) -> Response:
    analysis = configuration.get(call.session, call.principal, Analysis, call.path["id"], "write")
    return plans.shown(call, analysis.project_id, lambda: _changed(call, analysis))


def _try(call: Call) -> Response:
    analysis = configuration.get(call.session, call.principal, Analysis, call.path["id"], "write")
    typed = call.content

    def act() -> RunShown:
        if _wanted_inputs(call, analysis) != _present_inputs(analysis):
            raise InvalidInput.field("inputs", "They changed: save them first, and try then.")
        window = {
            name: forms.instant(typed[at])
            for name, at in (("from", "since"), ("to", "until"))
            if typed.get(at, "").strip()
        }
        given = forms.checked(AnalysisTrial, {"script": typed.get("script", ""), **window})
        return trying.try_analysis(PageUnit(call), analysis.id, given)

    return trials.begun(call, *attempted(call.session, act))


def _wanted_inputs(call: Call, analysis: Analysis) -> list[tuple[str, str]]:
    return [(one["column"] or one["series"], one["series"]) for one in _input_rows(call, analysis)]


def _present_inputs(analysis: Analysis) -> list[tuple[str, str]]:
    return [(one.column, one.series_name) for one in analysis.inputs]


def _input_rows(call: Call, analysis: Analysis) -> list[dict[str, Any]]:
    makers = _makers(call, analysis)
    found = []
    for number, row in enumerate(sheets.rows_of(call.content.get("inputs", ""), _INPUTS, "inputs")):
        of = row.get("of", "").strip()
        if of and of not in makers:
            raise InvalidInput.field(f"inputs.{number}.of", f"Nothing in the project is {of[:80]!r}.")
        column = row.get("column", "").strip() or None
        found.append({"series": row.get("series", ""), "column": column, "of": makers.get(of)})
    return found


def _changed(call: Call, analysis: Analysis) -> AnalysisShown:
    outputs = [
        {name: cell for name, cell in row.items() if name == "name" or cell.strip()}
        for row in sheets.rows_of(call.content.get("outputs", ""), _OUTPUTS, "outputs")
    ]
    fixed = {"inputs": _input_rows(call, analysis), "outputs": [forms.checked(Output, one) for one in outputs]}
    given = forms.read(AnalysisChanges, _CHANGED, call.content, **fixed)
    unit = PageUnit(call, call.content.get("version", ""))
    return api.change_analysis(unit, analysis.id, given)


PAGES = (
    *_MAKING.pages("/console/projects/{id}/analyses/new"),
    Page("GET", "/console/analyses/{id}", _show, "series", "read"),
    Page("POST", "/console/analyses/{id}", _save, "series", "write", parse=form, body="large"),
    Page("POST", "/console/analyses/{id}/try", _try, "series", "write", parse=form, body="large"),
    Page("POST", "/console/analyses/{id}/plan", _plan, "series", "write", parse=form, body="large"),
    deleting("/console/analyses/{id}/delete", Analysis, api.delete_analysis),
)
