"""A gate's feeder: from where it fetches files, and a test of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot.errors import EntrepotError, NotFound
from entrepot.pipeline import configuration
from entrepot.pipeline.feeders.options import Credentials, Options
from entrepot.pipeline.models import Feeder, Gate
from entrepot.server.api import feeders as api
from entrepot.server.api.feeders import FeederChanges, FeederRequest, FeederShown
from entrepot.server.console import forms
from entrepot.server.console.form_page import refusal, status_of
from entrepot.server.console.forms import Entry
from entrepot.server.console.native import PageUnit, attempted
from entrepot.server.console.page import Page, form, render
from entrepot.server.endpoint import Call

_WHERE, _WHEN = ("from", "script"), ("schedule", "zone", "active")
_OPTIONS = (
    "include",
    "exclude",
    "recursive",
    "to",
    "settle_seconds",
    "files_per_run",
    "host_key",
    "endpoint",
    "region",
)
_CREDENTIALS = ("login", "password", "token", "private_key", "passphrase", "access_key_id", "secret_access_key")
_OPEN = ("login", "access_key_id")
_MEANT = {
    "include": "Patterns of names, one a line, as *.csv.",
    "exclude": "Patterns of what is left out, one a line.",
    "recursive": "Whether it looks into folders.",
    "to": "The folder of the gate that files go to.",
    "settle_seconds": "How long a file must have stayed as it is before it counts as complete.",
    "files_per_run": "What a run takes at most.",
    "host_key": "Of an SSH server: SHA256: and 43 characters; empty: the one that it had first.",
    "endpoint": "Of S3: where to find it, if not at AWS.",
}


@dataclass(frozen=True)
class FeederView:
    """What the page of a feeder shows.

    Attributes
    ----------
    gate, feeder
        The gate that it feeds; None where it has none yet.
    where, when, options, credentials
        The fields of its form.
    given
        Names of the credentials that it has.
    version
        Of which version the form was made; empty where there is none yet.
    test
        Id of a test that was begun; empty where none was.
    refusal
        Why what was typed was not taken.
    """

    gate: Gate
    feeder: Feeder | None
    where: Sequence[Entry]
    when: Sequence[Entry]
    options: Sequence[Entry]
    credentials: Sequence[Entry]
    given: Sequence[str]
    version: str
    test: str
    refusal: str


def _show(call: Call, error: EntrepotError | None = None) -> Response:
    gate = configuration.get(call.session, call.principal, Gate, call.path["gate_id"], "write")
    feeder = _of(call, gate)
    typed = call.content or _saved(call, feeder)
    groups = (
        forms.entries(FeederRequest, _WHERE, typed, error),
        forms.entries(FeederRequest, _WHEN, typed, error),
        [_meant(one) for one in forms.entries(Options, _OPTIONS, typed)],
        [_secret(one) for one in forms.entries(Credentials, _CREDENTIALS, call.content or {})],
    )
    view = FeederView(
        gate,
        feeder,
        *groups,
        given=list(feeder.credential_names) if feeder is not None else [],
        version=typed.get("version", str(feeder.version) if feeder is not None else ""),
        test=call.query.get("test", ""),
        refusal=refusal(error, [*groups[0], *groups[1]]),
    )
    return render(call, "feeder.html", status_of(error), view=view)


def _of(call: Call, gate: Gate) -> Feeder | None:
    return call.session.scalar(select(Feeder).where(Feeder.gate_id == gate.id))


def _saved(call: Call, feeder: Feeder | None) -> dict[str, str]:
    if feeder is None:
        return forms.defaults(FeederRequest, (*_WHERE, *_WHEN)) | forms.defaults(Options, _OPTIONS)
    shown = api.get_feeder(PageUnit(call), feeder.id)
    options = Options.read(shown.options, "options")
    return forms.typed_of(shown, (*_WHERE, *_WHEN)) | forms.typed_of(options, _OPTIONS)


def _meant(one: Entry) -> Entry:
    return Entry(one.name, one.label, one.value, one.kind, one.choices, _MEANT.get(one.name, ""), one.wrong)


def _secret(one: Entry) -> Entry:
    kind = "area" if one.name == "private_key" else "text" if one.name in _OPEN else "secret"
    return Entry(one.name, one.label, one.value if one.name in _OPEN else "", kind)


def _save(call: Call) -> Response:
    gate = configuration.get(call.session, call.principal, Gate, call.path["gate_id"], "write")
    saved, error = attempted(call.session, lambda: _taken(call, gate))
    if error is not None or saved is None:
        return _show(call, error)
    page = f"/console/gates/{gate.id}"
    if call.content.get("then") != "test":
        return RedirectResponse(page, 303)
    begun = api.test_feeder(PageUnit(call), saved.id)
    return RedirectResponse(f"{page}/feeder?test={begun.id}", 303)


def _taken(call: Call, gate: Gate) -> FeederShown:
    typed, feeder = call.content, _of(call, gate)
    way: dict[str, Any] = {name: typed[name].strip() for name in _WHERE if typed.get(name, "").strip()}
    options = forms.read(Options, _OPTIONS, typed).model_dump(exclude_unset=True, exclude_none=True)
    # What is as usual is not said, and follows when that becomes otherwise.
    usual = Options().model_dump()
    way["options"] = {name: value for name, value in options.items() if usual[name] != value}
    if secrets := {name: typed[name] for name in _CREDENTIALS if typed.get(name, "").strip()}:
        way["credentials"] = secrets
    if feeder is None:
        return api.create_feeder(PageUnit(call), forms.read(FeederRequest, _WHEN, typed, gate=gate.id, **way))
    unit = PageUnit(call, typed.get("version", ""))
    return api.change_feeder(unit, feeder.id, forms.read(FeederChanges, _WHEN, typed, **way))


def _run(call: Call) -> Response:
    feeder = _there(call)
    run = api.run_feeder(PageUnit(call), feeder.id)
    return RedirectResponse(f"/console/runs/{run.id}", 303)


def _delete(call: Call) -> Response:
    feeder = _there(call)
    api.delete_feeder(PageUnit(call), feeder.id)
    return RedirectResponse(f"/console/gates/{feeder.gate_id}", 303)


def _there(call: Call) -> Feeder:
    gate = configuration.get(call.session, call.principal, Gate, call.path["gate_id"], "write")
    feeder = _of(call, gate)
    if feeder is None:
        raise NotFound("This gate has no feeder.")
    return feeder


PAGES = (
    Page("GET", "/console/gates/{gate_id}/feeder", _show, "series", "write", write=False),
    Page("POST", "/console/gates/{gate_id}/feeder", _save, "series", "write", parse=form, body="large"),
    Page("POST", "/console/gates/{gate_id}/feeder/runs", _run, "series", "write", parse=form),
    Page("POST", "/console/gates/{gate_id}/feeder/delete", _delete, "series", "write", parse=form),
)
