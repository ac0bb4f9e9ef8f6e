"""Changing works from their pages: those that are chosen, or all that a query finds, once it was said how many."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.server.ahead import look_up
from entrepot.server.console.page import Page, form, render
from entrepot.server.console.works_asked import LIST, Asked
from entrepot.server.console.works_list import WORDS, address_of
from entrepot.server.endpoint import Call
from entrepot.works import changes
from entrepot.works import document as documents

#: So many are changed at once, in one transaction; more by a run that says how far it is.
_AT_ONCE = 500
_MOST_SHOWN = 20
_FOLLOWS = {
    "retry": "They are queued again, with all their attempts.",
    "cancel": "They fail, with no attempt left; what a worker still makes of one is not taken.",
    "lock": "Nobody can change or delete them until they are unlocked.",
    "unlock": "They can be changed and deleted again.",
    "delete": "They are gone for good.",
}
Chosen = list[tuple[str, str]]


@dataclass(frozen=True)
class ChangeView:
    """What is said before works are changed.

    Attributes
    ----------
    asked
        Where they are, and by which query, where all that it finds are meant.
    action, button, follows
        What is done, in the word of its button, and what that means.
    of
        Those that are chosen, as the form says it; empty: all that the query finds.
    names
        Some of those that are chosen.
    count
        How many are changed.
    is_run
        Whether they are so many that a run changes them.
    refusal
        What was wrong with what was typed.
    """

    asked: Asked
    action: str
    button: str
    follows: str
    of: str
    names: Sequence[str]
    count: int
    is_run: bool
    refusal: str = ""


@dataclass(frozen=True)
class Wanted:
    """What a form asks for: which works were found, by their keys or by a query, as far as they are changed at once."""

    asked: Asked
    action: str
    fields: dict[str, str]
    found: Chosen
    count: int


def _say(call: Call) -> Response:
    call.principal.require("write")
    asked = Asked.of(call)
    of = [] if call.query.get("which") == "all" else call.query.getlist("of")
    if call.query.get("which") != "all" and not of:
        raise InvalidInput.field("of", "Choose some of the works, or all that match.")
    action = call.query.get("action", "")
    return _said(call, asked, action, _read(of))


def _said(call: Call, asked: Asked, action: str, found: Chosen, refusal: str = "") -> Response:
    changes.of(asked.where, action, {})
    query = _query(asked, found)
    count = asked.collection.count(call.session, call.principal, changes.of(asked.where, action, query))
    view = ChangeView(
        asked=asked,
        action=action,
        button=WORDS[action][0],
        follows=_FOLLOWS[action],
        of=documents.dumps(found) if found else "",
        names=[work_id for _, work_id in found[:_MOST_SHOWN]],
        count=count,
        is_run=count > _AT_ONCE,
        refusal=refusal,
    )
    return render(call, "works_change.html", 400 if refusal else 200, view=view)


def _query(asked: Asked, found: Chosen) -> dict[str, Any]:
    """Return the query of the works that are meant."""
    if not found:
        if asked.refusal:
            raise InvalidInput.field("query", asked.refusal)
        return asked.query
    if asked.where == "queue":
        return {"id": {"$in": [work_id for _, work_id in found]}}
    return {"$or": [{"pipeline": pipeline, "id": work_id} for pipeline, work_id in found]}


def _wanted(request: Request, body: bytes) -> Wanted:
    fields = form(request, body)
    asked, action = Asked.made(fields.get("where", ""), fields.get("query", "")), fields.get("action", "")
    given = _read([fields["of"]], many=True) if fields.get("of") else []
    query = changes.of(asked.where, action, _query(asked, given))

    def find(session: Session, who: Principal) -> tuple[Chosen, int]:
        who.require("write")
        rows = list(asked.collection.find(session, who.organization_id, query, limit=_AT_ONCE + 1))
        count = asked.collection.count(session, who, query) if len(rows) > _AT_ONCE else len(rows)
        return [(row.pipeline, row.id) for row in rows], count

    return Wanted(asked, action, fields, *look_up(request, find))


def _change(call: Call) -> Response:
    wanted: Wanted = call.content
    asked, action = wanted.asked, wanted.action
    call.principal.require("write")
    given = _read([wanted.fields["of"]], many=True) if wanted.fields.get("of") else []
    told = _number(wanted.fields.get("count", ""))
    if action == "delete" and (told is None or _number(wanted.fields.get("confirm", "")) != told):
        return _said(call, asked, action, given, "Write how many they are, so that nothing is deleted by mistake.")
    if told is not None and wanted.count > told:
        return _said(call, asked, action, given, "They have become more meanwhile.")
    if wanted.count > _AT_ONCE:
        job = changes.start(call.session, call.principal, asked.where, action, _query(asked, given))
        call.session.flush()
        return RedirectResponse(f"/console/runs/{job.id}", 303)
    count = changes.change(call.session, call.principal, asked.where, action, wanted.found)
    if len(given) == 1 and action != "delete":
        pipeline, work_id = given[0]
        return RedirectResponse(address_of(asked.where, {"pipeline": pipeline, "id": work_id}), 303)
    done = urlencode({"where": asked.where, "query": asked.text, "did": action, "works": count})
    return RedirectResponse(f"{LIST}?{done}", 303)


def _number(text: str) -> int | None:
    plain = text.replace(",", "").strip()
    return int(plain[:9]) if plain.isascii() and plain.isdigit() else None


def _read(texts: Sequence[str], *, many: bool = False) -> Chosen:
    """Return pipelines and ids as forms say them."""
    found: Chosen = []
    for text in texts:
        try:
            given = documents.loads(text.encode())
        except InvalidInput:
            given = None
        for one in given if many and isinstance(given, list) else [given]:
            if not isinstance(one, list) or len(one) != 2 or not all(isinstance(part, str) for part in one):
                raise InvalidInput.field("of", "These are no works of the list.")
            found.append((one[0], one[1]))
    return found


PAGES = (
    Page("GET", "/console/works/change", _say, "works", "write", write=False),
    Page("POST", "/console/works/change", _change, "works", "write", parse=_wanted),
)
