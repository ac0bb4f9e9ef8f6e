"""One channel: all its settings, and raw beside cleaned for any time, before it is saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot.errors import EntrepotError
from entrepot.pipeline import configuration
from entrepot.pipeline.cleaning.function_texts import parted
from entrepot.pipeline.models import Channel
from entrepot.series.models import Series
from entrepot.server.api import channels as api
from entrepot.server.api.importer_models import ChannelChanges, ChannelSettings, ChannelShown, ChannelTrial
from entrepot.server.api.runs import RunShown
from entrepot.server.console import forms, plans, trials
from entrepot.server.console.explorer import at_of
from entrepot.server.console.form_page import Deletion, refusal, status_of
from entrepot.server.console.forms import Entry
from entrepot.server.console.making import deleting
from entrepot.server.console.native import PageUnit, attempted
from entrepot.server.console.page import Page, form, render
from entrepot.server.console.versions import version_of
from entrepot.server.endpoint import Call

_SETTINGS = tuple(ChannelSettings.model_fields)
_ALL = ("raw", "name", *_SETTINGS)
_FOLLOWS = "The series that it made goes with it, for good; the raw series stays."


@dataclass(frozen=True)
class ChannelView:
    """What the page of a channel shows.

    Attributes
    ----------
    channel, entries, version
        The channel, its settings, and of which version they are.
    version_shown
        Which version of its functions was taken back and is not saved yet.
    since, until
        For which time it is tried, as typed; by default the last week of the raw series.
    may_write, refusal, deletion
        Whether the caller may change it; why what was typed was not taken; how it is deleted.
    """

    channel: Channel
    entries: Sequence[Entry]
    version: str
    version_shown: int | None
    since: str
    until: str
    may_write: bool
    refusal: str
    deletion: Deletion


def _show(call: Call, error: EntrepotError | None = None) -> Response:
    channel = configuration.get(call.session, call.principal, Channel, call.path["id"])
    cleaner = channel.cleaner
    taken = version_of(call, channel.id, "channel", call.query.get("version", ""))
    saved = forms.typed_of(ChannelShown.shown(channel), _ALL)
    typed = call.content or (saved | parted(taken.script) if taken else saved)
    shown = forms.entries(ChannelChanges, _ALL, typed, error)
    raw = call.session.scalar(
        select(Series).where(Series.generator_id == cleaner.importer_id, Series.name == channel.raw)
    )
    last = at_of(raw.last) if raw is not None else None
    view = ChannelView(
        channel=channel,
        entries=shown,
        version=typed.get("version", str(channel.version)),
        version_shown=taken.version if taken else None,
        since=typed.get("since", _day(last, -7)),
        until=typed.get("until", _day(last, 1)),
        may_write=call.principal.can("write", cleaner.organization_id, cleaner.project_id),
        refusal=refusal(error, shown),
        deletion=Deletion(f"/console/channels/{channel.id}/delete", "channel", channel.name, _FOLLOWS),
    )
    return render(call, "channel.html", status_of(error), view=view)


def _day(instant: datetime | None, days: int) -> str:
    return "" if instant is None else f"{instant.astimezone(UTC) + timedelta(days=days):%Y-%m-%d}"


def _try(call: Call) -> Response:
    channel = configuration.get(call.session, call.principal, Channel, call.path["id"], "write")
    typed, unit = call.content, PageUnit(call)
    names = ("raw", *_SETTINGS)

    def act() -> RunShown:
        window = {
            name: forms.instant(typed[at])
            for name, at in (("from", "since"), ("to", "until"))
            if typed.get(at, "").strip()
        }
        given = forms.read(ChannelTrial, names, typed, importer=channel.cleaner.importer_id, **window)
        return api.try_channel(unit, given)

    return trials.begun(call, *attempted(call.session, act))


def _plan(call: Call) -> Response:
    channel = configuration.get(call.session, call.principal, Channel, call.path["id"], "write")
    return plans.shown(call, channel.cleaner.project_id, lambda: _changed(call))


def _save(call: Call) -> Response:
    channel = configuration.get(call.session, call.principal, Channel, call.path["id"], "write")
    cleaner_id = channel.cleaner_id
    _, error = attempted(call.session, lambda: _changed(call))
    return _show(call, error) if error else RedirectResponse(f"/console/cleaners/{cleaner_id}", 303)


def _changed(call: Call) -> None:
    unit = PageUnit(call, call.content.get("version", ""))
    api.change_channel(unit, call.path["id"], forms.read(ChannelChanges, _ALL, call.content))


PAGES = (
    Page("GET", "/console/channels/{id}", _show, "series", "read"),
    Page("POST", "/console/channels/{id}", _save, "series", "write", parse=form, body="large"),
    Page("POST", "/console/channels/{id}/try", _try, "series", "write", parse=form, body="large"),
    Page("POST", "/console/channels/{id}/plan", _plan, "series", "write", parse=form, body="large"),
    deleting(
        "/console/channels/{id}/delete",
        Channel,
        api.delete_channel,
        lambda channel: f"/console/cleaners/{channel.cleaner_id}",
    ),
)
