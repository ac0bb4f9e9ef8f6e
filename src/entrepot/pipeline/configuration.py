"""What configuring a gate, feeder, importer, cleaner or analysis has in common: finding, listing, naming, checking.

The verbs themselves are in the module ``configuration`` of each of their packages. Fields come to them with the right
types; they see to it that the values make sense, and name the field when not.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload

from entrepot import jobs
from entrepot.db import advisory_lock, keyset
from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import Principal, Right, records
from entrepot.identity.projects import is_kept
from entrepot.identity.users import check_name
from entrepot.pipeline.models import (
    Analysis,
    AnalysisInput,
    AnalysisOutput,
    AnalysisSettings,
    Importer,
    ImporterSeries,
)
from entrepot.pipeline.records import Edited, Owned, Placed, Record
from entrepot.series import clocks
from entrepot.series.frequency import Frequency

RecordT = TypeVar("RecordT", bound=Record)

#: Longest name, unit or label of a series.
SERIES_TEXT_MOST = 255
#: What each kind of record hangs on, when it does not itself say whose it is.
_OWNERS: dict[type[Record], tuple[type[Placed], InstrumentedAttribute[str]]] = {
    ImporterSeries: (Importer, ImporterSeries.importer_id),
    AnalysisSettings: (Analysis, AnalysisSettings.analysis_id),
    AnalysisInput: (Analysis, AnalysisInput.analysis_id),
    AnalysisOutput: (Analysis, AnalysisOutput.analysis_id),
}


def get(session: Session, principal: Principal, model: type[RecordT], record_id: str, right: Right = "read") -> RecordT:
    """Return a record on which the caller has the right; NotFound when there is none or it belongs to others."""
    query, owner = _with_owner(model)
    what = model.__name__
    found = session.execute(
        query.add_columns(owner.organization_id, owner.project_id).where(model.id == record_id)
    ).one_or_none()
    if found is None:
        raise NotFound(f"{what} not found.")
    record, organization_id, project_id = found
    principal.require(right, organization_id, what, project_id)
    return record  # type: ignore[no-any-return]


def existing(model: type[RecordT]) -> Select[Any]:
    """Return the query of the records of a kind, but for those of projects that are being deleted."""
    return _with_owner(model)[0]


def readable(principal: Principal, model: type[RecordT]) -> Select[Any]:
    """Return the query of the records of a kind that the caller may read."""
    query, owner = _with_owner(model)
    return query.where(principal.within(owner))


def listed(
    session: Session,
    principal: Principal,
    model: type[RecordT],
    equal: Mapping[str, Any],
    *,
    offset: int = 0,
    limit: int | None = None,
    load: Sequence[str] = (),
) -> list[RecordT]:
    """Return the records that the caller may read: by name what has one in its project, newest first what has not.

    Parameters
    ----------
    equal
        Values of columns of the record, or of what it hangs on (``project_id``); None does not count.
    offset, limit
        Which part of the list.
    load
        Attributes with related records that are going to be looked at.
    """
    query, owner = readable(principal, model), _with_owner(model)[1]
    query = query.options(*(selectinload(getattr(model, related)) for related in load))
    for name, value in equal.items():
        if value is not None:
            query = query.where((getattr(model, name, None) or getattr(owner, name)) == value)
    order = (model.name, model.number) if issubclass(model, Owned) else (keyset.along(model.number).desc(),)
    return list(session.scalars(query.order_by(*order).offset(offset).limit(limit)))


def remove(session: Session, record: Record) -> None:
    """Delete a record; the database deletes what hangs on it."""
    session.flush()
    session.execute(delete(type(record)).where(type(record).number == record.number))


def assign(record: Record, fields: Mapping[str, Any]) -> set[str]:
    """Give the record its new values and return the names of those that differ."""
    changed = records.assign(record, fields)
    if changed and isinstance(record, Edited):
        record.touch()
    return changed


def new_name(session: Session, model: type[Record], name: str, old: str | None = None, **scope: str) -> str:
    """Return the name that a record may have: well-formed, and free among those of its kind in this scope."""
    name = check_name(name)
    if name != old:
        require_free(session, model, "name", name, **scope)
    return name


def require_free(session: Session, model: type[Record], field: str, value: str, **scope: str) -> None:
    """Raise InvalidInput when a record of this kind has the value already, within the scope."""
    # Whoever else wants the value waits here, instead of running into the table's constraint.
    advisory_lock(session, model.__name__, field, *scope.values(), value)
    conditions = [getattr(model, name) == within for name, within in scope.items()]
    if session.scalar(select(model.id).where(getattr(model, field) == value, *conditions)):
        raise InvalidInput.field(field, f"{value!r} exists already: it must be unique here.")


def check_series_texts(fields: Mapping[str, Any], *names: str, blank: bool = False) -> None:
    """Raise unless these fields, where given, fit a series: kept as they are, blanks included, but not endless."""
    for name in names:
        if name in fields and not fields[name] and not blank:
            raise InvalidInput.field(name, "This may not be blank.")
        if name in fields and len(fields[name]) > SERIES_TEXT_MOST:
            raise InvalidInput.field(name, f"This may have at most {SERIES_TEXT_MOST} characters.")


def check_choices(fields: Mapping[str, Any], choices: Mapping[str, Collection[str]]) -> None:
    """Raise unless each field that has a list of choices is one of them."""
    for field, known in choices.items():
        if field in fields and fields[field] not in known:
            raise InvalidInput.field(field, f"{fields[field]!r} is not one of: {', '.join(known)}.")


def check_frequencies(fields: Mapping[str, Any], *names: str, zero: bool = False) -> None:
    """Raise unless these fields, where given and not null, are frequencies such as ``1H``, ``30T`` or ``MS``."""
    for name in names:
        if fields.get(name) is not None:
            with naming(name):
                Frequency.parse(fields[name], zero=zero)


def check_offsets(fields: Mapping[str, Any], *names: str) -> None:
    """Raise unless these fields, where given and not null, are a number of steps or a frequency."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str):
            check_frequencies(fields, name, zero=True)
        elif value is not None and value < 0:
            raise InvalidInput.field(name, "This may not be negative.")


def check_timezone(fields: Mapping[str, Any], name: str = "timezone") -> None:
    """Raise unless the field, where given, is an IANA time zone."""
    if name in fields:
        with naming(name):
            clocks.check_timezone(fields[name])


def check_crontab(fields: Mapping[str, Any], name: str = "schedule") -> None:
    """Raise unless the field, where given and not empty, is a schedule of six fields, seconds first."""
    if fields.get(name):
        with naming(name):
            jobs.validate_cron(fields[name])


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Say of what is found invalid inside that it is this field."""
    try:
        yield
    except InvalidInput as error:
        reasons = [reason for found in error.fields.values() for reason in found] or [error.message]
        raise InvalidInput(fields={field: reasons}) from error


def _with_owner(model: type[RecordT]) -> tuple[Select[Any], type[Placed]]:
    if issubclass(model, Placed):
        return select(model).where(is_kept(model.project_id)), model
    owner, column = _OWNERS[model]
    return select(model).join(owner, column == owner.id).where(is_kept(owner.project_id)), owner
