"""One work: its document, what became of it, what it made, and what can be done with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from sqlalchemy import select
from starlette.responses import Response

from entrepot.errors import NotFound
from entrepot.events import reading
from entrepot.events.models import Event
from entrepot.server.api.nouns import user_names
from entrepot.server.console.ages import age
from entrepot.server.console.listing import Cell, Link
from entrepot.server.console.page import Page, may, render
from entrepot.server.console.works_asked import list_of
from entrepot.server.console.works_list import buttons, chosen
from entrepot.server.endpoint import Call
from entrepot.works import archive, queue
from entrepot.works import document as documents
from entrepot.works.document import Document, instant

_TYPES = {"queue": "work", "archive": "archived work"}
_MOST_EVENTS, _MOST_NODES, _MOST_LISTED = 100, 2_000, 1_000
_LONG, _LONGEST = 100, 2_000


@dataclass
class Node:
    """A part of a document: its name, what it holds in short, and its own parts.

    Attributes
    ----------
    name, said
        Its key or its place in an array, and its value, or how many parts it has.
    nodes
        Its parts; None of a value.
    more
        How many parts there are besides, which are not shown.
    """

    name: str
    said: str
    nodes: Sequence["Node"] | None = None
    more: int = 0


@dataclass(frozen=True)
class Happening:
    """A change of a work: when, what, and who made it."""

    when: Any
    what: str
    status: str
    by: str


@dataclass(frozen=True)
class WorkView:
    """What the page of a work shows.

    Attributes
    ----------
    where, id, status, is_locked
        Where it is, its id and its state.
    chosen
        By what a form says which work it means.
    facts
        Names and values, instants as such, with links.
    error
        What a failed work says of its failure.
    document
        The parts of its document.
    made
        Its products and its plots, each with its address where it is one of the web.
    history, all_history
        What became of it, the latest first, and where all of it is listed.
    lineage, raw
        Where it comes from, and its document as JSON.
    buttons
        What the caller may do with it, by the action's name.
    """

    where: str
    id: str
    status: str
    is_locked: bool
    chosen: str
    facts: Sequence[tuple[str, Any]]
    error: str
    document: Sequence[Node]
    made: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    history: Sequence[Happening]
    all_history: str
    lineage: str
    raw: str
    buttons: Sequence[tuple[str, str]]


def _show(call: Call) -> Response:
    where, work = call.path["where"], _work(call)
    if call.query.get("format") == "json":
        return _json(work)
    results = work.get("results")
    error = results.get("error") if work["status"] == "failure" and isinstance(results, dict) else None
    locked = where == "archive" and documents.is_locked(work)
    may_now = _possible(where, work["status"], locked)
    view = WorkView(
        where=where,
        id=work["id"],
        status=work["status"],
        is_locked=locked,
        chosen=chosen(work),
        facts=list(_facts(where, work)),
        error=_text(error) if error else "",
        document=_Tree().nodes(work),
        made=[
            (name, [_made(one) for one in work[name][:_MOST_LISTED]])
            for name in ("products", "plots")
            if work.get(name)
        ],
        history=_history(call, where, work["id"]) if may(call, "events") else (),
        all_history=f"/console/events?{urlencode({'object': work['id']})}",
        lineage=f"/console/lineage?{urlencode({'kind': 'work', 'id': work['id']})}",
        raw=f"?{urlencode({'pipeline': work['pipeline'], 'format': 'json'})}",
        buttons=[(name, said) for name, said in buttons(call, where) if name in may_now],
    )
    return render(call, "work.html", view=view)


def _json(work: Document) -> Response:
    headers = {"content-disposition": 'attachment; filename="work.json"', "cache-control": "no-store"}
    return Response(documents.dumps(work), media_type="application/json", headers=headers)


def _work(call: Call) -> Document:
    where, work_id = call.path["where"], call.path["work_id"]
    if where == "archive":
        return archive.get(call.session, call.principal, work_id, call.query.get("pipeline"))
    if where == "queue":
        return queue.get(call.session, call.principal, work_id)
    raise NotFound("There is nothing of this kind.")


def _possible(where: str, status: str, locked: bool) -> set[str]:
    """Return the actions that change something at a work in this state."""
    if where == "archive":
        return {"unlock"} if locked else {"lock", "delete"}
    of = {"failure": "retry", "queued": "cancel", "running": "cancel"}
    return {"delete", of.get(status, "delete")}


def _facts(where: str, work: Document) -> Iterator[tuple[str, Cell]]:
    for name in ("pipeline", "site", "user"):
        if work.get(name) is not None:
            yield name, Link(str(work[name]), list_of(where, {name: work[name]}))
    parent = (work.get("config") or {}).get("parent")
    if parent:
        yield "part of", Link(str(parent), list_of(where, {"config.parent": parent}))
    for name in ("tags", "event"):
        for value in (work.get(name) or ())[:_MOST_LISTED]:
            yield name.removesuffix("s"), Link(str(value), list_of(where, {name: value}))
    does = work.get("function") or " ".join(map(str, work.get("command") or ()))
    if does:
        yield "does", str(does)[:_LONGEST]
    yield "attempt", f"{work.get('attempt')} of {work.get('retries')}, each for {age(work.get('timeout'))} at most"
    yield "priority", work.get("priority")
    for name in ("creation", "start", "stop"):
        if work.get(name) is not None:
            yield {"creation": "created", "start": "started", "stop": "ended"}[name], instant(work[name])
    if work.get("start") is not None and work.get("stop") is not None:
        yield "took", age(work["stop"] - work["start"])


def _made(one: Any) -> tuple[str, str]:
    text = _text(one)
    return text, text if urlsplit(text).scheme in ("http", "https") else ""


def _history(call: Call, where: str, work_id: str) -> list[Happening]:
    query = select(Event).where(Event.organization_id == call.principal.organization_id, Event.object_id == work_id)
    found = call.session.scalars(
        query.where(Event.type == _TYPES[where]).order_by(Event.number.desc()).limit(_MOST_EVENTS)
    )
    events = found.all()
    people = user_names(call, events)

    def by(one: Event) -> str:
        return people[one.user_id].name if one.user_id in people else "the server" if one.user_id is None else ""

    return [Happening(one.created_at, one.action, str(one.data.get("status", "")), by(one)) for one in events]


class _Tree:
    """A document as nodes, of which a page shows so many at most."""

    def __init__(self) -> None:
        self._left = _MOST_NODES

    def nodes(self, value: dict[str, Any] | list[Any]) -> list[Node]:
        """Return the parts of an object or an array, as far as they are shown."""
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        found = []
        for name, part in pairs:
            if self._left <= 0:
                break
            self._left -= 1
            found.append(self._node(str(name), part))
        return found

    def _node(self, name: str, value: Any) -> Node:
        if not isinstance(value, dict | list) or not value or _is_plain(value):
            return Node(name, _text(value))
        nodes = self.nodes(value)
        what = "field" if isinstance(value, dict) else "element"
        said = f"{len(value):,} {what}{'' if len(value) == 1 else 's'}"
        return Node(name, said, nodes, len(value) - len(nodes))


def _is_plain(value: Any) -> bool:
    """Tell whether it is an array of numbers and short texts, which is shown in a line."""
    return isinstance(value, list) and all(
        not isinstance(one, dict | list) and (not isinstance(one, str) or len(one) <= _LONG) for one in value
    )


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else documents.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … {len(text) - _LONGEST:,} more characters"


PAGES = (Page("GET", "/console/works/{where}/{work_id:path}", _show, "works", "read", ahead=reading.lacks),)
