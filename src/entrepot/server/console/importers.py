"""The importer workbench: a script beside a file of the gate, tried, saved, and what follows from saving it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.identity import Project
from entrepot.pipeline import configuration
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.models import Gate, ImportedFile, Importer
from entrepot.server.api import importers as api
from entrepot.server.api.gates import home_of
from entrepot.server.api.importer_models import ImporterChanges, ImporterRequest, ImporterShown
from entrepot.server.api.importers import ImporterTrial
from entrepot.server.api.runs import RunShown
from entrepot.server.console import forms, plans, trials
from entrepot.server.console.form_page import Deletion, refusal, status_of
from entrepot.server.console.forms import Entry
from entrepot.server.console.listing import Link
from entrepot.server.console.making import Making, Owner, deleting, of_project
from entrepot.server.console.native import PageUnit, attempted
from entrepot.server.console.page import Page, form, render
from entrepot.server.console.versions import version_of
from entrepot.server.endpoint import Call

_SETTINGS = (
    "name", "description", "folder", "clock", "schedule", "active", "order", "reads_changed", "replaces",
    "plausible_from", "plausible_ahead", "repeated_hour", "told_after", "rereads_last", "rereads",
)  # fmt: skip
_CHANGED = ("parse", *_SETTINGS)
_MOST_SAMPLES, _HEAD = 500, 4000
_FOLLOWS = "Its channels and all series that it and its cleaner made go with it, for good. The files stay on the gate."
#: What there is to begin with, where there is no script yet.
BEGINNING = '''import pandas as pd


def parse(content, path, **tools):
    """Return a file's points: a frame with a column for each series, and the stamps as its index."""
    return pd.read_csv(content, index_col=0, parse_dates=True)
