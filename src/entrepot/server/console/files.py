"""Published files: looked for, sent, and each with its history, who fetched it and its signed address."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from entrepot.db import keyset
from entrepot.errors import EntrepotError, InvalidInput
from entrepot.events.models import Event
from entrepot.files import fetches, lifecycle
from entrepot.files.models import PublishedFile, Storage
from entrepot.identity import Principal, Project, User, projects
from entrepot.server.api import files as api
from entrepot.server.api import uploads
from entrepot.server.api.files import FileShown, Signing, content
from entrepot.server.api.nouns import worded
from entrepot.server.console import cookies, forms, lineage
from entrepot.server.console.form_page import Deletion, refusal, require_named
from entrepot.server.console.forms import Entry
from entrepot.server.console.listing import Cell, Column, Field, Form, Link, Listing, State, order
from entrepot.server.console.native import PageUnit, done
from entrepot.server.console.page import Data, Page, form, render
from entrepot.server.console.thing import Action, Table, Thing
from entrepot.server.endpoint import Call
from entrepot.server.streaming import StreamEndpoint
from entrepot.settings import Settings

LISTS = (Link("Files", "/console/files"), Link("Storages", "/console/files/storages"))
_MOST_STORAGES, _MOST_EVENTS, _MOST_FETCHES, _LONGEST = 200, 100, 100, 200
_DURATIONS = (("3600", "an hour"), ("86400", "a day"), ("604800", "a week"), ("2592000", "30 days"))
_FOLLOWS = "It can be fetched no more: its signed address ends, and the server deletes what it keeps of it, for good."
#: Where a signed address leads that nobody's login has to do with.
_ANYBODY = "signed address"


@dataclass(frozen=True)
class Sending:
    """What the page shows from which files are sent: where they may go to, and what they may belong to."""

    storages: Mapping[str, str]
    projects: Mapping[str, str]


@dataclass(frozen=True)
class Upload(Data, StreamEndpoint):
    """Takes a file from a page, of any size."""

    handler: Callable[[Request, Principal], Awaitable[Response]]  # type: ignore[assignment]


def _list(call: Call) -> Response:
    names = ("status", "storage", "fetched_by", "identifier", "q")
    asked = {name: call.query.get(name, "").strip()[:500] for name in names}
    if "status" not in call.query:
        asked["status"] = "available"
    query = select(PublishedFile).where(call.principal.within(PublishedFile), *worded(asked["q"], *_NAMED))
    for name, column in (("status", PublishedFile.status), ("storage", PublishedFile.storage_id),
                         ("identifier", PublishedFile.identifier)):  # fmt: skip
        if asked[name]:
            query = query.where(column == asked[name])
    if who := asked["fetched_by"]:
        query = query.where(PublishedFile.number.in_(fetches.fetched_by(_reader(call, who))))
    sorts = {"name": PublishedFile.name, "bytes": PublishedFile.size, "published": keyset.along(PublishedFile.number)}
    query = query.order_by(order(call, sorts, "-published"), sorts["published"])
    places = _storages(call)
    settings = call.services.settings

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return [
            (
                Link(file.name, f"/console/files/{file.id}"),
                file.identifier,
                State(file.status),
                file.size,
                file.type or "",
                places[file.storage_id].url if file.storage_id in places else "",
                file.created_at,
                expires(settings, file, places.get(file.storage_id)),
                file.sha256,
            )
            for file in call.session.scalars(query.offset(offset).limit(limit))
        ]

    columns = (
        *(Column("Name", "name"), "Identifier", "Status", Column("Bytes", "bytes"), "Type", "Storage"),
        *(Column("Published", "published"), "Expires", "SHA-256"),
    )
    may_send = call.principal.can_somewhere("write") and call.principal.reach.allows("files", "write")
    return Listing(
        "Files",
        columns,
        read,
        _fields(asked, places),
        "There are no files yet: they are published by runs, sent from here, or by entrepot files publish.",
        make=Link("Send files", "/console/files/new") if may_send else None,
        others=() if call.principal.bound else LISTS,
    ).shown(call)


_NAMED = (PublishedFile.name, PublishedFile.identifier)


def _fields(asked: Mapping[str, str], places: Mapping[str, Storage]) -> tuple[Field, ...]:
    statuses = (("", "any"), *((one, one) for one in lifecycle.STATUSES))
    storages = (("", "any"), *((id_, one.url) for id_, one in places.items()))
    return (
        Field("q", "Words of the name", asked["q"]),
        Field("status", "Status", asked["status"], statuses),
        Field("storage", "Storage", asked["storage"], storages),
        Field("identifier", "Identifier", asked["identifier"]),
        Field("fetched_by", f"Fetched by (login, or: {_ANYBODY})", asked["fetched_by"]),
    )


def _reader(call: Call, who: str) -> str:
    """Return the reader that is meant; of logins that there are not, one who fetched nothing."""
    if who == _ANYBODY:
        return fetches.ANYBODY
    return call.session.scalar(select(User.id).where(User.login == who)) or "nobody"


def _storages(call: Call) -> dict[str, Storage]:
    """Return the organization's storages by id; none to a key of some projects, which do not own them."""
    if call.principal.bound:
        return {}
    query = select(Storage).where(Storage.organization_id == call.principal.organization_id)
    return {one.id: one for one in call.session.scalars(query.order_by(Storage.number).limit(_MOST_STORAGES))}


