"""Frequencies of a design, by turbine and reference."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from entrepot.client.owi.analyses.base import (
    BaseAnalysis,
    number,
    register_analysis,
    required,
    rows_of,
    scope_of,
    whole,
)
from entrepot.client.owi.charts import by_turbine, records
from entrepot.client.owi.models import AnalysisKind, ResultSeries, ResultVector
from entrepot.client.owi.plots import plot_rows

_NO_METRICS = ("turbine", "reference", "site_id", "location_id")


@register_analysis
class LifetimeDesignFrequencies(BaseAnalysis):
    """Frequencies by turbine, reference and metric: rows of inputs have ``turbine``, ``reference`` and the metrics.

    Plots are ``comparison`` (by reference), ``location`` (by turbine) and ``geo`` (a map).
    """

    analysis_name = "LifetimeDesignFrequencies"
    analysis_kind = "comparison"
    result_scope = "location"

    def validate_inputs(self, payload: Any) -> list[dict[str, Any]]:
        """Return the rows of inputs, each with its ``metrics``: what else than turbine, reference and ids it has."""
        checked = []
        for at, row in enumerate(rows_of(payload)):
            turbine, reference = str(required(row, "turbine", at)), str(required(row, "reference", at))
            metrics: dict[str, float] = {}
            for name, value in row.items():
                metric = str(name).strip().upper()
                if name in _NO_METRICS or (found := number(value, str(name), at)) is None:
                    continue
                if not metric or metric in metrics:
                    raise ValueError(f"Row {at}: the metric {name!r} has no name, or the same as another.")
                metrics[metric] = found
            ids = {name: whole(row, name) for name in ("site_id", "location_id")}
            checked.append({"turbine": turbine, "reference": reference, "metrics": metrics, **ids})
        return checked

    def to_results(self, payload: Any) -> list[ResultSeries]:
        """Return a row for each turbine and metric, whose values are those of its references."""
        found: dict[tuple[Any, ...], list[tuple[str, float]]] = {}
        for row in self.validate_inputs(payload):
            for metric, value in row["metrics"].items():
                key = (row["turbine"], metric, row["site_id"], row["location_id"])
                found.setdefault(key, []).append((row["reference"], value))
        return [
            ResultSeries(
                analysis_name=self.analysis_name,
                analysis_kind=AnalysisKind.COMPARISON,
                result_scope=scope_of(location_id),
                short_description=f"{turbine} - {metric}",
                site_id=site_id,
                location_id=location_id,
                data_additional={"reference_labels": [reference for reference, _ in values]},
                vectors=[
                    ResultVector(name="reference_index", unit="index", values=list(map(float, range(len(values))))),
                    ResultVector(name=metric, unit="Hz", values=[value for _, value in values]),
                ],
            )
            for (turbine, metric, site_id, location_id), values in found.items()
        ]

    def from_results(self, results: Sequence[ResultSeries]) -> pd.DataFrame:
        """Return a line for each turbine, metric and reference."""
        lines = []
        for result in results:
            turbine, separator, metric = result.short_description.rpartition(" - ")
            labels = result.data_additional.get("reference_labels", [])
            labels = [labels] if isinstance(labels, str) else list(labels)
            for at, (x, y) in enumerate(zip(*(vector.values for vector in result.vectors[:2]), strict=True)):
                reference = str(labels[at] if at < len(labels) else x)
                lines.append(
                    {
                        "x": reference,
                        "y": y,
                        "series_name": result.short_description,
                        "turbine": turbine if separator else metric,
                        "metric": metric if separator else result.vectors[1].name,
                        "reference": reference,
                        "location_id": result.location_id,
                        "site_id": result.site_id,
                    }
                )
        return pd.DataFrame(lines)

    def plots(self, results: Sequence[ResultSeries], locations: pd.DataFrame) -> Mapping[str, Callable[[], Any]]:
        """Return what draws each plot."""
        drawn = records(results)
        return {
            "comparison": lambda: plot_rows(drawn, "comparison"),
            "location": lambda: by_turbine(self.from_results(results), "Frequencies by turbine", "Hz"),
            **dict.fromkeys(("geo", "map"), lambda: plot_rows(drawn, "map", locations=locations)),
        }
