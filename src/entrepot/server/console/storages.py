"""Storages: where files are kept; made, changed, tried out, taken out of use."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot.db import keyset
from entrepot.errors import EntrepotError
from entrepot.files import storages, trial
from entrepot.files.models import Storage
from entrepot.requests import requested
from entrepot.server.api import storages as api
from entrepot.server.api.storages import StorageChanges, StorageRequest, StorageShown
from entrepot.server.console import forms
from entrepot.server.console.files import LISTS
from entrepot.server.console.form_page import FormPage, refusal
from entrepot.server.console.forms import Entry
from entrepot.server.console.listing import Cell, Field, Form, Link, Listing, State
from entrepot.server.console.native import PageUnit, attempted, done
from entrepot.server.console.outcomes import Outcome, Step, test_of
from entrepot.server.console.page import Page, form
from entrepot.server.console.thing import Table, Thing
from entrepot.server.endpoint import Call

_LIST = "/console/files/storages"
_SETTINGS = ("signed", "signed_for", "default")
_OPEN = ("access_key_id", "account_name", "client_email", "endpoint", "region")
_CREDENTIALS = (*_OPEN, "secret_access_key", "session_token", "account_key", "sas_key", "private_key")
_MEANT = {
    "access_key_id": "Of S3.",
    "account_name": "Of Azure.",
    "client_email": "Of Google Cloud Storage: of the service account.",
    "endpoint": "Where to find it, if not at the provider's usual address.",
    "region": "Of S3; empty: us-east-1.",
    "secret_access_key": "Of S3.",
    "session_token": "Of S3, if it wants one.",
    "account_key": "Of Azure; or a SAS key.",
    "sas_key": "Of Azure.",
    "private_key": "Of Google Cloud Storage.",
}
_CLOSED = "deactivated"


def _list(call: Call) -> Response:
    status = call.query.get("status", "").strip()
    query = select(Storage).where(call.principal.own(Storage))
    query = query.where(Storage.status == status) if status else query.where(Storage.status != _CLOSED)
    default = storages.default_of(call.session, call.principal.organization_id)

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        found = call.session.scalars(query.order_by(keyset.along(Storage.number).desc()).offset(offset).limit(limit))
        return [
            (
                Link(one.url, f"{_LIST}/{one.id}"),
                State(one.status),
                "the server's own" if one.own else "",
                "yes" if one.id == default or (default is None and one.own) else "",
                "yes" if one.signed else "",
                _said(one),
                one.created_at,
            )
            for one in found
        ]

    choices = (("", "in use"), *((one, one) for one in storages.STATUSES))
    columns = ("Address", "State", "Whose", "Default", "Signed addresses", "The last test", "Made")
    empty = "Files are kept in the server's own storage, which is made with the first of them, until there is another."
    may = _administers(call)
    make = Link("New storage", f"{_LIST}/new") if may else None
    fields = (Field("status", "State", status, choices),)
    return Listing("Storages", columns, read, fields, empty, make=make, others=LISTS).shown(call)


def _administers(call: Call) -> bool:
    return call.principal.can("admin") and call.principal.reach.allows("files", "admin")


def _said(storage: Storage) -> str:
    if storage.tested is None:
        return ""
    wrong = [f"{name}: {problem}" for name, problem in storage.tested.items() if problem]
    return "; ".join(wrong) or "all went well"


def _show(call: Call, error: EntrepotError | None = None) -> Response:
    storage = storages.get_storage(call.session, call.principal, call.path["id"])
    shown, page, may = api.get_storage(PageUnit(call), storage.id), f"{_LIST}/{storage.id}", _administers(call)
    buttons = [Form("Test it", f"{page}/test")] if may and storage.status != _CLOSED else []
    if may and not storage.own:
        closed = storage.status == _CLOSED
        buttons.append(Form("Use it again", f"{page}/open") if closed else Form("Close it", f"{page}/close"))
    if may and not shown.default and storage.status in ("new", "valid"):
        buttons.append(Form("Make it the default", f"{page}/default"))
    rows = [(name, State("bad", problem) if problem else State("good", "well")) for name, problem in _steps(storage)]
    tested = Table("The last test", ("Step", "How it went"), rows, "It was not tested yet.")
    test = call.query.get("test", "")
    return Thing(
        title=f"Storage {storage.url}",
        said="What is kept in a closed storage stays there, and can be fetched; its signed addresses end.",
        back=Link("All storages", _LIST),
        facts=_facts(storage, shown),
        links=[
            *([Link("Settings", f"{page}/settings")] if may else []),
            Link("Its files", f"/console/files?storage={storage.id}"),
        ],
        buttons=buttons,
        tables=[] if test else [tested],
        refusal=refusal(error),
        part=f"{page}/tests/{test}" if test and may else "",
    ).shown(call, error)


def _facts(storage: Storage, shown: StorageShown) -> list[tuple[str, Cell]]:
    return [
        ("State", State(storage.status)),
        ("Whose", "the server's own: the operator says where it is" if storage.own else ""),
        ("Default", "yes: files go there where nothing else is said" if shown.default else "no"),
        ("Signed addresses", "yes" if storage.signed else "no"),
        ("They work for", f"{storage.signed_for:,.0f} seconds" if storage.signed_for else ""),
        ("Credentials", "it has some, which are not shown" if storage.credentials_encrypted else ""),
        ("Made", storage.created_at),
    ]


def _steps(storage: Storage) -> Sequence[tuple[str, str | None]]:
    return list((storage.tested or {}).items())


def _form(call: Call, storage: Storage | None, error: EntrepotError | None = None) -> Response:
    typed = call.content or _saved(call, storage)
    names = ("signed", "signed_for") if storage is not None and storage.own else ("url", *_SETTINGS)
    shown = [
        replace(one, kind="text") if one.name == "url" else one
        for one in forms.entries(StorageRequest, names, typed, error)
    ]
    secrets = [] if storage is not None and storage.own else _credentials(typed, error)
    page = f"{_LIST}/{storage.id}" if storage else _LIST
    kept = " It has credentials: what is left empty stays, and all are given again with another url."
    return FormPage(
        title=f"Settings of storage {storage.url}" if storage else "New storage",
        said="A bucket, or a folder that the operator allows. It is tried out with a small file once it is saved."
        + (kept if storage and storage.credentials_encrypted else ""),
        back=Link("To the storage", page) if storage else Link("All storages", _LIST),
        action=f"{page}/settings" if storage else f"{_LIST}/new",
        button="Save and test",
        entries=[*shown, *secrets],
        refusal=refusal(error, [*shown, Entry("credentials", "")]) if error else "",
    ).shown(call, error)


def _saved(call: Call, storage: Storage | None) -> dict[str, str]:
    if storage is None:
        return forms.defaults(StorageRequest, ("url", *_SETTINGS))
    return forms.typed_of(api.get_storage(PageUnit(call), storage.id), ("url", *_SETTINGS))


def _credentials(typed: Mapping[str, str], error: EntrepotError | None) -> list[Entry]:
    """Return the fields of credentials: secrets are typed again where the form is refused, and never sent back."""
    wrong = forms.wrongs(error).get("credentials", "")
    return [
        Entry(
            name,
            name.replace("_", " ").capitalize(),
            typed.get(name, "") if name in _OPEN else "",
            "text" if name in _OPEN else "area" if name == "private_key" else "secret",
            hint=_MEANT[name],
            wrong=wrong if at == 0 else "",
        )
        for at, name in enumerate(_CREDENTIALS)
    ]


def _given(typed: Mapping[str, str]) -> dict[str, Any]:
    given = {name: typed[name].strip() for name in _CREDENTIALS if typed.get(name, "").strip()}
    return {"credentials": given} if given else {}


def _new(call: Call) -> Response:
    call.principal.require("admin")
    return _form(call, None)


def _create(call: Call) -> Response:
    names, typed = ("url", *_SETTINGS), call.content
    made, error = attempted(
        call.session,
        lambda: api.create_storage(PageUnit(call), forms.read(StorageRequest, names, typed, **_given(typed))),
    )
    return _form(call, None, error) if made is None else _tested(call, made.id)


def _settings(call: Call) -> Response:
    return _form(call, storages.get_storage(call.session, call.principal, call.path["id"], "admin"))


def _change(call: Call) -> Response:
    storage = storages.get_storage(call.session, call.principal, call.path["id"], "admin")
    before, typed = _saved(call, storage), call.content
    # What is as it was is not given: another place, or other credentials, have to be tested anew.
    names = [one for one in ("url", *_SETTINGS) if typed.get(one, before[one]) != before[one]]
    _, error = attempted(
        call.session,
        lambda: api.change_storage(
            PageUnit(call), storage.id, forms.read(StorageChanges, names, typed, **_given(typed))
        ),
    )
    return _form(call, storage, error) if error else _tested(call, storage.id)


def _test(call: Call) -> Response:
    return _tested(call, call.path["id"])


def _tested(call: Call, storage_id: str) -> Response:
    storage = storages.get_storage(call.session, call.principal, storage_id, "admin")
    test = trial.begin(call.session, storage, call.principal.key_id)
    return RedirectResponse(f"{_LIST}/{storage.id}?test={test.id}", 303)


def _outcome(call: Call) -> Response:
    storage = storages.get_storage(call.session, call.principal, call.path["id"], "admin")
    test = test_of(call, storage.id)
    steps = [Step(name, problem or "") for name, problem in _steps(storage)]
    is_over = test.status not in requested.OPEN
    return Outcome(call.request.url.path, is_over, "It writes, reads and deletes a small file …", steps).shown(call)


def _close(call: Call) -> Response:
    return done(call, _LIST, api.delete_storage, _show)


def _open(call: Call) -> Response:
    return done(call, _LIST, lambda unit, id_: api.change_storage(unit, id_, StorageChanges(status="new")), _show)


def _prefer(call: Call) -> Response:
    return done(call, _LIST, lambda unit, id_: api.change_storage(unit, id_, StorageChanges(default=True)), _show)


PAGES = (
    Page("GET", _LIST, _list, "files", "read"),
    Page("GET", f"{_LIST}/new", _new, "files", "admin", write=False),
    Page("POST", f"{_LIST}/new", _create, "files", "admin", parse=form),
    Page("GET", f"{_LIST}/{{id}}", _show, "files", "read"),
    Page("GET", f"{_LIST}/{{id}}/settings", _settings, "files", "admin", write=False),
    Page("POST", f"{_LIST}/{{id}}/settings", _change, "files", "admin", parse=form),
    Page("POST", f"{_LIST}/{{id}}/test", _test, "files", "admin", parse=form),
    Page("GET", f"{_LIST}/{{id}}/tests/{{test_id}}", _outcome, "files", "admin", write=False),
    Page("POST", f"{_LIST}/{{id}}/close", _close, "files", "admin", parse=form),
    Page("POST", f"{_LIST}/{{id}}/open", _open, "files", "admin", parse=form),
    Page("POST", f"{_LIST}/{{id}}/default", _prefer, "files", "admin", parse=form),
)