def expires(settings: Settings, file: PublishedFile, storage: Storage | None) -> datetime | None:
    """Return when a file is over; None for those that are, or that stay: locked ones, and those of others' storages."""
    if storage is None or not storage.own or file.locked or file.status == "expired":
        return None
    if file.status == "consumed" and file.consumed_at is not None:
        return file.consumed_at + timedelta(days=settings.file_consumed_days)
    return file.created_at + timedelta(days=settings.file_kept_days)


def _show(call: Call, error: EntrepotError | None = None) -> Response:
    file = lifecycle.get_file(call.session, call.principal, call.path["id"])
    shown = api.get_file(PageUnit(call), file.id)
    page = f"/console/files/{file.id}"
    may_write = call.principal.can("write", file.organization_id, file.project_id)
    may_write = may_write and call.principal.reach.allows("files", "write")
    is_there, storage = file.status != "expired", api.storage_of(call.session, file)
    links = [Link("Download", f"{page}/content")] if is_there else []
    acknowledges = may_write and file.status == "available" and not file.locked
    return Thing(
        title=file.name,
        back=Link("All files", "/console/files"),
        facts=_facts(call, file, shown, expires(call.services.settings, file, storage)),
        address=("An address that needs no key", shown.signed_url.url) if shown.signed_url else None,
        links=[*links, Link("Lineage", lineage.address("file", file.id))],
        buttons=[Form("Acknowledge", f"{page}/ack")] if acknowledges else [],
        actions=[_signing(call, page, shown)] if may_write and file.status == "available" and storage.signed else [],
        tables=[_fetches(call, file), _history(call, file), *_mismatches(file)],
        deletion=Deletion(f"{page}/withdraw", "file", file.name, _FOLLOWS)
        if may_write and is_there and not file.locked
        else None,
        refusal=refusal(error),
    ).shown(call, error)


def _facts(call: Call, file: PublishedFile, shown: FileShown, end: datetime | None) -> list[tuple[str, Cell]]:
    project = call.session.get(Project, file.project_id) if file.project_id else None
    return [
        ("Status", State(file.status)),
        ("Locked", "yes: it neither is consumed nor expires" if file.locked else ""),
        ("Identifier", file.identifier),
        ("Bytes", file.size),
        ("Type", file.type),
        ("SHA-256", file.sha256),
        ("MD5", file.md5),
        ("Storage", shown.storage.name),
        ("Project", Link(project.name, f"/console/projects/{project.id}") if project else None),
        ("Published", file.created_at),
        ("Acknowledged", file.consumed_at),
        ("Expires", end),
        ("Expired", file.expired_at),
        ("Signed address works until", shown.signed_url.expires_at if shown.signed_url else None),
    ]


