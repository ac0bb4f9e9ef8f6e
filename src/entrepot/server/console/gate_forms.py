"""Making, changing and deleting gates; and the password of a gate's account, for who asks for it."""

from starlette.responses import RedirectResponse, Response

from entrepot.errors import EntrepotError
from entrepot.pipeline import configuration
from entrepot.pipeline.models import Gate
from entrepot.server.api import gates as api
from entrepot.server.api.gates import GateChanges, GateRequest, GateShown
from entrepot.server.console import forms
from entrepot.server.console.form_page import Deletion, FormPage, refusal
from entrepot.server.console.listing import Link
from entrepot.server.console.making import Making, deleting
from entrepot.server.console.native import PageUnit, attempted
from entrepot.server.console.page import Page, form, render
from entrepot.server.endpoint import Call

_ALL = ("name", "description", "quarantine", "after_import", "quota_bytes", "quota_files")
_FOLLOWS = "Its files, its feeder and its account go with it, for good; series that were made of the files stay."
_MAKING = Making(
    noun="gate",
    said="A gate is a folder into which files come: from this console, by FTP, or by a feeder.",
    model=GateRequest,
    create=api.create_gate,
    place="/console/gates",
    fixed={"quarantine": True},
)


def _settings(call: Call, error: EntrepotError | None = None) -> Response:
    gate = configuration.get(call.session, call.principal, Gate, call.path["gate_id"], "write")
    page = f"/console/gates/{gate.id}"
    typed = call.content or forms.typed_of(GateShown.showing(gate, project=None), _ALL)
    shown = forms.entries(GateChanges, _ALL, typed, error)
    return FormPage(
        title=f"Settings of gate {gate.name}",
        back=Link("To the gate", page),
        action=f"{page}/settings",
        button="Save",
        entries=shown,
        version=typed.get("version", str(gate.version)),
        refusal=refusal(error, shown),
        deletion=Deletion(f"{page}/delete", "gate", gate.name, _FOLLOWS),
    ).shown(call, error)


def _change(call: Call) -> Response:
    unit, id_ = PageUnit(call, call.content.get("version", "")), call.path["gate_id"]
    configuration.get(call.session, call.principal, Gate, id_, "write")
    _, error = attempted(call.session, lambda: api.change_gate(unit, id_, forms.read(GateChanges, _ALL, call.content)))
    return _settings(call, error) if error else RedirectResponse(f"/console/gates/{id_}", 303)


def _password(call: Call) -> Response:
    found = api.get_password(PageUnit(call), call.path["gate_id"])
    return render(call, "password.html", password=found.password)


PAGES = (
    *_MAKING.pages("/console/projects/{id}/gates/new"),
    Page("GET", "/console/gates/{gate_id}/settings", _settings, "series", "write", write=False),
    Page("POST", "/console/gates/{gate_id}/settings", _change, "series", "write", parse=form),
    deleting("/console/gates/{gate_id}/delete", Gate, api.delete_gate),
    Page("POST", "/console/gates/{gate_id}/password", _password, "series", "write", parse=form),
)
