"""Configuring cleaners and their channels."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import inspect, select, tuple_
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.pipeline.cleaning import function_texts, spec
from entrepot.pipeline.configuration import assign, check_series_texts, get, remove, require_free
from entrepot.pipeline.generators import actions, versions
from entrepot.pipeline.generators.finding import series_by_name
from entrepot.pipeline.models import Channel, Cleaner, ImporterSeries
from entrepot.series import labels
from entrepot.series.models import Series


def update_cleaner(session: Session, principal: Principal, cleaner_id: str, fields: Mapping[str, Any]) -> Cleaner:
    """Change a cleaner's ``description``; its name is its importer's."""
    cleaner = get(session, principal, Cleaner, cleaner_id, "write")
    if fields.get("name", cleaner.name) != cleaner.name:
        raise InvalidInput.field("name", "A cleaner is named after its importer: rename that one.")
    assign(cleaner, fields)
    session.flush()
    return cleaner


def create_channel(session: Session, principal: Principal, fields: Mapping[str, Any]) -> Channel:
    """Create a channel, and start cleaning.

    Parameters
    ----------
    fields
        ``cleaner`` (an id), ``raw`` (the raw series' label), ``name`` (of the series that is made), and any
        other column of :class:`~entrepot.pipeline.models.Channel`. Texts are kept as they are given.
    """
    values = dict(fields)
    cleaner = get(session, principal, Cleaner, values.pop("cleaner"), "write")
    _check_names(session, cleaner.id, values)
    owner = {"organization_id": cleaner.organization_id, "project_id": cleaner.project_id}
    channel = Channel(cleaner=cleaner, **owner, **values)
    session.add(channel)
    session.flush()  # gives what was left out its default
    spec.validate(_settings(channel))
    versions.note(session, principal, channel, function_texts.joined(channel))
    actions.channel_created(session, channel)
    return channel


def update_channel(session: Session, principal: Principal, channel_id: str, fields: Mapping[str, Any]) -> Channel:
    """Change a channel; what it made is cleared and cleaned anew, unless only its labels change."""
    channel = get(session, principal, Channel, channel_id, "write")
    old_name = channel.name
    fields = dict(fields)
    if (given := fields.pop("labels", channel.labels)) != channel.labels:
        assign(channel, {"labels": given})
        made = series_by_name(session, channel.cleaner_id).get(old_name)
        if made is not None:
            labels.put(session, made, given)
        session.flush()
    new = {name: value for name, value in fields.items() if getattr(channel, name) != value}
    _check_names(session, channel.cleaner_id, new)
    if assign(channel, new):
        spec.validate(_settings(channel))
        session.flush()
        versions.note(session, principal, channel, function_texts.joined(channel))
        actions.channel_changed(session, channel, old_name)
    return channel


def delete_channel(session: Session, principal: Principal, channel_id: str) -> None:
    """Delete a channel and the series that it made."""
    channel = get(session, principal, Channel, channel_id, "write")
    actions.channel_deleted(session, channel)
    versions.forget(session, [channel.id])
    remove(session, channel)


def channels_of(session: Session, series: list[ImporterSeries]) -> dict[str, str]:
    """Return, by the id of each raw series that has one, the id of its channel."""
    if not series:
        return {}
    keys = [(raw.importer_id, raw.raw) for raw in series]
    query = (
        select(Cleaner.importer_id, Channel.raw, Channel.id)
        .join(Cleaner, Cleaner.id == Channel.cleaner_id)
        .where(tuple_(Cleaner.importer_id, Channel.raw).in_(keys))
    )
    found = {(importer_id, name): id_ for importer_id, name, id_ in session.execute(query)}
    return {raw.id: found[key] for raw, key in zip(series, keys, strict=True) if key in found}


def describe_series(session: Session, series: Series, given: Mapping[str, str]) -> None:
    """Give a series labels; the channel that makes it keeps them for when it makes it anew.

    Raises
    ------
    Locked
        The series is locked, and would have others.
    """
    labels.put(session, series, given)
    query = select(Channel).where(Channel.cleaner_id == series.generator_id, Channel.name == series.name)
    if (maker := session.scalar(query)) is not None:
        assign(maker, {"labels": dict(given)})


def _check_names(session: Session, cleaner_id: str, new: Mapping[str, Any]) -> None:
    check_series_texts(new, "name", "raw")
    check_series_texts(new, "unit", "title", blank=True)
    for field in ("name", "raw"):
        if field in new:
            require_free(session, Channel, field, new[field], cleaner_id=cleaner_id)


def _settings(channel: Channel) -> dict[str, Any]:
    return {column.key: getattr(channel, column.key) for column in inspect(Channel).columns}
