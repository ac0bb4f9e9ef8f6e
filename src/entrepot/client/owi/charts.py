"""What services answer a request for a plot with, and the plots that a single kind of analysis has."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from entrepot.client.owi.exceptions import InvalidParameterError
from entrepot.client.owi.plots import Plot
from entrepot.plots.figures import Trace


@dataclass(frozen=True)
class Notebook:
    """A plot as a cell of a notebook shows it."""

    page: str

    def _repr_html_(self) -> str:
        # In a frame of its own, the page's script and style touch nothing of the notebook.
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" sandbox="allow-scripts allow-downloads" width="100%" '
            'height="520" frameborder="0"></iframe>'
        )


@dataclass(frozen=True)
class PlotResponse:
    """A plot: ``chart`` describes it, ``notebook`` shows itself in a notebook, ``html`` is a page of its own."""

    chart: Plot

    @property
    def html(self) -> str:
        """A page that shows without a network."""
        return self.chart.html()

    @property
    def notebook(self) -> Notebook:
        """What a notebook displays."""
        return Notebook(self.html)

    @property
    def json_options(self) -> str:
        """The description of the plot as JSON."""
        return json.dumps({name: _plain(value) for name, value in vars(self.chart).items()}, default=str)


def by_turbine(frame: pd.DataFrame, title: str, unit: str) -> Plot:
    """Describe a figure of the means of each turbine, with a line for each metric (and reference, where there is one).

    Parameters
    ----------
    frame
        With ``turbine``, ``metric`` and ``y``, perhaps ``reference``.
    """
    _require(frame)
    keys = ["metric", "reference"] if "reference" in frame else ["metric"]
    traces = []
    for key, group in frame.groupby(keys, sort=False):
        means = group.groupby("turbine", sort=False)["y"].mean()
        traces.append(Trace(" · ".join(map(str, key)), [*map(str, means.index)], means.tolist()))
    return Plot("comparison", title, "turbine", f"value ({unit})", traces)


def by_water_depth(frame: pd.DataFrame, locations: pd.DataFrame, title: str, unit: str) -> Plot:
    """Describe a figure of the means of each location over the depth of its water."""
    _require(frame)
    depths = {} if locations.empty else locations.set_index("id")["elevation"].abs().to_dict()
    placed = frame.assign(depth=[depths.get(location, np.nan) for location in frame["location_id"]])
    placed = placed.dropna(subset=["depth"])
    if placed.empty:
        raise InvalidParameterError("No location has an elevation.")
    traces = []
    for metric, group in placed.groupby("metric", sort=False):
        means = group.groupby("depth")["y"].mean()
        traces.append(Trace(str(metric), means.index.tolist(), means.tolist()))
    return Plot("comparison", title, "water depth (m)", f"value ({unit})", traces)


def over_time(frame: pd.DataFrame, series: str, title: str) -> Plot:
    """Describe a figure with a line for each series (a column's values) and metric of a table over ``timestamp``."""
    _require(frame, "value")
    traces = []
    for (name, metric), group in frame.groupby([series, "metric"], sort=False):
        ordered = group.assign(at=pd.to_datetime(group["timestamp"], utc=True)).sort_values("at")
        traces.append(Trace(f"{name} - {metric}", ordered["at"].dt.to_pydatetime().tolist(), ordered["value"].tolist()))
    return Plot("time_series", title, "time (UTC)", "value", traces)


def _require(frame: pd.DataFrame, column: str = "y") -> None:
    if frame.empty or frame[column].isna().all():
        raise InvalidParameterError("There are no values to plot.")


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in vars(value).items()} if isinstance(value, Trace) else value


def records(results: Any) -> pd.DataFrame:
    """Return result series as the rows that :func:`~entrepot.client.owi.plots.plot_rows` takes."""
    rows: list[Mapping[str, Any]] = [one.to_record_payload(one.analysis_id or 0) for one in results]
    return pd.DataFrame(rows)
