"""Corrosion, as sensors of CEIT measure it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from entrepot.client.owi.analyses.base import BaseAnalysis, instant, register_analysis, rows_of, scope_of
from entrepot.client.owi.charts import PlotResponse, over_time
from entrepot.client.owi.models import AnalysisKind, RelatedObject, ResultSeries, ResultVector

CORROSION_MONITORING_ANALYSIS_NAME = "CeitCorrosionMonitoring"
#: By metric: the field of the sensors' files, and the unit.
CEIT_METRICS: dict[str, tuple[str, str]] = {
    "temperature": ("temperatura", "degC"),
    "battery": ("bateria", "V"),
    "tof": ("Tof", "us"),
    "amplitude": ("Amplitude", "count"),
    "meas_gain": ("MeasGain", "gain"),
}
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")


@dataclass(frozen=True)
class CorrosionMonitoringRow:
    """What a sensor measured at an instant (UTC)."""

    sensor_identifier: str
    date: str
    time: str
    values: Mapping[str, float]  #: by metric
    site_id: int | None = None
    location_id: int | None = None
    related_object: RelatedObject | None = None

    @classmethod
    def model_validate(cls, item: Mapping[str, Any]) -> "CorrosionMonitoringRow":
        """Return the measurement that an object of a file describes; ValueError says what it lacks."""
        try:
            first = {name: item[source] for name, (source, _) in CEIT_METRICS.items()}
            values = {name: float(one[0] if isinstance(one, list) else one) for name, one in first.items()}
            row = cls(
                str(item["sensor_identifier"]), str(item["date"]), str(item["time"]), values,
                item.get("site_id"), item.get("location_id"), _related(item.get("related_object")),
            )  # fmt: skip
        except (KeyError, IndexError) as error:
            raise ValueError(f"A measurement lacks {error}.") from None
        _ = row.timestamp
        return row

    @property
    def timestamp(self) -> datetime:
        """When it was measured."""
        return datetime.strptime(f"{self.date} {self.time}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)

    def metric_values(self) -> dict[str, float]:
        """Return the values by metric."""
        return dict(self.values)

    def model_copy(self, *, update: Mapping[str, Any]) -> "CorrosionMonitoringRow":
        """Return the measurement with other fields."""
        changes = dict(update)
        if "related_object" in changes:
            changes["related_object"] = _related(changes["related_object"])
        return replace(self, **changes)


@dataclass(frozen=True)
class CorrosionMonitoringInput:
    """The inputs of the analysis: at least one measurement."""

    rows: Sequence[CorrosionMonitoringRow]


def load_ceit_measurements(path: str | Path) -> list[CorrosionMonitoringRow]:
    """Return the measurements of a file, whose JSON may have a comma too many at the end of a list."""
    text = _TRAILING_COMMA.sub("", Path(path).read_text(encoding="utf-8"))
    return [CorrosionMonitoringRow.model_validate(item) for item in json.loads(text)]


def ceit_frame_from_measurements(measurements: Sequence[CorrosionMonitoringRow]) -> pd.DataFrame:
    """Return a line for each sensor, instant and metric."""
    return pd.DataFrame(
        [
            _line(one.sensor_identifier, metric, one.timestamp.isoformat(), value, one)
            for one in measurements
            for metric, value in one.metric_values().items()
        ]
    )


def plot_ceit_analyses(data: pd.DataFrame) -> PlotResponse:
    """Draw a table of measurements: a line for each sensor and metric."""
    if missing := {"sensor_identifier", "timestamp", "metric", "value"} - set(data.columns):
        raise ValueError(f"Columns are missing: {', '.join(sorted(missing))}.")
    return PlotResponse(over_time(data, "sensor_identifier", "CEIT sensors"))


@register_analysis
class CorrosionMonitoring(BaseAnalysis):
    """Measurements of corrosion sensors over time."""

    analysis_name = CORROSION_MONITORING_ANALYSIS_NAME
    analysis_kind = "time_series"
    result_scope = "location"
    default_plot_type = "time_series"

    def validate_inputs(self, payload: Any) -> CorrosionMonitoringInput:
        """Return the inputs, whose rows may be objects of a file."""
        rows = rows_of(payload)
        made = [CorrosionMonitoringRow.model_validate(row) if isinstance(row, Mapping) else row for row in rows]
        return CorrosionMonitoringInput(made)

    def to_results(self, payload: Any) -> list[ResultSeries]:
        """Return a row for each sensor and metric, in the order of time."""
        found: dict[tuple[Any, ...], list[CorrosionMonitoringRow]] = {}
        for row in self.validate_inputs(payload).rows:
            related = row.related_object
            key = (row.sensor_identifier, row.site_id, row.location_id, *(vars(related).values() if related else ()))
            found.setdefault(key, []).append(row)
        results = []
        for rows in (found[key] for key in sorted(found, key=repr)):
            rows.sort(key=lambda row: row.timestamp)
            results += [_series(rows, metric) for metric in CEIT_METRICS]
        return results

    def from_results(self, results: Sequence[ResultSeries]) -> pd.DataFrame:
        """Return a line for each sensor, instant and metric."""
        return pd.DataFrame(
            [
                _line(
                    str(result.data_additional.get("sensor_identifier", "unknown")),
                    str(result.data_additional.get("metric", result.vectors[1].name)),
                    instant(seconds),
                    value,
                    result,
                )
                for result in results
                for seconds, value in zip(*(vector.values for vector in result.vectors[:2]), strict=True)
            ]
        )

    def plots(self, results: Sequence[ResultSeries], _locations: pd.DataFrame) -> Mapping[str, Callable[[], Any]]:
        """Return what draws the plot."""
        return {"time_series": lambda: plot_ceit_analyses(self.from_results(results)).chart}


def _series(rows: Sequence[CorrosionMonitoringRow], metric: str) -> ResultSeries:
    first, (source, unit) = rows[0], CEIT_METRICS[metric]
    name, related = f"{first.sensor_identifier}:{metric}", first.related_object
    return ResultSeries(
        analysis_name=CORROSION_MONITORING_ANALYSIS_NAME,
        analysis_kind=AnalysisKind.TIME_SERIES,
        result_scope=scope_of(first.location_id),
        short_description=name,
        description=f"{metric} of the sensor {first.sensor_identifier} over time.",
        site_id=first.site_id,
        location_id=first.location_id,
        related_object=related,
        data_additional={
            "sensor_identifier": first.sensor_identifier,
            "metric": metric,
            "series_key": name,
            "source_field": source,
            "related_object_type": related.type if related else None,
            "related_object_id": related.id if related else None,
        },
        vectors=[
            ResultVector(name="timestamp", unit="s", values=[row.timestamp.timestamp() for row in rows]),
            ResultVector(name=metric, unit=unit, values=[row.values[metric] for row in rows]),
        ],
    )


def _line(
    sensor: str, metric: str, timestamp: str | None, value: float | None, of: CorrosionMonitoringRow | ResultSeries
) -> dict[str, Any]:
    related = of.related_object
    return {
        "analysis_name": CORROSION_MONITORING_ANALYSIS_NAME,
        "sensor_identifier": sensor,
        "metric": metric,
        "timestamp": timestamp,
        "value": value,
        "site_id": of.site_id,
        "location_id": of.location_id,
        "related_object_type": related.type if related else None,
        "related_object_id": related.id if related else None,
    }


def _related(value: Any) -> RelatedObject | None:
    return RelatedObject(**value) if isinstance(value, Mapping) else value