'''


@dataclass(frozen=True)
class Sample:
    """A file of the gate as it begins, and the names of all that can be chosen."""

    path: str
    head: str
    paths: Sequence[str]


@dataclass(frozen=True)
class Workbench:
    """What the workbench shows.

    Attributes
    ----------
    importer, project, gate
        The importer, what it belongs to, and where its files come in; None where clients push to it.
    script, settings, version
        What the form holds, and of which version it was made.
    sample
        The file beside the script; None where there is none on the gate.
    again, again_from
        What is to be made anew: ``new`` (nothing), ``all`` or ``from`` an instant.
    has_read
        Whether it has read files, so that this is a question.
    is_beginning
        Whether the script is what there is to begin with, and not saved.
    version_shown
        Of which version the script was taken back; None where it is the last one.
    may_write, refusal, deletion
        Whether the caller may change it; why what was typed was not taken; how it is deleted.
    """

    importer: Importer
    project: Project
    gate: Gate | None
    script: str
    settings: Sequence[Entry]
    version: str
    sample: Sample | None
    again: str
    again_from: str
    has_read: bool
    is_beginning: bool
    version_shown: int | None
    may_write: bool
    refusal: str
    wrong: Mapping[str, str]
    deletion: Deletion


def _of_gate(call: Call) -> Owner:
    gate = configuration.get(call.session, call.principal, Gate, call.path["gate_id"], "write")
    fixed = {"project": gate.project_id, "gate": gate.id}
    return Owner(f"gate {gate.name}", Link("To the gate", f"/console/gates/{gate.id}"), fixed, {"name": gate.name})


_MAKING = Making(
    noun="importer",
    said="An importer reads the files of a gate by a script of yours, which is written and tried on the next page.",
    model=ImporterRequest,
    create=api.create_importer,
    place="/console/importers",
    owner=_of_gate,
    fixed={"clock": "UTC"},
)
#: Of a project, and of no gate.
_PUSHED = replace(
    _MAKING,
    noun="importer without a gate",
    said="Clients push points to an importer without a gate, and channels make regular series of them. One that reads "
    "files is made on the page of its gate.",
    owner=of_project,
)


def _show(call: Call, error: EntrepotError | None = None) -> Response:
    importer = configuration.get(call.session, call.principal, Importer, call.path["id"])
    project = call.session.get_one(Project, importer.project_id)
    page = f"/console/importers/{importer.id}"
    taken = version_of(call, importer.id, Importer.kind, call.query.get("version", ""))
    saved = forms.typed_of(ImporterShown.shown(importer, None), _CHANGED)
    typed = call.content or (saved | {"parse": taken.script} if taken else saved)
    settings = forms.entries(ImporterChanges, _SETTINGS, typed, error)
    read = select(ImportedFile.path).where(ImportedFile.importer_id == importer.id).limit(1)
    view = Workbench(
        importer=importer,
        project=project,
        gate=importer.gate,
        script=typed["parse"] or (BEGINNING if importer.gate is not None and not call.content else ""),
        settings=settings,
        version=typed.get("version", str(importer.version)),
        sample=_sample(call, importer, typed.get("sample", call.query.get("sample", ""))),
        again=typed.get("again", "all"),
        again_from=typed.get("again_from", ""),
        has_read=call.session.scalar(read) is not None,
        is_beginning=not saved["parse"],
        version_shown=taken.version if taken else None,
        may_write=call.principal.can("write", importer.organization_id, importer.project_id),
        refusal=refusal(error, settings),
        wrong=forms.wrongs(error),
        deletion=Deletion(f"{page}/delete", "importer", importer.name, _FOLLOWS),
    )
    return render(call, "importer.html", status_of(error), view=view)


def _sample(call: Call, importer: Importer, path: str) -> Sample | None:
    """Return a file of the importer's folder, the first where none is named, and the names of all."""
    if importer.gate is None:
        return None
    home = home_of(call, importer.gate.id)
    found = gate_files.importable(home, importer.folder)
    paths = [one.path for one in found[:_MOST_SAMPLES]]
    chosen = path if path in paths else paths[0] if paths else ""
    if not chosen:
        return None
    head = gate_files.beginning(home, gate_files.prefix_of(importer.folder) + chosen, _HEAD)
    return Sample(chosen, head.decode(errors="replace"), paths)


def _show_sample(call: Call) -> Response:
    importer = configuration.get(call.session, call.principal, Importer, call.path["id"])
    return render(call, "sample.html", sample=_sample(call, importer, call.query.get("sample", "")))


def _try(call: Call) -> Response:
    unit, path = PageUnit(call), call.content.get("sample", "")
    configuration.get(call.session, call.principal, Importer, call.path["id"], "write")
    script = call.content.get("parse", "")

    def act() -> RunShown:
        asked = {"importer": call.path["id"], "script": script, "paths": [path] if path else []}
        return api.try_importer(unit, forms.checked(ImporterTrial, asked))

    return trials.begun(call, *attempted(call.session, act))


def _plan(call: Call) -> Response:
    importer = configuration.get(call.session, call.principal, Importer, call.path["id"], "write")
    return plans.shown(call, importer.project_id, lambda: _changed(call, importer.id))


def _save(call: Call) -> Response:
    importer = configuration.get(call.session, call.principal, Importer, call.path["id"], "write")
    _, error = attempted(call.session, lambda: _changed(call, importer.id))
    return _show(call, error) if error else RedirectResponse(f"/console/importers/{importer.id}", 303)


def _changed(call: Call, importer_id: str) -> ImporterShown:
    typed: dict[str, Any] = call.content
    again = typed.get("again", "all")
    fixed: dict[str, Any] = {"again": again != "new"}
    if again == "from":
        if not typed.get("again_from", "").strip():
            raise InvalidInput.field("again_from", "Say from when on, as 2024-03-01.")
        fixed["again_from"] = forms.instant(typed["again_from"])
    given = forms.read(ImporterChanges, _CHANGED, typed, **fixed)
    return api.change_importer(PageUnit(call, typed.get("version", "")), importer_id, given)


PAGES = (
    *_MAKING.pages("/console/gates/{gate_id}/importers/new"),
    *_PUSHED.pages("/console/projects/{id}/importers/new"),
    Page("GET", "/console/importers/{id}", _show, "series", "read"),
    Page("POST", "/console/importers/{id}", _save, "series", "write", parse=form, body="large"),
    Page("GET", "/console/importers/{id}/sample", _show_sample, "series", "read"),
    Page("POST", "/console/importers/{id}/try", _try, "series", "write", parse=form, body="large"),
    Page("POST", "/console/importers/{id}/plan", _plan, "series", "write", parse=form, body="large"),
    deleting("/console/importers/{id}/delete", Importer, api.delete_importer),
)
