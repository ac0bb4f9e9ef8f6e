"""Plots of result rows."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from entrepot import units
from entrepot.plots.figures import KINDS, Kind, NotDrawable, Plot, Trace

Numbers = npt.NDArray[np.float64]


def plot_rows(
    rows: pd.DataFrame,
    kind: Kind | None = None,
    *,
    locations: pd.DataFrame | None = None,
    unit: str | None = None,
    x_unit: str | None = None,
    title: str | None = None,
) -> Plot:
    """Describe a figure of rows, a table with a column for each of their fields.

    Parameters
    ----------
    kind
        What to draw; by default what the first row's ``extra`` says that it is (``analysis_kind``), else a comparison.
    locations
        For maps: a table of locations with ``id``, ``name``, ``northing`` and ``easting`` (degrees).
    unit, x_unit
        Units to convert to (second vector; first and third): by default those of the first row. A map shows the mean
        of each location's second vectors.

    Raises
    ------
    NotDrawable
        There is nothing to draw, or a unit does not convert into the wanted one.
    """
    records: list[dict[str, Any]] = rows.to_dict(orient="records")  # type: ignore[assignment]
    if not records:
        raise NotDrawable("There are no rows to plot.")
    kind = kind or _extra(records[0]).get("analysis_kind", "comparison")
    if kind not in KINDS:
        raise NotDrawable(f"{kind!r} is no kind of plot; there are {', '.join(KINDS)}.")
    first = records[0]
    unit = first["unit2"] if unit is None else unit
    values = [convert(_numbers(row["values2"]), row["unit2"], unit) for row in records]
    name = _common([row["name2"] for row in records])
    several = len({row.get("result_set") for row in records}) > 1
    if kind == "map":
        return _map(records, values, locations, title or f"{name} by location", _axis(name, unit))
    labels = kind == "comparison" and all(_extra(row).get("reference_labels") for row in records)
    if kind == "time_series":
        x_unit = "s"
    elif x_unit is None:
        x_unit = first["unit1"]
    traces = []
    for row, numbers in zip(records, values, strict=True):
        shown = f"{row['name']} · {row['result_set']}" if several else str(row["name"])
        traces.append(_trace(shown, row, numbers, kind, x_unit, labels=labels))
    x_name = _common([row["name1"] for row in records])
    x_title = {"time_series": "time (UTC)"}.get(kind, "" if labels else _axis(x_name, x_unit))
    return Plot(kind, title or name, x_title, _axis(name, unit), traces)


def _trace(shown: str, row: Mapping[str, Any], numbers: Numbers, kind: str, x_unit: str, *, labels: bool) -> Trace:
    x: Any = convert(_numbers(row["values1"]), row["unit1"], x_unit)
    # Without a place there is nothing to draw; a gap in what is drawn leaves one in the figure.
    placed = np.isfinite(x) | labels
    x, y = x[placed], numbers[placed]
    width = None
    if kind == "histogram":
        x, width = _bars(row, x, placed, x_unit)
    elif kind == "time_series":
        x = [datetime.fromtimestamp(seconds, UTC) for seconds in x.tolist()]
    elif labels:
        x = [str(label) for label in _extra(row)["reference_labels"]]
        if len(x) != len(y):
            raise NotDrawable(f"{row['name']}: as many reference labels as values are needed.")
    return Trace(shown, x, y.tolist(), width)


def convert(values: Numbers, unit: str, wanted: str) -> Numbers:
    """Return values in another unit.

    Raises
    ------
    NotDrawable
        One does not convert into the other.
    """
    try:
        return units.convert(values, unit, wanted)
    except units.Incompatible as error:
        raise NotDrawable(str(error)) from None


def _bars(
    row: Mapping[str, Any], left: Numbers, placed: npt.NDArray[np.bool_], unit: str
) -> tuple[list[float], list[float]]:
    """Return the middles and widths of a histogram's bars; without a right edge, a bar ends where the next begins."""
    last = left[-1] - left[-2] if len(left) > 1 else 1.0
    right = np.append(left[1:], left[-1:] + last)
    if isinstance(row.get("values3"), (list, np.ndarray)) and len(row["values3"]):
        given = convert(_numbers(row["values3"]), row["unit3"], unit)[placed]
        right = np.where(np.isnan(given), right, given)
    return ((left + right) / 2).tolist(), (right - left).tolist()


def _map(
    records: Sequence[Mapping[str, Any]],
    values: Sequence[Numbers],
    locations: pd.DataFrame | None,
    title: str,
    color_title: str,
) -> Plot:
    if locations is None or locations.empty:
        raise NotDrawable("A map needs locations with northing and easting.")
    placed = locations.dropna(subset=["northing", "easting"]).set_index("id")
    by_location: dict[int, list[Numbers]] = {}
    for row, numbers in zip(records, values, strict=True):
        known = numbers[~np.isnan(numbers)]
        if known.size and not pd.isna(row["location"]) and int(row["location"]) in placed.index:
            by_location.setdefault(int(row["location"]), []).append(known)
    if not by_location:
        raise NotDrawable("No row has values and a location with northing and easting.")
    chosen = placed.loc[list(by_location)]
    trace = Trace(
        "locations",
        chosen["easting"].tolist(),
        chosen["northing"].tolist(),
        color=[float(np.concatenate(numbers).mean()) for numbers in by_location.values()],
        labels=[str(label) for label in chosen["name"]],
    )
    return Plot("map", title, "longitude (degrees)", "latitude (degrees)", [trace], f"mean {color_title}")


def _numbers(values: Any) -> Numbers:
    return np.asarray(values, float)


def _extra(row: Mapping[str, Any]) -> Mapping[str, Any]:
    found = row.get("extra")
    return found if isinstance(found, Mapping) else {}


def _common(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _axis(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit and unit != "index" else name
