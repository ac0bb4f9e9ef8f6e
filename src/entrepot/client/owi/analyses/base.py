"""What analyses have in common: checked inputs to rows, rows to a table, and plots of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from entrepot.client.owi.charts import PlotResponse, records
from entrepot.client.owi.exceptions import InvalidParameterError
from entrepot.client.owi.models import ResultScope, ResultSeries
from entrepot.client.owi.plots import plot_rows

#: The analyses by name.
registry: dict[str, type["BaseAnalysis"]] = {}


def register_analysis(analysis: type["BaseAnalysis"]) -> type["BaseAnalysis"]:
    """Make an analysis known by its ``analysis_name``."""
    registry[analysis.analysis_name] = analysis
    return analysis


class BaseAnalysis:
    """An analysis: how its inputs become rows, and rows a table.

    Attributes
    ----------
    analysis_name
        What its analyses are called on the server.
    default_plot_type
        What is drawn when nothing else is asked for.
    """

    analysis_name = "base"
    analysis_kind = "comparison"
    result_scope = "site"
    default_plot_type = "comparison"

    def validate_inputs(self, payload: Any) -> Any:
        """Return inputs that are right; ValueError says what is wrong with others."""
        return payload

    def compute(self, payload: Any) -> pd.DataFrame:
        """Return the inputs as a table with a line for each value."""
        return self.from_results(self.to_results(payload))

    def to_results(self, payload: Any) -> list[ResultSeries]:
        """Return the rows that inputs make."""
        raise NotImplementedError

    def from_results(self, results: Sequence[ResultSeries]) -> pd.DataFrame:
        """Return the table that rows were made of, with a line for each value."""
        raise NotImplementedError

    def plot(
        self,
        results: Sequence[ResultSeries],
        plot_type: str | None = None,
        *,
        locations: pd.DataFrame | None = None,
    ) -> PlotResponse:
        """Draw rows.

        Parameters
        ----------
        plot_type
            What to draw; by default the :attr:`default_plot_type`.
        locations
            Where the rows' locations are, for maps and depths.

        Raises
        ------
        InvalidParameterError
            The analysis has no such plot, or there is nothing to draw.
        """
        chosen = plot_type or self.default_plot_type
        plots = self.plots(results, pd.DataFrame() if locations is None else locations)
        if chosen not in plots:
            raise InvalidParameterError(f"{self.analysis_name} has no plot {chosen!r}; it has {', '.join(plots)}.")
        if not results:
            raise InvalidParameterError("There are no rows to plot.")
        return PlotResponse(plots[chosen]())

    def plots(self, results: Sequence[ResultSeries], _locations: pd.DataFrame) -> Mapping[str, Callable[[], Any]]:
        """Return what draws each of the analysis' plots, by type."""
        return {self.default_plot_type: lambda: plot_rows(records(results), self.default_plot_type)}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def rows_of(payload: Any, name: str = "rows") -> list[Any]:
    """Return the rows of inputs, of which there is at least one."""
    rows = payload.get(name) if isinstance(payload, Mapping) else getattr(payload, name, None)
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise ValueError(f"{name}: give at least one.")
    return list(rows)


def required(row: Any, name: str, at: int) -> Any:
    """Return a field of a row that has to be there."""
    if not isinstance(row, Mapping) or row.get(name) is None:
        raise ValueError(f"Row {at}: {name} is missing.")
    return row[name]


def number(value: Any, name: str, at: int) -> float | None:
    """Return a number, None where there is none."""
    try:
        converted = None if value is None else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"Row {at}, {name}: {value!r} is no number.") from None
    return None if converted is None or math.isnan(converted) else converted


def whole(row: Mapping[str, Any], name: str) -> int | None:
    """Return an id of a row, None where there is none."""
    value = row.get(name)
    return None if value is None or value != value else int(value)  # noqa: PLR0124 - a table's NaN


def scope_of(location_id: int | None) -> ResultScope:
    """Return what a row is about."""
    return ResultScope.SITE if location_id is None else ResultScope.LOCATION


def instant(seconds: float | None) -> str | None:
    """Return an epoch in ISO 8601; a gap stays one."""
    if seconds is None or math.isnan(seconds):
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat()
