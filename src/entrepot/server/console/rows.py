"""Rows: choose analyses and see their rows as a plot."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, select
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.plots.figures import KINDS, Plot
from entrepot.rows import Row, RowAnalysis, analyses
from entrepot.rows.checks import key
from entrepot.server.api import rows_plot
from entrepot.server.console.page import Page, render
from entrepot.server.endpoint import Call

_MOST_ANALYSES = 1000
_MOST_CHOSEN = 20
_MOST_LISTED = 100


@dataclass
class Choice:
    """What the form asks for."""

    analyses: list[int]
    options: dict[str, str]
    vector: str
    contains: str

    @classmethod
    def of(cls, call: Call) -> "Choice":
        """Read the query string; NotFound when an analysis is not the caller's."""
        texts = call.query.getlist("analysis")
        if len(texts) > _MOST_CHOSEN:
            raise InvalidInput.field("analysis", f"Choose {_MOST_CHOSEN} at most.")
        try:
            ids = [key(text) for text in texts]
        except ValueError as error:
            raise InvalidInput.field("analysis", str(error)) from None
        for id_ in ids:
            analyses.get(call.session, call.principal, id_)
        options = {name: text for name in rows_plot.OPTIONS if (text := call.query.get(name, "").strip())}
        return cls(ids, options, call.query.get("vector", ""), call.query.get("contains", "").strip())

    @property
    def filters(self) -> list[tuple[str, str]]:
        """The filters of the rows."""
        found = [("analysis", str(id_)) for id_ in self.analyses]
        if self.vector:
            found.append(("name_col2", self.vector))
        if self.contains:
            found.append(("short_description__icontains", self.contains))
        return found

    @property
    def query(self) -> str:
        """The query string of the plot."""
        chosen = [*(("analysis", str(id_)) for id_ in self.analyses), *self.options.items()]
        return urlencode([*chosen, ("vector", self.vector), ("contains", self.contains)])

    def figure(self, call: Call) -> Plot:
        """Return the plot."""
        if not self.analyses:
            raise InvalidInput.field("analysis", "Choose one or more.")
        return rows_plot.figure(call.session, call.principal, self.filters, self.options)


def _page(call: Call) -> Response:
    choice = Choice.of(call)
    refusal, status = "", 200
    if choice.analyses:
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
        rows=_listed(call, choice),
        most=_MOST_LISTED,
    )


def _plot(call: Call) -> Response:
    plot, format_ = Choice.of(call).figure(call), call.query.get("format", "html")
    response = rows_plot.written(plot, format_)
    if "download" in call.query:
        response.headers["content-disposition"] = f'attachment; filename="rows.{format_}"'
    return response


def _known(call: Call) -> list[dict[str, Any]]:
    own = call.principal.own(RowAnalysis)
    of_it = (Row.organization_id == RowAnalysis.organization_id, Row.analysis_id == RowAnalysis.id)
    count = select(func.count(Row.id)).where(*of_it).correlate(RowAnalysis).scalar_subquery()
    query = select(RowAnalysis.id, RowAnalysis.name, RowAnalysis.timestamp, count.label("rows")).where(own)
    found = call.session.execute(query.order_by(RowAnalysis.id.desc()).limit(_MOST_ANALYSES))
    return [dict(one._mapping) for one in found]  # noqa: SLF001 - SQLAlchemy's documented name


def _vectors(call: Call, choice: Choice) -> list[str]:
    query = select(Row.name_col2).where(*_of(call, choice)).distinct().order_by(Row.name_col2)
    return list(call.session.scalars(query)) if choice.analyses else []


def _of(call: Call, choice: Choice) -> tuple[Any, ...]:
    return Row.organization_id == call.principal.organization_id, Row.analysis_id.in_(choice.analyses)


def _listed(call: Call, choice: Choice) -> list[Any]:
    columns = (Row.id, Row.analysis_id, Row.short_description, Row.name_col1, Row.units_col1, Row.name_col2)
    query = select(*columns, Row.units_col2, Row.name_col3, Row.units_col3, Row.locked)
    query = query.where(*_of(call, choice)).order_by(Row.short_description, Row.id)
    return list(call.session.execute(query.limit(_MOST_LISTED))) if choice.analyses else []


PAGES = (
    Page("GET", "/console/rows", _page, "rows", "read"),
    Page("GET", "/console/rows/plot", _plot, "rows", "read"),
)
