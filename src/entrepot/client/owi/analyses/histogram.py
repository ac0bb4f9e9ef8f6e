"""Histograms of wind speed."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import pandas as pd

from entrepot.client.owi.analyses.base import BaseAnalysis, register_analysis, required, rows_of, scope_of, whole
from entrepot.client.owi.models import AnalysisKind, ResultSeries, ResultVector


@register_analysis
class WindSpeedHistogram(BaseAnalysis):
    """Histograms: each of ``series`` has ``title``, ``scope_label``, ``bins`` (pairs) and as many ``values``."""

    analysis_name = "WindSpeedHistogram"
    analysis_kind = "histogram"
    result_scope = "site"
    default_plot_type = "histogram"

    def validate_inputs(self, payload: Any) -> list[Mapping[str, Any]]:
        """Return the series of inputs."""
        series: list[Mapping[str, Any]] = rows_of(payload, "series")
        for at, one in enumerate(series):
            for name in ("title", "scope_label", "bins", "values"):
                required(one, name, at)
            if len(one["bins"]) != len(one["values"]):
                raise ValueError(f"Row {at}: {len(one['bins'])} bins and {len(one['values'])} values.")
        return series

    def to_results(self, payload: Any) -> list[ResultSeries]:
        """Return a row for each series."""
        units = payload if isinstance(payload, Mapping) else vars(payload)
        bin_unit, value_unit = units.get("bin_unit", "m/s"), units.get("value_unit", "count")
        return [
            ResultSeries(
                analysis_name=self.analysis_name,
                analysis_kind=AnalysisKind.HISTOGRAM,
                result_scope=scope_of(whole(one, "location_id")),
                short_description=str(one["title"]),
                description=None if pd.isna(one.get("description")) else str(one["description"]),
                site_id=whole(one, "site_id"),
                location_id=whole(one, "location_id"),
                data_additional={
                    "scope_label": one["scope_label"],
                    "series_key": one["title"],
                    **(one.get("metadata") or {}),
                },
                vectors=[
                    ResultVector(name="bin_left", unit=bin_unit, values=[left for left, _ in one["bins"]]),
                    ResultVector(name="value", unit=value_unit, values=list(one["values"])),
                    ResultVector(name="bin_right", unit=bin_unit, values=[right for _, right in one["bins"]]),
                ],
            )
            for one in self.validate_inputs(payload)
        ]

    def from_results(self, results: Sequence[ResultSeries]) -> pd.DataFrame:
        """Return a line for each series and bin."""
        lines = []
        for result in results:
            left, values, *rest = (vector.values for vector in result.vectors)
            for start, value, end in zip(left, values, rest[0] if rest else repeat(None), strict=False):
                lines.append(
                    {
                        "series_name": result.short_description,
                        "scope": result.data_additional.get("scope_label", result.result_scope.value),
                        "bin_left": start,
                        "bin_right": end,
                        "value": value,
                    }
                )
        return pd.DataFrame(lines)
