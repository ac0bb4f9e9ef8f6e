"""Measured frequencies over time, to verify a design."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from entrepot.client.owi.analyses.base import (
    BaseAnalysis,
    instant,
    number,
    register_analysis,
    required,
    rows_of,
    scope_of,
    whole,
)
from entrepot.client.owi.charts import by_turbine, by_water_depth, records
from entrepot.client.owi.models import AnalysisKind, ResultSeries, ResultVector
from entrepot.client.owi.plots import plot_rows

_METRICS = ("FA1", "SS1", "SS2", "FA2")
_KNOWN = {"timestamp", "turbine", "site_id", "location_id", *_METRICS, *map(str.lower, _METRICS)}


@register_analysis
class LifetimeDesignVerification(BaseAnalysis):
    """Frequencies over time: rows of inputs have ``timestamp`` (with a zone), ``turbine`` and any of FA1 to SS2.

    Plots are ``time_series``, ``comparison`` (by turbine) and ``water_depth_trend``.
    """

    analysis_name = "LifetimeDesignVerification"
    analysis_kind = "time_series"
    result_scope = "location"
    default_plot_type = "time_series"

    def validate_inputs(self, payload: Any) -> list[dict[str, Any]]:
        """Return the rows of inputs, each with its instant and ``metrics``."""
        checked = []
        for at, row in enumerate(rows_of(payload)):
            turbine, stamp = str(required(row, "turbine", at)), required(row, "timestamp", at)
            if unknown := sorted(set(row) - _KNOWN):
                raise ValueError(f"Row {at}: there is no {unknown[0]!r}.")
            timestamp = datetime.fromisoformat(stamp) if isinstance(stamp, str) else stamp
            if timestamp.tzinfo is None:
                raise ValueError(f"Row {at}, timestamp: {timestamp} has no zone.")
            named = {name: row[name] if name in row else row.get(name.lower()) for name in _METRICS}
            metrics = {name: number(value, name, at) for name, value in named.items()}
            ids = {name: whole(row, name) for name in ("site_id", "location_id")}
            checked.append({"turbine": turbine, "seconds": timestamp.timestamp(), "metrics": metrics, **ids})
        return checked

    def to_results(self, payload: Any) -> list[ResultSeries]:
        """Return a row for each turbine and metric, in the order of time."""
        found: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
        for row in self.validate_inputs(payload):
            for metric, value in row["metrics"].items():
                if value is not None:
                    key = (row["turbine"], metric, row["site_id"], row["location_id"])
                    found.setdefault(key, []).append((row["seconds"], value))
        return [
            ResultSeries(
                analysis_name=self.analysis_name,
                analysis_kind=AnalysisKind.TIME_SERIES,
                result_scope=scope_of(location_id),
                short_description=f"{turbine} - {metric}",
                site_id=site_id,
                location_id=location_id,
                data_additional={"turbine": turbine, "metric": metric, "series_key": f"{turbine}:{metric}"},
                vectors=[
                    ResultVector(name="timestamp", unit="s", values=[seconds for seconds, _ in ordered]),
                    ResultVector(name=metric.lower(), unit="Hz", values=[value for _, value in ordered]),
                ],
            )
            for (turbine, metric, site_id, location_id), values in found.items()
            for ordered in [sorted(values, key=lambda pair: pair[0])]
        ]

    def from_results(self, results: Sequence[ResultSeries]) -> pd.DataFrame:
        """Return a line for each turbine, metric and instant."""
        return pd.DataFrame(
            [
                {
                    "analysis_id": result.analysis_id,
                    "x": instant(seconds),
                    "y": value,
                    "series_name": result.short_description,
                    "turbine": result.data_additional.get("turbine", result.short_description),
                    "metric": result.data_additional.get("metric", result.vectors[1].name.upper()),
                    "location_id": result.location_id,
                    "result_additional_data": result.data_additional,
                }
                for result in results
                for seconds, value in zip(*(vector.values for vector in result.vectors[:2]), strict=True)
            ]
        )

    def plots(self, results: Sequence[ResultSeries], locations: pd.DataFrame) -> Mapping[str, Callable[[], Any]]:
        """Return what draws each plot."""
        return {
            "time_series": lambda: plot_rows(records(results), "time_series"),
            "comparison": lambda: by_turbine(self.from_results(results), "Mean frequencies by turbine", "Hz"),
            "water_depth_trend": lambda: by_water_depth(
                self.from_results(results), locations, "Mean frequencies by water depth", "Hz"
            ),
        }
