"""Works looked at as many: the board, facets, causes of failures, fields; and changed as many, by a run."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from entrepot.server.api.nouns import Noun
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.runs import RunShown, begun
from entrepot.works import board, changes, facets, failures, fields

router = NativeRouter(tags=["works"])


class Standing(BaseModel):
    """How a pipeline stands."""

    pipeline: str
    queued: int
    running: int
    success: int
    failure: int
    oldest_created_at: datetime | None = Field(description="When the oldest that waits was created; null: none waits.")
    oldest_started_at: datetime | None = Field(description="When the first that runs was begun; null: none runs.")
    ended_last_hour: int = Field(description="How many ended within the hour, archived since or not.")


class Board(BaseModel):
    """How all pipelines stand."""

    items: list[Standing]


class Sought(Noun):
    """Of which works something is asked."""

    query: dict[str, Any] = Field(default={}, description="A query of MongoDB; by default, all.")


class Value(BaseModel):
    """A value, and how many works have it; null: those that have none."""

    value: str | None
    count: int


class Facets(BaseModel):
    """Which values the works have that match, the most frequent first."""

    count: int = Field(description="How many were counted, the latest.")
    more: bool = Field(description="Whether still more match.")
    fields: dict[str, list[Value]]


class Failure(BaseModel):
    """Failed works of one cause."""

    error: str = Field(description="`<number>`, `<id>` and `<path>` stand for what varies; empty: they say nothing.")
    count: int
    first_at: datetime | None = Field(description="When the first of them ended.")
    last_at: datetime | None
    pipelines: dict[str, int]
    example: str = Field(description="Id of the last of them.")
    example_pipeline: str
    query: dict[str, Any] = Field(description="What finds them.")


class Failures(BaseModel):
    """Why works failed, the most frequent cause first."""

    items: list[Failure]
    count: int = Field(description="How many failed works were looked at, the latest.")
    more: bool = Field(description="Whether there are still more.")


class Fields(BaseModel):
    """Paths of fields that works have."""

    items: list[str]


class ChangeRequest(Noun):
    """What is to be done to all works that match."""

    action: Literal["retry", "cancel", "delete", "lock", "unlock"]
    query: dict[str, Any] = Field(description="A query of MongoDB; `{}` is all of them.")


@router.serve("GET", "/works/board", area="works", right="read")
def get_board(unit: Unit) -> Board:
    """Return how each pipeline stands that has works in the queue, or had one that ended within the hour."""
    return Board(
        items=[
            Standing(
                pipeline=one.pipeline,
                **one.counts,
                oldest_created_at=one.oldest_created_at,
                oldest_started_at=one.oldest_started_at,
                ended_last_hour=one.ended,
            )
            for one in board.board(unit.session, unit.principal)
        ]
    )


@router.serve("GET", "/works/fields", area="works", right="read")
def list_fields(unit: Unit) -> Fields:
    """Return which fields works have: those that all have, and those seen in the latest."""
    return Fields(items=fields.fields(changes.COLLECTIONS["queue"], unit.session, unit.principal))


@router.serve("GET", "/archive/fields", area="works", right="read")
def list_archive_fields(unit: Unit) -> Fields:
    """Return which fields archived works have: those that all have, and those seen in the latest."""
    return Fields(items=fields.fields(changes.COLLECTIONS["archive"], unit.session, unit.principal))


@router.serve("POST", "/works/facets", area="works", right="read", write=False)
def get_facets(unit: Unit, given: Sought) -> Facets:
    """Return which pipelines, states, sites, users and tags the works have that match, and how many have each."""
    return _facets(unit, "queue", given)


@router.serve("POST", "/archive/facets", area="works", right="read", write=False)
def get_archive_facets(unit: Unit, given: Sought) -> Facets:
    """Return which pipelines, states, sites, users and tags the archived works have that match."""
    return _facets(unit, "archive", given)


@router.serve("POST", "/works/failures", area="works", right="read", write=False)
def get_failures(unit: Unit, given: Sought) -> Failures:
    """Return why works failed: errors that differ in numbers, ids and paths alone are one."""
    return _failures(unit, "queue", given)


@router.serve("POST", "/archive/failures", area="works", right="read", write=False)
def get_archive_failures(unit: Unit, given: Sought) -> Failures:
    """Return why archived works failed: errors that differ in numbers, ids and paths alone are one."""
    return _failures(unit, "archive", given)


@router.serve("POST", "/works/changes", area="works", right="write", status=202)
def change_works(unit: Unit, given: ChangeRequest) -> RunShown:
    """Retry, cancel or delete all works that match now, some at a time; the run's `result` has how many it changed."""
    return begun(unit, changes.start(unit.session, unit.principal, "queue", given.action, given.query))


@router.serve("POST", "/archive/changes", area="works", right="write", status=202)
def change_archived(unit: Unit, given: ChangeRequest) -> RunShown:
    """Lock, unlock or delete all archived works that match now; those that are locked are not deleted."""
    return begun(unit, changes.start(unit.session, unit.principal, "archive", given.action, given.query))


def _facets(unit: Unit, place: str, given: Sought) -> Facets:
    found = facets.facets(changes.COLLECTIONS[place], unit.session, unit.principal, given.query)
    shown = {
        name: [Value(value=value, count=count) for value, count in values] for name, values in found.fields.items()
    }
    return Facets(count=found.count, more=found.more, fields=shown)


def _failures(unit: Unit, place: str, given: Sought) -> Failures:
    found = failures.failures(changes.COLLECTIONS[place], unit.session, unit.principal, given.query)
    items = [Failure.model_validate(vars(one)) for one in found.items]
    return Failures(items=items, count=found.count, more=found.more)