def _signing(call: Call, page: str, shown: FileShown) -> Action:
    typed = call.content.get("seconds", "") if call.content else ""
    duration = Entry("seconds", "From now on, for", typed or "604800", "choice", _DURATIONS)
    said = "Whoever has a signed address can fetch the file without a key, until it ends."
    return Action("Signed address", f"{page}/sign", "Renew it" if shown.signed_url else "Make one", [duration], said)


def _fetches(call: Call, file: PublishedFile) -> Table:
    found = api.list_fetches(PageUnit(call), file.id).items[:_MOST_FETCHES]
    rows = [
        (one.user.name if one.user else _ANYBODY, one.count, one.first_at, one.last_at, one.address) for one in found
    ]
    columns = ("Who", "Times", "First", "Last", "From")
    return Table("Who fetched it", columns, rows, "Nobody has fetched it yet.")


def _history(call: Call, file: PublishedFile) -> Table:
    query = select(Event, User.login).outerjoin(User, User.id == Event.user_id)
    query = query.where(Event.object_id == file.id, Event.type == "file", call.principal.within(Event))
    found = call.session.execute(query.order_by(Event.number.desc()).limit(_MOST_EVENTS))
    rows = [
        (event.created_at, event.action, login or "", orjson.dumps(event.data).decode()[:_LONGEST])
        for event, login in found
    ]
    return Table("History", ("When", "What", "Who", "Data"), rows, "What happened to it is no longer kept.")


def _mismatches(file: PublishedFile) -> list[Table]:
    if not file.mismatches:
        return []
    rows = [(datetime.fromisoformat(one["at"]), one["sha256"]) for one in reversed(file.mismatches)]
    return [Table("Consumers got something else", ("When", "SHA-256 of what came"), rows)]


def _download(call: Call) -> Response:
    return content(call, *lifecycle.get_handed(call.connection, call.principal, call.path["id"]))


def _acknowledge(call: Call) -> Response:
    return done(call, "/console/files", api.acknowledge, _show)


def _sign(call: Call) -> Response:
    return done(
        call,
        "/console/files",
        lambda unit, id_: api.renew(unit, id_, forms.read(Signing, ("seconds",), call.content)),
        _show,
    )


def _withdraw(call: Call) -> Response:
    file = lifecycle.get_file(call.session, call.principal, call.path["id"], "write")
    require_named(call, file.name)
    return done(call, "/console/files", api.withdraw, _show)


def _new(call: Call) -> Response:
    call.principal.require_acting("write")
    known = projects.list_projects(call.session, call.principal)
    places = {id_: one.url for id_, one in _storages(call).items() if one.status in ("new", "valid")}
    view = Sending(places, {one.id: one.name for one in known})
    return render(call, "sending.html", view=view)


async def _put(request: Request, principal: Principal) -> Response:
    if not cookies.current(request):
        raise InvalidInput("Files are sent from the console's own pages; programs send them to /api/v1/files.")
    cookies.require_own_form(request, request.headers.get(cookies.HEADER, ""))
    return await uploads.publish_body(request, principal, {"name": request.path_params["name"], **request.query_params})


PAGES = (
    Page("GET", "/console/files", _list, "files", "read"),
    Page("GET", "/console/files/new", _new, "files", "write", write=False),
    Upload("PUT", "/console/files/new/{name}", _put, "files", "write", body="stream"),
    Page("GET", "/console/files/{id}", _show, "files", "read"),
    Page("GET", "/console/files/{id}/content", _download, "files", "read"),
    Page("POST", "/console/files/{id}/ack", _acknowledge, "files", "write", parse=form),
    Page("POST", "/console/files/{id}/sign", _sign, "files", "write", parse=form),
    Page("POST", "/console/files/{id}/withdraw", _withdraw, "files", "write", parse=form),
)
