"""Channels: how each raw series of an importer becomes a regular one; and cleaners, which are all of an importer's."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query
from sqlalchemy.orm import selectinload

from entrepot.pipeline import configuration
from entrepot.pipeline.cleaning import configuration as cleaners
from entrepot.pipeline.models import Channel, Cleaner, Importer
from entrepot.pipeline.runs import channel_trials
from entrepot.server.api.importer_models import ChannelChanges, ChannelRequest, ChannelShown, ChannelTrial, CleanerShown
from entrepot.server.api.nouns import (
    Asked,
    InProject,
    Named,
    Page,
    Sought,
    listed,
    microseconds,
    named,
    named_page,
    of_project,
    project_names,
    resolve,
    to_change,
)
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.runs import RunShown, begun
from entrepot.server.api.versions import VersionShown, listed_versions

router = NativeRouter(tags=["channels"])


@router.serve("GET", "/channels", area="series", right="read")
def list_channels(
    unit: Unit,
    asked: Sought,
    importer: Annotated[str | None, Query(description="Id or name of the importer.")] = None,
    project: InProject = None,
    name: Named = None,
    raw: Annotated[str | None, Query(description="Exact name of the raw series.")] = None,
) -> Page[ChannelShown]:
    """List channels, by the name of what they make."""
    wanted = of_project(unit, project)
    if importer is not None:
        found = resolve(unit.session, unit.principal, Importer, importer, "importer", wanted.get("project_id"))
        wanted = {"cleaner_id": found.cleaner.id}
    query = named(unit, Channel, wanted | {"name": name, "raw": raw}, asked)
    query = query.options(selectinload(Channel.cleaner).selectinload(Cleaner.importer))
    return listed(unit, query, (Channel.name, Channel.id), asked, lambda rows: map(ChannelShown.shown, rows))


@router.serve("POST", "/channels", area="series", right="write", status=201)
def create_channel(unit: Unit, given: ChannelRequest) -> ChannelShown:
    """Have a raw series, which need not exist yet, made into a regular one; what there is of it is cleaned at once."""
    project_id = of_project(unit, given.project).get("project_id")
    importer = resolve(unit.session, unit.principal, Importer, given.importer, "importer", project_id)
    with ChannelRequest.naming():
        fields = {**_columns(given), "cleaner": importer.cleaner.id}
        return ChannelShown.shown(cleaners.create_channel(unit.session, unit.principal, fields))


@router.serve("POST", "/channels/try", area="series", right="write", status=202)
def try_channel(unit: Unit, given: ChannelTrial) -> RunShown:
    """Try how a channel would clean a raw series; nothing is written, and the run's `result` has both as a plot has."""
    project_id = of_project(unit, given.project).get("project_id")
    importer = resolve(unit.session, unit.principal, Importer, given.importer, "importer", project_id)
    start, end = map(microseconds, (given.from_, given.to))
    with ChannelTrial.naming():
        fields = _columns(given)
        return begun(
            unit, channel_trials.start(unit.session, unit.principal, importer.id, fields, start=start, end=end)
        )


@router.serve("GET", "/channels/{channel_id}", area="series", right="read")
def get_channel(unit: Unit, channel_id: str) -> ChannelShown:
    """Return a channel."""
    return ChannelShown.shown(configuration.get(unit.session, unit.principal, Channel, channel_id))


@router.serve("PATCH", "/channels/{channel_id}", area="series", right="write")
def change_channel(unit: Unit, channel_id: str, given: ChannelChanges) -> ChannelShown:
    """Change a channel; what it made is made anew."""
    to_change(unit, Channel, channel_id)
    with ChannelChanges.naming():
        changed = cleaners.update_channel(unit.session, unit.principal, channel_id, given.kept())
    return ChannelShown.shown(changed)


@router.serve("DELETE", "/channels/{channel_id}", area="series", right="write", status=204)
def delete_channel(unit: Unit, channel_id: str) -> None:
    """Delete a channel and the series that it made."""
    to_change(unit, Channel, channel_id)
    cleaners.delete_channel(unit.session, unit.principal, channel_id)


@router.serve("GET", "/channels/{channel_id}/versions", area="series", right="read")
def list_channel_versions(unit: Unit, channel_id: str, asked: Asked) -> Page[VersionShown]:
    """List the functions that a channel had, the newest first."""
    return listed_versions(unit, channel_id, "channel", asked)


@router.serve("GET", "/cleaners", area="series", right="read")
def list_cleaners(
    unit: Unit,
    asked: Sought,
    project: InProject = None,
    name: Named = None,
) -> Page[CleanerShown]:
    """List cleaners by name; each has the name of its importer."""

    def show(rows: Sequence[Cleaner]) -> list[CleanerShown]:
        names = project_names(unit, rows)
        return [CleanerShown.shown(one, names[one.project_id]) for one in rows]

    return named_page(unit, Cleaner, of_project(unit, project) | {"name": name}, asked, show, Cleaner.importer)


@router.serve("GET", "/cleaners/{cleaner_id}", area="series", right="read")
def get_cleaner(unit: Unit, cleaner_id: str) -> CleanerShown:
    """Return a cleaner."""
    cleaner = configuration.get(unit.session, unit.principal, Cleaner, cleaner_id)
    return CleanerShown.shown(cleaner, project_names(unit, [cleaner])[cleaner.project_id])


def _columns(given: ChannelRequest | ChannelTrial) -> dict[str, Any]:
    """Return all columns of a channel, what a raw value says being told by what is to come of it."""
    fields = given.kept(unset=True)
    if given.raw_kind is None:
        fields["raw_kind"] = "amount" if given.kind == "rate" else fields["kind"]
    return fields
