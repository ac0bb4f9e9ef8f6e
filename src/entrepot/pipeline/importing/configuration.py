"""Configuring importers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.identity.projects import get_project
from entrepot.jobs import schedules
from entrepot.pipeline.configuration import (
    assign,
    check_choices,
    check_crontab,
    check_frequencies,
    get,
    new_name,
    remove,
)
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.generators import actions, invalidations, versions
from entrepot.pipeline.generators.finding import drop_series, forget_generator, series_by_name
from entrepot.pipeline.importing import choice as file_choice
from entrepot.pipeline.importing import hours_settled, open_hours
from entrepot.pipeline.models import Channel, Cleaner, Gate, ImportedFile, Importer
from entrepot.series.clocks import Clock

#: Changes to these fields make an importer's series say something else.
_PARSING_FIELDS = {"gate", "parse", "folder", "clock", "timezone"}


@dataclass(frozen=True)
class Again:
    """What of that which an importer made is made anew when it comes to read otherwise.

    Attributes
    ----------
    made
        Whether anything is: where not, the change counts for what is read from now on.
    from_us
        From when on: microseconds, UTC; None: all of it.
    """

    made: bool = True
    from_us: int | None = None


_ALL = Again()


def create_importer(session: Session, principal: Principal, fields: Mapping[str, Any]) -> Importer:
    """Create an importer and its cleaner, which has its name.

    Parameters
    ----------
    fields
        ``project`` (an id) and ``name``; what :func:`update_importer` takes may come with them.
    """
    values = dict(fields)
    project = get_project(session, principal, values.pop("project"), "write")
    name = _new_name(session, values.pop("name"), project.id)
    active = values.pop("active", False)
    owner = {"project_id": project.id, "organization_id": project.organization_id}
    importer = Importer(name=name, cleaner=Cleaner(name=name, **owner), **owner)
    path = values.pop("last_path", None)
    checked = _checked(session, principal, project.id, values)
    _check_clock(session, importer, assign(importer, checked))
    session.add(importer)
    session.flush()
    # What is null on purpose got its default as if it had been left out.
    for column in (name for name, value in checked.items() if value is None):
        setattr(importer, column, None)
    session.flush()
    versions.note(session, principal, importer, importer.parse)
    if path is not None:
        file_choice.move_to(session, importer, path)
    if active:
        actions.set_active(session, importer, value=True)
    return importer


def update_importer(
    session: Session, principal: Principal, importer_id: str, fields: Mapping[str, Any], again: Again = _ALL
) -> Importer:
    """Change an importer; a new gate, script or folder resets what it made, as far as `again` says.

    Parameters
    ----------
    fields
        Any of ``name``, ``description``, ``gate`` (an id or None), ``schedule``, ``recomputes``, ``parse``,
        ``folder``, ``rereads_last``, ``told_after``, ``rereads``,
        ``last_path``, ``reads_changed``, ``replaces``, ``file_order`` (``name`` or ``arrival``),
        ``clock`` and ``timezone`` of stamps without a zone, ``plausible_from`` and ``plausible_ahead``,
        ``repeated_hour`` (``order``, ``modified``, ``first`` or ``second``), ``active``.
    """
    importer = get(session, principal, Importer, importer_id, "write")
    values = dict(fields)
    if "name" in values:
        values["name"] = _new_name(session, values["name"], importer.project_id, importer.name)
        importer.cleaner.name = values["name"]
    active = values.pop("active", None)
    cursor = values.pop("last_path", None)
    if values.get("gate") and any(series.pushed for series in series_by_name(session, importer.id).values()):
        raise InvalidInput.field("gate", "Clients push to series of this importer: it cannot read a gate as well.")
    changed = assign(importer, _checked(session, principal, importer.project_id, values))
    _check_clock(session, importer, changed)
    session.flush()
    if changed:
        if "repeated_hour" in changed:
            hours_settled.read_again(session, importer)
        if "parse" in changed:
            versions.note(session, principal, importer, importer.parse)
        _follow(session, importer, {name.removesuffix("_id") for name in changed}, again)
    if "last_path" in fields and cursor != importer.last_path:
        file_choice.move_to(session, importer, cursor)
    if active is not None:
        actions.set_active(session, importer, value=active)
    return importer


def known_files(session: Session, principal: Principal, importer_id: str, *, changed: bool = False) -> Select[Any]:
    """Return the query of the files that an importer knows, or of those that changed since and are not read again."""
    importer = get(session, principal, Importer, importer_id)
    query = select(ImportedFile).where(ImportedFile.importer_id == importer.id)
    return query.where(ImportedFile.changed_size.is_not(None)) if changed else query


def delete_importer(session: Session, principal: Principal, importer_id: str) -> None:
    """Delete an importer with its cleaner, their channels and all their series."""
    importer = get(session, principal, Importer, importer_id, "write")
    _delete_what_it_made(session, importer)
    remove(session, importer)


def _new_name(session: Session, name: str, project_id: str, old: str | None = None) -> str:
    """Return a name that is free for the importer and for its cleaner."""
    new_name(session, Cleaner, name, old, project_id=project_id)
    return new_name(session, Importer, name, old, project_id=project_id)


def _check_clock(session: Session, importer: Importer, changed: set[str]) -> None:
    if not changed & {"clock", "timezone"}:
        return
    Clock(importer.clock, importer.timezone)  # type: ignore[arg-type]  # refuses what it does not know
    read_once = importer.gate is not None and importer.gate.after_import == gate_files.DELETE
    if read_once and series_by_name(session, importer.id):
        raise InvalidInput.field("clock", "What was imported cannot be read anew by it: the gate deletes its files.")


def _checked(session: Session, principal: Principal, project_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(fields)
    check_crontab(values)
    check_choices(values, {"file_order": file_choice.ORDERS, "repeated_hour": open_hours.CHOICES})
    check_frequencies(values, "plausible_ahead", zero=True)
    if ".." in values.get("folder", "").split("/"):
        raise InvalidInput.field("folder", "This may not lead out of the gate.")
    if gate_files.is_reserved(values.get("folder", "")):
        raise InvalidInput.field("folder", "This folder is the server's: it holds files that were read.")
    if "gate" in values:
        gate_id = values["gate_id"] = values.pop("gate")
        if gate_id is not None and get(session, principal, Gate, gate_id).project_id != project_id:
            raise InvalidInput.field("gate", "This gate is of another project.")
    return values


def _follow(session: Session, importer: Importer, changed: Collection[str], again: Again) -> None:
    """Follow a change of an importer: its schedule, and what it made by an older script."""
    actions.schedule(session, importer)
    # What was read of files that are deleted then cannot be read again.
    unique = importer.gate is not None and importer.gate.after_import == gate_files.DELETE
    # Nor can what was pushed be.
    unique = unique or any(series.pushed for series in series_by_name(session, importer.id).values())
    if not _PARSING_FIELDS & set(changed) or unique:
        return
    if again != _ALL and {"gate", "folder"} & set(changed):
        raise InvalidInput.field("again", "With another gate or folder, all is made anew.")
    if not again.made:
        return
    if series_by_name(session, importer.id):
        actions.require_unlocked(session, importer)
        then_run = importer.active or again.from_us is not None
        actions.enqueue_clear(
            session, importer, instant_us=again.from_us, utc=again.from_us is not None, then_run=then_run
        )
    else:
        # Of what was read nothing came, or nothing was: it is read by what the importer is now.
        file_choice.forget(session, importer)


def _delete_what_it_made(session: Session, importer: Importer) -> None:
    """Delete what the importer and its cleaner made; the caller deletes the records themselves."""
    schedules.remove(session, f"importer:{importer.id}")
    channels = session.scalars(select(Channel.id).where(Channel.cleaner_id == importer.cleaner.id)).all()
    versions.forget(session, channels)
    for channel_id in channels:
        invalidations.forget(session, channel_id)
    for generator in (importer.cleaner, importer):
        actions.mark_obsolete(session, generator, drop_series(session, generator))
        forget_generator(session, generator.id)
