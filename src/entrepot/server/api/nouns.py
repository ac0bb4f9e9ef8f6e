"""What the models of all nouns share: words of the interface beside the columns that keep them, references, pages."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload

from entrepot.db import keyset
from entrepot.db.words import within
from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import Principal, Project, User, projects
from entrepot.identity.projects import is_kept
from entrepot.pipeline import configuration
from entrepot.pipeline.generators.finding import KINDS
from entrepot.pipeline.models import Channel, Feeder, Gate
from entrepot.pipeline.records import Edited, Owned
from entrepot.series import labels
from entrepot.series.clock_names import clock_name, read_clock
from entrepot.server.api.routing import Unit
from entrepot.server.endpoint import Call

RecordT = TypeVar("RecordT", bound=Owned)
EditedT = TypeVar("EditedT", bound=Edited)
ShownT = TypeVar("ShownT")
Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]
SeriesName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Text = Annotated[str, StringConstraints(max_length=10_000)]
Script = Annotated[str, StringConstraints(max_length=1_000_000)]
Step = Annotated[str, StringConstraints(max_length=32)]
#: By which series are found: `{"turbine": "R80711"}`.
Labels = Annotated[
    dict[Annotated[str, Field(pattern=labels.KEY)], Annotated[str, Field(min_length=1, max_length=300)]],
    Field(max_length=labels.MOST),
]


@dataclass(frozen=True)
class Kept:
    """How a field is kept: in which columns, and how these become what is shown and the other way round.

    Without a column, a field is not a column's: whoever makes the model gives its value.
    """

    columns: tuple[str, ...] = ()
    show: Callable[..., Any] = lambda value: value
    keep: Callable[[Any], tuple[Any, ...]] = lambda value: (value,)


def column(name: str, words: Mapping[Any, Any] | None = None) -> Kept:
    """Return that a field is kept in one column, whose values may be other words."""
    if words is None:
        return Kept((name,))
    back = {kept: shown for shown, kept in words.items()}
    return Kept((name,), lambda value: back.get(value, value), lambda value: (words.get(value, value),))


def named_clock(zone_column: str = "timezone", zone_of_utc: str | None = None) -> Kept:
    """Return that a clock goes by its name, and is kept as its kind and its zone, of which UTC may need one too."""

    def keep(name: str | None) -> tuple[str | None, str | None]:
        if name is None:
            return None, None
        read = read_clock(name)
        return read.kind, read.timezone or zone_of_utc

    return Kept(("clock", zone_column), clock_name, keep)


#: Of a field that no column keeps: whoever makes the model gives its value.
NOT_KEPT = Kept()


def instant(microseconds: int | None) -> datetime | None:
    """Return an instant that is kept as microseconds since 1970."""
    return None if microseconds is None else datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def microseconds(value: datetime | None) -> int | None:
    """Return the microseconds since 1970 of an instant; None of none."""
    return None if value is None else round(value.timestamp() * 1_000_000)


def at(name: str) -> Kept:
    """Return that an instant is kept as microseconds."""
    return Kept((name,), instant, lambda value: (microseconds(value),))


class Reference(BaseModel):
    """Another thing, by its id and its name."""

    id: str
    name: str

    @classmethod
    def to(cls, record: Any) -> "Reference | None":
        """Return the reference to a record; None to none."""
        return None if record is None else cls(id=record.id, name=record.name)


class Maker(Reference):
    """What makes series: an importer (its raw series), a cleaner (its channels) or an analysis."""

    kind: str


class Noun(BaseModel):
    """A thing of the interface: its fields are the glossary's words, each with the columns that keep it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    @classmethod
    @cache
    def _kept(cls) -> dict[str, Kept]:
        found: dict[str, Kept] = {}
        for name, about in cls.model_fields.items():
            given = next((each for each in about.metadata if isinstance(each, Kept)), None)
            found[name] = given or Kept((name,))
        return found

    @classmethod
    def showing(cls, record: Any, **others: Any) -> Self:
        """Return what is shown of a record; `others` are the fields that no column keeps."""
        shown = {
            name: how.show(*(getattr(record, each) for each in how.columns))
            for name, how in cls._kept().items()
            if how.columns and name not in others
        }
        return cls.model_validate(shown | others)

    def kept(self, *without: str, unset: bool = False) -> dict[str, Any]:
        """Return the columns of the fields that were given (with `unset`, of all), for a verb of the domain.

        Raises
        ------
        InvalidInput
            A value cannot be kept; the field is named.
        """
        values: dict[str, Any] = {}
        for name, how in self._kept().items():
            if how.columns and name not in without and (unset or name in self.model_fields_set):
                values |= zip(how.columns, how.keep(getattr(self, name)), strict=True)
        return values

    @classmethod
    @contextmanager
    def naming(cls, **others: str) -> Iterator[None]:
        """Say of what a verb finds invalid inside which field it is, in the words of the interface."""
        words = {each: name for name, how in cls._kept().items() for each in how.columns} | others
        try:
            yield
        except InvalidInput as error:
            if not error.fields:
                raise

            def renamed(name: str) -> str:
                first, dot, rest = name.partition(".")
                return f"{words.get(first, first)}{dot}{rest}"

            raise error.renamed(renamed) from error


