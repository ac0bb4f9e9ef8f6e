"""Result sets side by side: what differs between them first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from sqlalchemy import select
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.rows.compare import MOST_SETS, Comparison, Field
from entrepot.rows.models import Location, ModelDefinition, ResultSet
from entrepot.server.api.result_sets_compared import ComparisonRequest, compared
from entrepot.server.console import listing
from entrepot.server.console.listing import Cell, Link, Listing, page_number
from entrepot.server.console.native import PageUnit
from entrepot.server.console.page import Page, render
from entrepot.server.endpoint import Call

_ADDRESS = "/console/rows/compare"
_SETS, _MOST_FIELDS = 6, 300
_FILTERS = (
    ("q", "Name has"),
    ("model", "Model, by name or id"),
    ("location", "Location, by name or id"),
    ("where", "Lookup, as location__name__startswith=BB"),
    ("unit", "Unit"),
)


@dataclass(frozen=True)
class Column:
    """A result set: its name, what it is of, and where it is shown."""

    name: str
    of: str
    address: str


@dataclass(frozen=True)
class Line:
    """A field: what it is, how much it differs in words, its extremes, and its values of the sets that are shown."""

    row: str
    vector: str
    at: str
    unit: str
    differs: str
    plot: str
    lowest: Link | None
    highest: Link | None
    values: Sequence[Cell]


@dataclass(frozen=True)
class Compared:
    """What the page shows.

    Attributes
    ----------
    fields
        By what result sets are chosen.
    chosen
        Ids that are chosen one by one.
    is_asked
        Whether any are asked for.
    said
        How many are compared, and what of them differs.
    columns, lines, more
        The sets that are shown, the fields, and how many fields there are besides.
    earlier, later, csv
        Where other sets are shown, and all of it as CSV; empty where there is none.
    refusal
        Why they cannot be compared.
    """

    fields: Sequence[listing.Field]
    chosen: Sequence[str]
    is_asked: bool
    said: str = ""
    columns: Sequence[Column] = ()
    lines: Sequence[Line] = ()
    more: int = 0
    earlier: str = ""
    later: str = ""
    csv: str = ""
    refusal: str = ""


def _show(call: Call) -> Response:
    chosen = call.query.getlist("result_set")[: MOST_SETS + 1]
    typed = {name: call.query.get(name, "").strip() for name, _ in _FILTERS}
    fields = [listing.Field(name, label, typed[name]) for name, label in _FILTERS]
    if not chosen and not any(typed[name] for name in typed if name != "unit"):
        return render(call, "rows_compared.html", view=Compared(fields, (), False))
    try:
        found = compared(PageUnit(call), _request(chosen, typed))
    except InvalidInput as error:
        view = Compared(fields, chosen, True, refusal=error.message)
        return render(call, "rows_compared.html", error.status, view=view)
    if call.query.get("format") == "csv":
        return _csv(call, found)
    return render(call, "rows_compared.html", view=_view(call, found, fields, chosen))


def _request(chosen: Sequence[str], typed: dict[str, str]) -> ComparisonRequest:
    if len(chosen) > MOST_SETS:
        raise InvalidInput.field("result_set", f"At most {MOST_SETS:,} can be compared.")
    units = [one for one in typed["unit"].replace(",", " ").split() if one][:10]
    if chosen:
        return ComparisonRequest(result_sets=list(chosen), unit=units)
    given = {name: typed[name] or None for name in ("q", "model", "location")}
    if any(len(text or "") > 200 for text in given.values()):
        raise InvalidInput.field("q", "This is longer than 200 characters.")
    return ComparisonRequest(**given, where=[typed["where"]] if typed["where"] else None, unit=units)


def _view(call: Call, found: Comparison, fields: Sequence[listing.Field], chosen: Sequence[str]) -> Compared:
    number = page_number(call)
    first = (number - 1) * _SETS
    shown = range(first, min(first + _SETS, len(found.sets)))
    columns = _columns(call, found.sets)
    count = len(found.sets)
    sets = "result set" if count == 1 else "result sets"
    said = f"{count:,} {sets}: {found.differing:,} of {len(found.fields):,} values differ."
    if len(shown) < count:
        said += f" Values of {first + 1:,} to {first + len(shown):,} are shown; the CSV has all."
    return Compared(
        fields,
        chosen,
        True,
        said=said,
        columns=[columns[at] for at in shown],
        lines=[_line(one, found, columns, shown) for one in found.fields[:_MOST_FIELDS]],
        more=max(0, len(found.fields) - _MOST_FIELDS),
        earlier=_address(call, page=str(number - 1)) if number > 1 else "",
        later=_address(call, page=str(number + 1)) if first + _SETS < count else "",
        csv=_address(call, format="csv", page=None),
    )


def _columns(call: Call, sets: Sequence[ResultSet]) -> list[Column]:
    names: dict[type[Location] | type[ModelDefinition], dict[int, str]] = {}
    for model, ids in (
        (Location, {one.location_id for one in sets}),
        (ModelDefinition, {one.model_definition_id for one in sets}),
    ):
        own = model.organization_id == call.principal.organization_id
        known = call.session.execute(select(model.id, model.name).where(own, model.id.in_(ids - {None})))
        names[model] = {row.id: row.name for row in known}
    at = [names[Location].get(one.location_id or 0, "") for one in sets]
    of = [names[ModelDefinition].get(one.model_definition_id, "") for one in sets]
    return [
        Column(
            one.name,
            " · ".join(filter(None, (place, model, f"{one.made_at:%Y-%m-%d}"))),
            f"/console/rows?result_set={one.id}",
        )
        for one, place, model in zip(sets, at, of, strict=True)
    ]


def _line(one: Field, found: Comparison, columns: Sequence[Column], shown: Sequence[int]) -> Line:
    def extreme(at: int | None) -> Link | None:
        if at is None or not one.differs:
            return None
        return Link(f"{_said(one.values[at])} ({columns[at].of.partition(' · ')[0]})", columns[at].address)

    differs = f"{one.difference:.1%}" if one.difference else ""
    if one.missing:
        differs = ", ".join(filter(None, (differs, f"{one.missing:,} have none")))
    sets = [found.sets[at].id for at in shown]
    plot = urlencode([*(("result_set", str(each)) for each in sets), ("contains", one.row)])
    return Line(
        one.row, one.vector, one.at, one.unit, differs, f"/console/rows?{plot}" if one.row else "",
        extreme(one.lowest), extreme(one.highest), [_said(one.values[at]) for at in shown],
    )  # fmt: skip


def _said(value: float | str | None) -> str:
    if value is None:
        return ""
    return value[:200] if isinstance(value, str) else f"{value:.6g}"


def _csv(call: Call, found: Comparison) -> Response:
    columns = _columns(call, found.sets)
    names = [f"{one.name} · {one.of}" for one in columns]

    def rows() -> Iterator[tuple[Cell, ...]]:
        for one in found.fields:
            yield (one.row, one.vector, one.at, one.unit, one.difference, one.missing, *one.values)

    every = rows()
    read = lambda _, most: list(islice(every, most))  # noqa: E731 - one after the other
    head = ("Row", "Vector", "At", "Unit", "Difference", "Have none")
    return Listing("Result sets compared", (*head, *names), read).shown(call)


def _address(call: Call, **changed: str | None) -> str:
    kept = [(name, value) for name, value in call.query.multi_items() if name not in changed]
    return f"{_ADDRESS}?{urlencode([*kept, *((name, value) for name, value in changed.items() if value is not None)])}"


PAGES = (Page("GET", _ADDRESS, _show, "rows", "read"),)
