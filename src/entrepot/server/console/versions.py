"""What scripts said before: their versions, what differs between two, and the way back."""

import difflib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from starlette.responses import Response

from entrepot.errors import InvalidInput, NotFound
from entrepot.pipeline.configuration import get
from entrepot.pipeline.generators import versions
from entrepot.pipeline.models import ScriptVersion
from entrepot.server.api.nouns import Reference, user_names
from entrepot.server.console.listing import as_csv, asks_csv
from entrepot.server.console.page import Page, render
from entrepot.server.endpoint import Call

_MOST = 500
_PLACES = {"importer": "importers", "analysis": "analyses", "channel": "channels"}
_MARKS = {"+": "added", "-": "removed", "@": "place"}


@dataclass(frozen=True)
class Version:
    """A version: its number, since when, by whom, and its SHA-256."""

    number: int
    at: datetime
    by: str
    sha256: str


@dataclass(frozen=True)
class VersionsView:
    """What the page of a script's versions shows.

    Attributes
    ----------
    kind, name, page, runs
        Whose script it is, where it is edited, and where its runs are listed.
    versions
        The newest first.
    old, new
        Which two are compared; 0 where there are not two.
    lines
        What differs, each with ``added``, ``removed``, ``place`` or nothing.
    may_write
        Whether the caller may go back to one.
    """

    kind: str
    name: str
    page: str
    runs: str
    versions: Sequence[Version]
    old: int
    new: int
    lines: Sequence[tuple[str, str]]
    may_write: bool


def version_of(call: Call, generator_id: str, kind: str, number: str) -> ScriptVersion | None:
    """Return the version of a script that an address names; None where it names none."""
    if not number:
        return None
    query = versions.versions(call.session, call.principal, generator_id, kind)
    found: ScriptVersion | None = call.session.scalar(query.where(ScriptVersion.version == _number(number)))
    if found is None:
        raise NotFound("There is no such version of the script.")
    return found


def of_runs(call: Call, ran: Collection[tuple[str, str, str | None]]) -> dict[tuple[str, str], tuple[int, str]]:
    """Return which versions ran: by whose script and its SHA-256, its number and where it is shown.

    Parameters
    ----------
    ran
        Kind and id of what ran, and the SHA-256 of its script.
    """
    kinds = {id_: kind for kind, id_, _ in ran if kind in _PLACES}
    version = func.max(ScriptVersion.version)  # one that was taken back is there twice
    query = select(ScriptVersion.generator_id, ScriptVersion.sha256, version).where(
        call.principal.within(ScriptVersion),
        ScriptVersion.generator_id.in_(kinds),
        ScriptVersion.sha256.in_({sha256 for _, _, sha256 in ran if sha256}),
    )
    found = call.session.execute(query.group_by(ScriptVersion.generator_id, ScriptVersion.sha256))
    return {
        (id_, sha256): (number, f"/console/{_PLACES[kinds[id_]]}/{id_}/versions?new={number}")
        for id_, sha256, number in found
    }


def _show_importer(call: Call) -> Response:
    return _show(call, "importer")


def _show_analysis(call: Call) -> Response:
    return _show(call, "analysis")


def _show_channel(call: Call) -> Response:
    return _show(call, "channel")


def _show(call: Call, kind: str) -> Response:
    generator = get(call.session, call.principal, versions.MAKERS[kind], call.path["id"])
    query = versions.versions(call.session, call.principal, generator.id, kind)
    query = query.order_by(ScriptVersion.version.desc()).limit(_MOST)
    found: Sequence[ScriptVersion] = call.session.scalars(query).all()
    users = user_names(call, found)
    told = [_told(one, users.get(one.user_id)) for one in found]
    if asks_csv(call):
        rows = ((one.number, one.at, one.by, one.sha256) for one in told)
        return as_csv(f"{generator.name} versions", ("Version", "Since", "By", "SHA-256"), rows)
    by_number = {one.version: one for one in found}
    new = _number(call.query.get("new", "")) or (found[0].version if found else 0)
    old = _number(call.query.get("old", "")) or max((one for one in by_number if one < new), default=0)
    view = VersionsView(
        kind=kind,
        name=generator.name,
        page=f"/console/{_PLACES[kind]}/{generator.id}",
        runs=f"/console/runs?of={generator.id}",
        versions=told,
        old=old,
        new=new,
        lines=list(_lines(by_number.get(old), by_number.get(new))),
        may_write=call.principal.can("write", generator.organization_id, generator.project_id),
    )
    return render(call, "versions.html", view=view)


def _told(version: ScriptVersion, by: Reference | None) -> Version:
    return Version(version.version, version.created_at, by.name if by else "", version.sha256)


def _lines(old: ScriptVersion | None, new: ScriptVersion | None) -> Iterator[tuple[str, str]]:
    if new is None:
        return
    before = old.script.splitlines() if old is not None else []
    told = difflib.unified_diff(before, new.script.splitlines(), lineterm="", n=4)
    for number, line in enumerate(told):
        if number >= 2:  # the first name files, which there are not
            yield _MARKS.get(line[:1], ""), line


def _number(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 9):
        raise InvalidInput.field("version", "The number of a version.")
    return int(text or 0)


PAGES = (
    Page("GET", "/console/importers/{id}/versions", _show_importer, "series", "read"),
    Page("GET", "/console/analyses/{id}/versions", _show_analysis, "series", "read"),
    Page("GET", "/console/channels/{id}/versions", _show_channel, "series", "read"),
)
