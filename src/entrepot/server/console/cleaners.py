"""A cleaner: its channels as a table that is edited in bulk, with what a change would compute again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.identity import Project
from entrepot.pipeline import configuration
from entrepot.pipeline.generators.finding import series_by_name
from entrepot.pipeline.models import Channel, Cleaner
from entrepot.server.api import channels as api
from entrepot.server.api.importer_models import ChannelChanges, ChannelRequest, ChannelShown
from entrepot.server.console import forms, plans, sheets
from entrepot.server.console.form_page import refusal, status_of
from entrepot.server.console.listing import as_csv, asks_csv
from entrepot.server.console.native import PageUnit, attempted
from entrepot.server.console.page import Page, form, render
from entrepot.server.console.sheets import Sheet, SheetColumn
from entrepot.server.endpoint import Call

_YES_NO = ("yes", "no")
COLUMNS = (
    SheetColumn("raw", "Raw series"),
    SheetColumn("name", "Name"),
    SheetColumn("title", "Title"),
    SheetColumn("unit", "Unit"),
    SheetColumn("raw_kind", "Raw kind", ("", "instant", "mean", "amount")),
    SheetColumn("kind", "Kind", ("instant", "mean", "amount", "rate")),
    SheetColumn("clock", "Clock"),
    SheetColumn("step", "Step"),
    SheetColumn("rule", "Rule", ("mean", "first", "sum")),
    SheetColumn("minimum", "Minimum"),
    SheetColumn("maximum", "Maximum"),
    SheetColumn("fill", "Fill"),
    SheetColumn("completeness", "Completeness"),
    SheetColumn("active", "Active", _YES_NO),
)
NAMES = tuple(one.name for one in COLUMNS)


@dataclass(frozen=True)
class Made:
    """A channel as the page lists it: the series that it makes, where there is one, and the raw one."""

    channel: Channel
    series: str
    raw: str


@dataclass(frozen=True)
class CleanerView:
    """What the page of a cleaner shows.

    Attributes
    ----------
    cleaner, project
        The cleaner and what it belongs to.
    sheet
        Its channels, with those that are proposed but not saved.
    channels
        Those that there are, with the ids of the series that they make and read.
    without
        Raw series that have no channel.
    is_proposed
        Whether channels for these are in the table, not saved.
    may_write, refusal, deletes
        Whether the caller may change it; why what was typed was not taken; whether channels may go.
    """

    cleaner: Cleaner
    project: Project
    sheet: Sheet
    channels: Sequence[Made]
    without: Sequence[str]
    is_proposed: bool
    may_write: bool
    refusal: str
    deletes: bool


def _show(call: Call, error: EntrepotError | None = None) -> Response:
    cleaner = configuration.get(call.session, call.principal, Cleaner, call.path["id"])
    channels = _channels(call, cleaner)
    if asks_csv(call):
        lines = ([*_row(ChannelShown.shown(one)).values()] for one in channels)
        return as_csv(f"{cleaner.name} channels", [one.label for one in COLUMNS], lines)
    raw, made = series_by_name(call.session, cleaner.importer_id), series_by_name(call.session, cleaner.id)
    known = {one.raw for one in channels}
    without = [name for name in sorted(raw) if name not in known]
    is_proposed = bool(without) and (call.query.get("add") == "raw" or not channels)
    rows = [_row(ChannelShown.shown(one)) for one in channels]
    if is_proposed:
        rows += [_proposed(name, raw[name].unit) for name in without]
    typed: Mapping[str, str] = call.content or {}
    fields = error.fields if isinstance(error, InvalidInput) else {}
    text = typed.get("channels", sheets.written(NAMES, rows))
    columns = [
        SheetColumn(one.name, one.label, one.choices, sorted(raw) if one.name == "raw" else ()) for one in COLUMNS
    ]
    view = CleanerView(
        cleaner=cleaner,
        project=call.session.get_one(Project, cleaner.project_id),
        sheet=Sheet("channels", "Channels", columns, text, sheets.wrong_cells("channels", fields)),
        channels=[
            Made(one, made[one.name].id if one.name in made else "", raw[one.raw].id if one.raw in raw else "")
            for one in channels
        ],
        without=without,
        is_proposed=is_proposed and not typed,
        may_write=call.principal.can("write", cleaner.organization_id, cleaner.project_id),
        refusal=refusal(error),
        deletes=typed.get("deletes") == "true",
    )
    return render(call, "cleaner.html", status_of(error), view=view)


def _save(call: Call) -> Response:
    cleaner = configuration.get(call.session, call.principal, Cleaner, call.path["id"], "write")
    _, error = attempted(call.session, lambda: _take(call, cleaner))
    return _show(call, error) if error else RedirectResponse(f"/console/cleaners/{cleaner.id}", 303)


def _plan(call: Call) -> Response:
    cleaner = configuration.get(call.session, call.principal, Cleaner, call.path["id"], "write")
    said: list[str] = []
    return plans.shown(call, cleaner.project_id, lambda: said.extend(_take(call, cleaner)), said)


def _take(call: Call, cleaner: Cleaner) -> list[str]:
    """Make the channels of a cleaner what the table says, and return what that made, changed and deleted, in words."""
    unit = PageUnit(call)
    there = {one.raw: one for one in _channels(call, cleaner)}
    rows = sheets.rows_of(call.content.get("channels", ""), NAMES, "channels")
    wanted: dict[str, int] = {}
    for number, row in enumerate(rows):
        name = row.get("raw", "")
        if name in wanted:
            raise InvalidInput.field(f"channels.{number}.raw", f"Row {wanted[name] + 1} is of this series, too.")
        wanted[name] = number
    gone = [one for raw, one in there.items() if raw not in wanted]
    if gone and call.content.get("deletes") != "true":
        names = ", ".join(one.name for one in gone[:5])
        raise InvalidInput.field(
            "deletes", f"The table is without {names}: say that they are to be deleted, or put them back."
        )
    for one in gone:
        api.delete_channel(unit, one.id)
    made, changed = [], []
    for number, row in enumerate(rows):
        existing = there.get(row.get("raw", ""))
        version = existing.version if existing is not None else 0
        with _naming(number):
            shown = _taken(unit, cleaner, existing, row)
        if existing is None:
            made.append(shown.name)
        elif shown.version != version:
            changed.append(shown.name)
    words = (("Made", made), ("Changed", changed), ("Deleted, with their series", [one.name for one in gone]))
    return [f"{what}: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}." for what, names in words if names] or [
        "Nothing differs."
    ]


def _taken(unit: PageUnit, cleaner: Cleaner, existing: Channel | None, row: Mapping[str, str]) -> ChannelShown:
    typed = {
        name: {"yes": "true", "no": "false"}.get(cell, cell) if name == "active" else cell for name, cell in row.items()
    }
    if existing is not None:
        return api.change_channel(unit, existing.id, forms.read(ChannelChanges, typed, typed))
    # What is left out of a new row is as usual.
    given = {name: cell for name, cell in typed.items() if cell.strip()}
    fixed = {"importer": cleaner.importer_id}
    return api.create_channel(unit, forms.read(ChannelRequest, given, given, **fixed))


class _naming:  # noqa: N801 - it reads as a statement
    """Say of what is found wrong inside that it is of this row."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, InvalidInput):
            rename: Callable[[str], str] = lambda name: f"channels.{self._number}.{name}"  # noqa: E731
            raise (
                error.renamed(rename) if error.fields else InvalidInput.field(rename("raw"), error.message)
            ) from error


def _channels(call: Call, cleaner: Cleaner) -> list[Channel]:
    query = select(Channel).where(Channel.cleaner_id == cleaner.id).order_by(Channel.name, Channel.number)
    return list(call.session.scalars(query))


def _row(shown: ChannelShown) -> dict[str, str]:
    return {name: sheets.plain(getattr(shown, name)) for name in NAMES}


def _proposed(raw: str, unit: str) -> dict[str, str]:
    """Return a row for a raw series that has no channel: what clients and files say most often."""
    usual: Any = {**forms.defaults(ChannelRequest, NAMES), "active": "yes", "clock": "UTC", "unit": unit}
    return {**usual, "raw": raw, "name": raw}


PAGES = (
    Page("GET", "/console/cleaners/{id}", _show, "series", "read"),
    Page("POST", "/console/cleaners/{id}", _save, "series", "write", parse=form, body="large"),
    Page("POST", "/console/cleaners/{id}/plan", _plan, "series", "write", parse=form, body="large"),
)
