"""Requests: what others ask to be fetched and published; a work fulfils each, and files answer it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field, StringConstraints
from sqlalchemy import select

from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import records
from entrepot.requests import fulfilment, requested, sessions, sources
from entrepot.requests.models import DataRequest, RemoteSource, RemoteUser
from entrepot.server.api.nouns import NOT_KEPT, Asked, Noun, Page, column, listed
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["requests"])
Status = Literal["pending", "processing", "completed", "failed", "cancelled"]
#: Not blank, and without NUL, which no database looks up.
_TEXT = r"^[^\x00]*[^\s\x00][^\x00]*$"
_Identifier = Annotated[str, StringConstraints(pattern=_TEXT, max_length=sources.LONGEST_IDENTIFIER)]


class SourceAsked(Noun):
    """An account, a device, or a part of one, of a user of others; both are made where they are not known yet."""

    user: Annotated[_Identifier, Field(description="What identifies the user of others, whose it is.")]
    type: Annotated[str, StringConstraints(pattern=_TEXT, max_length=sources.LONGEST_TYPE)]
    identifier: _Identifier


class SourceShown(SourceAsked):
    """What data is asked of."""

    id: str


class FetchRequest(Noun):
    """What is to be fetched and published."""

    source: Annotated[SourceAsked | str | None, Field(description="What it is asked of: its id, or what it is.")] = None
    payload: Annotated[dict[str, Any], Field(description="What is asked for; whoever fulfils it gets it as it is.")] = (
        Field(default_factory=dict)
    )


class StepShown(Noun):
    """A step of a request: the work that fulfils it, and how that went."""

    id: str
    work: Annotated[str | None, column("work_id"), Field(description="Id of the work that fulfils it.")]
    status: Literal["pending", "processing", "succeeded", "failed", "suspended"]
    error: str | None
    started_at: datetime | None
    ended_at: datetime | None


class RequestShown(Noun):
    """What was asked to be fetched and published; the files that answer it are listed as those of this `request`."""

    id: str
    status: Status
    source: Annotated[SourceShown | None, NOT_KEPT]
    payload: dict[str, Any]
    subscription: Annotated[str | None, column("subscription_id"), Field(description="Id of what makes it by itself.")]
    steps: Annotated[list[StepShown], NOT_KEPT]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@router.serve("GET", "/requests", area="files", right="read")
def list_requests(
    unit: Unit,
    asked: Asked,
    status: Annotated[list[Status] | None, Query()] = None,
    source: Annotated[str | None, Query(max_length=36, description="Id of what they ask data of.")] = None,
) -> Page[RequestShown]:
    """List requests, newest first."""
    query = select(DataRequest).where(unit.principal.own(DataRequest))
    if status:
        query = query.where(DataRequest.status.in_(status))
    if source is not None:
        query = query.where(DataRequest.source_id == source)
    return listed(unit, query, (DataRequest.number,), asked, lambda rows: _shown(unit, rows), newest_first=True)


@router.serve("POST", "/requests", area="files", right="write", status=201, body="large")
def create_request(unit: Unit, given: FetchRequest) -> RequestShown:
    """Ask for data: a work is deposited, and whoever fulfils it publishes files."""
    source = None if given.source is None else _source(unit, given.source)
    request = fulfilment.start(unit.session, unit.principal, given.payload, None, source)
    return _shown(unit, [request])[0]


@router.serve("GET", "/requests/{request_id}", area="files", right="read")
def get_request(unit: Unit, request_id: str) -> RequestShown:
    """Return a request."""
    return _shown(unit, [requested.get_request(unit.session, unit.principal, request_id)])[0]


@router.serve("POST", "/requests/{request_id}/cancel", area="files", right="write")
def cancel_request(unit: Unit, request_id: str) -> RequestShown:
    """End a request early: nobody does its work any more, and what was published stays. One that ended stays so."""
    return _shown(unit, [fulfilment.cancel(unit.session, unit.principal, request_id)])[0]


def _source(unit: Unit, asked: SourceAsked | str) -> RemoteSource:
    """Return what data is asked of, which may be; one that is described is made where there is none."""
    session, principal = unit.session, unit.principal
    if isinstance(asked, str):
        try:
            found: RemoteSource = records.find(session, principal, RemoteSource, "Source", asked)
        except NotFound:
            raise InvalidInput.field("source", "There is no such source.") from None
    else:
        user, _ = sources.ensure_user(session, principal, asked.user)
        found, _ = sources.ensure_source(session, principal, user, asked.type, asked.identifier)
    sessions.source_asked(session, None, found)
    return found


def _shown(unit: Unit, rows: Sequence[DataRequest]) -> list[RequestShown]:
    steps = requested.steps_of(unit.session, rows)
    about = _sources(unit, rows)
    return [
        RequestShown.showing(row, source=about.get(row.source_id), steps=[*map(StepShown.showing, steps[row.id])])
        for row in rows
    ]


def _sources(unit: Unit, rows: Sequence[DataRequest]) -> dict[str | None, SourceShown]:
    query = (
        select(RemoteSource, RemoteUser.identifier)
        .join(RemoteUser, RemoteUser.id == RemoteSource.user_id)
        .where(RemoteSource.id.in_({row.source_id for row in rows if row.source_id}))
    )
    return {
        one.id: SourceShown(id=one.id, user=user, type=one.type, identifier=one.identifier)
        for one, user in unit.session.execute(query)
    }
