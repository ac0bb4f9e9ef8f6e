"""Rows: choose result sets and see their rows as a plot."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, select
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.plots.figures import KINDS, Plot
from entrepot.rows import ResultSet, Row, result_sets
from entrepot.rows.checks import key
from entrepot.server.api import rows_plot
from entrepot.server.console.listing import as_csv, asks_csv
from entrepot.server.console.page import Page, render
from entrepot.server.endpoint import Call

_MOST_SETS = 1000
_MOST_CHOSEN = 20
_MOST_LISTED, _MOST_IN_CSV = 100, 100_000
_COLUMNS = ("Id", "Result set", "Row", "Vector 1", "Unit 1", "Vector 2", "Unit 2", "Vector 3", "Unit 3", "Locked")


@dataclass
class Choice:
    """What the form asks for."""

    sets: list[int]
    options: dict[str, str]
    vector: str
    contains: str

    @classmethod
    def of(cls, call: Call) -> "Choice":
        """Read the query string; NotFound when a result set is not the caller's."""
        texts = call.query.getlist("result_set")
        if len(texts) > _MOST_CHOSEN:
            raise InvalidInput.field("result_set", f"Choose {_MOST_CHOSEN} at most.")
        try:
            ids = [key(text) for text in texts]
        except ValueError as error:
            raise InvalidInput.field("result_set", str(error)) from None
        for id_ in ids:
            result_sets.get(call.session, call.principal, id_)
        options = {name: text for name in rows_plot.OPTIONS if (text := call.query.get(name, "").strip())}
        return cls(ids, options, call.query.get("vector", ""), call.query.get("contains", "").strip())

    @property
    def filters(self) -> list[tuple[str, str]]:
        """The filters of the rows."""
        found = [("result_set", str(id_)) for id_ in self.sets]
        if self.vector:
            found.append(("name2", self.vector))
        if self.contains:
            found.append(("name__icontains", self.contains))
        return found

    @property
    def query(self) -> str:
        """The query string of the plot."""
        chosen = [*(("result_set", str(id_)) for id_ in self.sets), *self.options.items()]
        return urlencode([*chosen, ("vector", self.vector), ("contains", self.contains)])

    def figure(self, call: Call) -> Plot:
        """Return the plot."""
        if not self.sets:
            raise InvalidInput.field("result_set", "Choose one or more.")
        return rows_plot.figure(call.session, call.principal, self.filters, self.options)


def _page(call: Call) -> Response:
    choice = Choice.of(call)
    if asks_csv(call):
        return as_csv("rows", _COLUMNS, _listed(call, choice, _MOST_IN_CSV))
    refusal, status = "", 200
    if choice.sets:
        try:
            choice.figure(call)
        except InvalidInput as error:
            refusal, status = error.message, error.status
    return render(
        call,
        "rows.html",
        status,
        choice=choice,
        refusal=refusal,
        kinds=KINDS,
        known=_known(call),
        vectors=_vectors(call, choice),
        rows=_listed(call, choice, _MOST_LISTED),
        most=_MOST_LISTED,
    )


def _plot(call: Call) -> Response:
    plot, format_ = Choice.of(call).figure(call), call.query.get("format", "html")
    response = rows_plot.written(plot, format_)
    if "download" in call.query:
        response.headers["content-disposition"] = f'attachment; filename="rows.{format_}"'
    return response


def _known(call: Call) -> list[dict[str, Any]]:
    own = call.principal.own(ResultSet)
    of_it = (Row.organization_id == ResultSet.organization_id, Row.result_set_id == ResultSet.id)
    count = select(func.count(Row.id)).where(*of_it).correlate(ResultSet).scalar_subquery()
    query = select(ResultSet.id, ResultSet.name, ResultSet.made_at, count.label("rows")).where(own)
    found = call.session.execute(query.order_by(ResultSet.id.desc()).limit(_MOST_SETS))
    return [dict(one._mapping) for one in found]  # noqa: SLF001 - SQLAlchemy's documented name


def _vectors(call: Call, choice: Choice) -> list[str]:
    query = select(Row.name2).where(*_of(call, choice)).distinct().order_by(Row.name2)
    return list(call.session.scalars(query)) if choice.sets else []


def _of(call: Call, choice: Choice) -> tuple[Any, ...]:
    return Row.organization_id == call.principal.organization_id, Row.result_set_id.in_(choice.sets)


def _listed(call: Call, choice: Choice, most: int) -> list[Any]:
    columns = (Row.id, Row.result_set_id, Row.name, Row.name1, Row.unit1, Row.name2)
    query = select(*columns, Row.unit2, Row.name3, Row.unit3, Row.locked)
    query = query.where(*_of(call, choice)).order_by(Row.name, Row.id)
    return list(call.session.execute(query.limit(most))) if choice.sets else []


PAGES = (
    Page("GET", "/console/rows", _page, "rows", "read"),
    Page("GET", "/console/rows/plot", _plot, "rows", "read"),
)