class Page(BaseModel, Generic[ShownT]):
    """A page of a list; ``next`` is the address of the page that follows, null at the end."""

    items: list[ShownT]
    next: str | None = None


@dataclass(frozen=True)
class Paging:
    """Which page of a list is asked for, and of what."""

    limit: int
    cursor: str | None
    q: str | None = None


Limit = Annotated[int, Query(ge=1, le=keyset.MOST, description="Most items of a page.")]
Cursor = Annotated[str | None, Query(max_length=4000, description="As the page before gives it in `next`.")]


async def paging(limit: Limit = 100, cursor: Cursor = None) -> Paging:
    """Return which page of a list is asked for; FastAPI calls what waits, as this could, without a thread."""
    return Paging(limit, cursor)


async def search(
    limit: Limit = 100,
    cursor: Cursor = None,
    q: Annotated[str | None, Query(max_length=200, description="Words of the name or title.")] = None,
) -> Paging:
    """Return which page is asked for of a list of what has a name."""
    return Paging(limit, cursor, q)


Asked = Annotated[Paging, Depends(paging)]
Sought = Annotated[Paging, Depends(search)]
#: Filters that many lists have.
InProject = Annotated[str | None, Query(max_length=300, description="Id or name of the project.")]
Named = Annotated[str | None, Query(max_length=300, description="Exact name, or a pattern with `*`.")]
Columns = Sequence[InstrumentedAttribute[Any]]


def listed(
    unit: Unit,
    query: Select[Any],
    order: Columns,
    asked: Paging,
    show: Callable[[Sequence[Any]], Iterable[ShownT]],
    *,
    newest_first: bool = False,
) -> Page[ShownT]:
    """Return the page that is asked for of what a query finds."""
    rows, cursor = keyset.page(
        unit.session, query, order, limit=asked.limit, cursor=asked.cursor, newest_first=newest_first
    )
    return Page(items=list(show(rows)), next=next_page(unit, cursor))


def called(column: Any, text: str) -> ColumnElement[bool]:
    """Return the condition that a name is this one, or as this pattern says; in patterns, case does not count."""
    if "*" not in text:
        return column == text  # type: ignore[no-any-return]
    plain = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.ilike(plain.replace("*", "%"), escape="\\")  # type: ignore[no-any-return]


def worded(q: str | None, *columns: Any) -> list[ColumnElement[bool]]:
    """Return the conditions that each word that is sought is in one of these columns."""
    # What fails the first condition is spared the others: fewest texts have a number.
    return [or_(*(within(column, word) for column in columns)) for word in sorted((q or "").split(), key=str.isalpha)]


def next_page(unit: Unit, cursor: str | None) -> str | None:
    """Return the address of the page at a cursor of the list that is asked for."""
    return None if cursor is None else str(unit.url.include_query_params(cursor=cursor).replace(netloc="", scheme=""))


