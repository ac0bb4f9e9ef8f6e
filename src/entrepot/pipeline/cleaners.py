"""Configuring cleaners and their unit cleaners."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import inspect, select, tuple_
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.pipeline import actions, cleaning
from entrepot.pipeline.configuration import assign, check_series_texts, get, remove, require_free
from entrepot.pipeline.generators import series_by_name
from entrepot.pipeline.models import Cleaner, ImporterSeries, Unitcleaner
from entrepot.series import labels
from entrepot.series.models import Series


def update_cleaner(session: Session, principal: Principal, cleaner_id: str, fields: Mapping[str, Any]) -> Cleaner:
    """Change a cleaner's ``comment``; its name is its importer's."""
    cleaner = get(session, principal, Cleaner, cleaner_id, "write")
    if fields.get("name", cleaner.name) != cleaner.name:
        raise InvalidInput.field("name", "A cleaner is named after its importer: rename that one.")
    assign(cleaner, fields)
    session.flush()
    return cleaner


def create_unitcleaner(session: Session, principal: Principal, fields: Mapping[str, Any]) -> Unitcleaner:
    """Create a unit cleaner, and start cleaning.

    Parameters
    ----------
    fields
        ``cleaner`` (an id), ``external_name`` (the raw series' label), ``name`` (of the series that is made), and any
        other column of :class:`~entrepot.pipeline.models.Unitcleaner`. Texts are kept as they are given.
    """
    values = dict(fields)
    cleaner = get(session, principal, Cleaner, values.pop("cleaner"), "write")
    _check_names(session, cleaner.id, values)
    unitcleaner = Unitcleaner(cleaner=cleaner, **values)
    session.add(unitcleaner)
    session.flush()  # gives what was left out its default
    cleaning.validate(_settings(unitcleaner))
    actions.unitcleaner_created(session, unitcleaner)
    return unitcleaner


def update_unitcleaner(
    session: Session, principal: Principal, unitcleaner_id: str, fields: Mapping[str, Any]
) -> Unitcleaner:
    """Change a unit cleaner; what it made is cleared and cleaned anew, unless only its labels change."""
    unitcleaner = get(session, principal, Unitcleaner, unitcleaner_id, "write")
    old_name = unitcleaner.name
    fields = dict(fields)
    if (given := fields.pop("labels", unitcleaner.labels)) != unitcleaner.labels:
        assign(unitcleaner, {"labels": given})
        made = series_by_name(session, unitcleaner.cleaner_id).get(old_name)
        if made is not None:
            labels.put(session, made, given)
        session.flush()
    new = {name: value for name, value in fields.items() if getattr(unitcleaner, name) != value}
    _check_names(session, unitcleaner.cleaner_id, new)
    if assign(unitcleaner, new):
        cleaning.validate(_settings(unitcleaner))
        session.flush()
        actions.unitcleaner_changed(session, unitcleaner, old_name)
    return unitcleaner


def delete_unitcleaner(session: Session, principal: Principal, unitcleaner_id: str) -> None:
    """Delete a unit cleaner and the series that it made."""
    unitcleaner = get(session, principal, Unitcleaner, unitcleaner_id, "write")
    actions.unitcleaner_deleted(session, unitcleaner)
    remove(session, unitcleaner)


def unitcleaners_of(session: Session, series: list[ImporterSeries]) -> dict[str, str]:
    """Return, by the id of each raw series that has one, the id of its unit cleaner."""
    if not series:
        return {}
    keys = [(raw.importer_id, raw.external_name) for raw in series]
    query = (
        select(Cleaner.importer_id, Unitcleaner.external_name, Unitcleaner.id)
        .join(Cleaner, Cleaner.id == Unitcleaner.cleaner_id)
        .where(tuple_(Cleaner.importer_id, Unitcleaner.external_name).in_(keys))
    )
    found = {(importer_id, name): id_ for importer_id, name, id_ in session.execute(query)}
    return {raw.id: found[key] for raw, key in zip(series, keys, strict=True) if key in found}


def describe_series(session: Session, series: Series, given: Mapping[str, str]) -> None:
    """Give a series labels; the unit cleaner that makes it keeps them for when it makes it anew.

    Raises
    ------
    Locked
        The series is locked, and would have others.
    """
    labels.put(session, series, given)
    query = select(Unitcleaner).where(Unitcleaner.cleaner_id == series.generator_id, Unitcleaner.name == series.name)
    if (maker := session.scalar(query)) is not None:
        assign(maker, {"labels": dict(given)})


def _check_names(session: Session, cleaner_id: str, new: Mapping[str, Any]) -> None:
    check_series_texts(new, "name", "external_name")
    check_series_texts(new, "unit", "label", blank=True)
    for field in ("name", "external_name"):
        if field in new:
            require_free(session, Unitcleaner, field, new[field], cleaner_id=cleaner_id)


def _settings(unitcleaner: Unitcleaner) -> dict[str, Any]:
    return {column.key: getattr(unitcleaner, column.key) for column in inspect(Unitcleaner).columns}