def resolve(
    session: Session,
    principal: Principal,
    model: type[RecordT],
    text: str,
    field: str,
    project_id: str | None = None,
) -> RecordT:
    """Return the thing that an id or a name means; a name is looked for in a project, where one is given.

    Raises
    ------
    InvalidInput
        Names the field: there is none, or there are several of that name.
    """
    try:
        found = configuration.get(session, principal, model, text)
    except NotFound:
        named = configuration.listed(session, principal, model, {"name": text, "project_id": project_id}, limit=10)
        if len(named) > 1:
            ids = ", ".join(each.id for each in named)
            raise InvalidInput.field(field, f"Several are named {text!r}: give the id of one of {ids}.") from None
        if not named:
            raise InvalidInput.field(field, f"There is no {model.__name__.lower()} {text[:80]!r}.") from None
        (found,) = named
    if project_id is not None and found.project_id != project_id:
        raise InvalidInput.field(field, f"This {model.__name__.lower()} is of another project.")
    return found


def of_project(unit: Unit, text: str | None) -> dict[str, Any]:
    """Return the column of what belongs to a project that is asked for by id or name; without one, none."""
    return {} if text is None else {"project_id": projects.find_project(unit.session, unit.principal, text).id}


def named(unit: Unit, model: type[Owned] | type[Channel], equal: Mapping[str, Any], asked: Paging) -> Select[Any]:
    """Return the query of the things of a kind that the caller may read, by what their columns are to be."""
    query = configuration.readable(unit.principal, model).where(*worded(asked.q, model.name))
    for name, value in equal.items():
        if value is not None:
            column = getattr(model, name)
            query = query.where(called(column, value) if name == "name" else column == value)
    return query


def named_page(
    unit: Unit,
    model: type[RecordT],
    equal: Mapping[str, Any],
    asked: Paging,
    show: Callable[[Sequence[RecordT]], Iterable[ShownT]],
    *load: InstrumentedAttribute[Any],
) -> Page[ShownT]:
    """Return a page of the things of a kind that the caller may read, by name, with what is shown of them loaded."""
    query = named(unit, model, equal, asked).options(*map(selectinload, load))
    return listed(unit, query, (model.name, model.id), asked, show)


def to_change(unit: Unit, model: type[EditedT], record_id: str) -> EditedT:
    """Return what is to be changed or deleted, at the version for which the request is meant."""
    record = configuration.get(unit.session, unit.principal, model, record_id, "write")
    unit.require_version(record.version)
    return record


def makers(unit: Unit | Call, ids: Iterable[str | None]) -> dict[str, Maker]:
    """Return importers, cleaners, analyses and feeders (which go by the name of their gate) by id, a query a kind."""
    wanted = {each for each in ids if each}
    if not wanted:
        return {}
    feeders = select(Feeder.id, Gate.name).join(Gate, Gate.id == Feeder.gate_id)
    feeders = feeders.where(Feeder.id.in_(wanted), is_kept(Gate.project_id))
    found = {row.id: Maker(id=row.id, name=row.name, kind="feeder") for row in unit.session.execute(feeders)}
    for kind, model in KINDS.items():
        query = select(model.id, model.name).where(model.id.in_(wanted), is_kept(model.project_id))
        found |= {row.id: Maker(id=row.id, name=row.name, kind=kind) for row in unit.session.execute(query)}
    return found


def project_names(unit: Unit | Call, records: Iterable[Any]) -> dict[str, Reference]:
    """Return the projects of things, by id."""
    return projects_by_id(unit, (record.project_id for record in records))


def user_names(unit: Unit | Call, records: Iterable[Any]) -> dict[str | None, Reference]:
    """Return the users who made things, by id."""
    wanted = {record.user_id for record in records if record.user_id}
    found = unit.session.execute(select(User.id, User.login).where(User.id.in_(wanted)))
    return {row.id: Reference(id=row.id, name=row.login) for row in found}


def projects_by_id(unit: Unit | Call, ids: Iterable[str | None]) -> dict[str, Reference]:
    """Return references to projects, by their ids."""
    wanted = {each for each in ids if each}
    if not wanted:
        return {}
    found = unit.session.execute(select(Project.id, Project.name).where(Project.id.in_(wanted)))
    return {row.id: Reference(id=row.id, name=row.name) for row in found}
