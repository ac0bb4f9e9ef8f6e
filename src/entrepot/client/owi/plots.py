"""Plots of result rows: one description of a figure, written as a page that needs no network, or as a PNG.

Needs the packages of ``entrepot[plots]``.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from entrepot.client.owi.exceptions import InvalidParameterError

if TYPE_CHECKING:
    import matplotlib.axes

Kind = Literal["comparison", "histogram", "time_series", "map"]
KINDS: tuple[Kind, ...] = ("comparison", "histogram", "time_series", "map")
Numbers = npt.NDArray[np.float64]


@dataclass
class Trace:
    """A line, some bars or some points of a figure.

    Attributes
    ----------
    x, y
        Where; `x` is numbers, texts or, of time series, datetimes in UTC.
    width
        Of bars, in the unit of `x`.
    color, labels
        Of points on a map: a number each, and what they are.
    """

    name: str
    x: Sequence[Any]
    y: Sequence[float]
    width: Sequence[float] | None = None
    color: Sequence[float] | None = None
    labels: Sequence[str] | None = None


@dataclass
class Plot:
    """A figure of one kind, with what is written at its axes."""

    kind: Kind
    title: str
    x_title: str
    y_title: str
    traces: list[Trace] = field(default_factory=list)
    color_title: str = ""

    def html(self) -> str:
        """Return a page with the interactive figure, which shows without a network."""
        from plotly import graph_objects as go

        figure = go.Figure([self._plotly(trace, go) for trace in self.traces])
        figure.update_layout(
            title=self.title, xaxis_title=self.x_title, yaxis_title=self.y_title, template="plotly_white"
        )
        if self.kind == "map":
            figure.update_yaxes(scaleanchor="x", scaleratio=self._aspect)
        if self.kind == "histogram":
            figure.update_layout(barmode="overlay")
        page = figure.to_html(
            include_plotlyjs=True,
            full_html=True,
            default_height="93vh",
            # That button would take the data elsewhere.
            config={"displaylogo": False, "modeBarButtonsToRemove": ["sendChartToCloud"], "responsive": True},
        )
        return str(page)

    def png(self, width: int = 1200, height: int = 700) -> bytes:
        """Return the figure as a PNG of so many pixels."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for trace in self.traces:
            self._matplotlib(trace, axes)
        axes.set(title=self.title, xlabel=self.x_title, ylabel=self.y_title)
        axes.grid(alpha=0.3)
        if self.kind == "map":
            axes.set_aspect(self._aspect)
            figure.colorbar(axes.collections[0], ax=axes, label=self.color_title)
        elif len(self.traces) > 1:
            axes.legend(fontsize="small")
        if self.kind == "time_series":
            figure.autofmt_xdate()
        out = io.BytesIO()
        figure.savefig(out, format="png")
        return out.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write a page or a PNG, by the ending of the name."""
        path = Path(path)
        match path.suffix.lower():
            case ".html":
                path.write_text(self.html(), encoding="utf-8")
            case ".png":
                path.write_bytes(self.png())
            case ending:
                raise InvalidParameterError(
                    f"{path.name}: cannot write {ending or 'without an ending'}; .html or .png."
                )
        return path

    @property
    def _aspect(self) -> float:
        """How much longer a degree of latitude is than one of longitude, where the map is."""
        return float(1 / max(np.cos(np.radians(np.mean(self.traces[0].y))), 0.01))

    def _bars(self, trace: Trace) -> tuple[list[float], list[float]]:
        """Return the middles and widths of a trace's bars, which share each bin with those of the other traces."""
        count = len(self.traces)
        shift = (next(number for number, each in enumerate(self.traces) if each is trace) + 0.5) / count - 0.5
        widths = list(trace.width or [])
        return [x + width * shift for x, width in zip(trace.x, widths, strict=True)], [w / count for w in widths]

    def _plotly(self, trace: Trace, go: Any) -> Any:
        if self.kind == "histogram":
            x, width = self._bars(trace)
            return go.Bar(name=trace.name, x=x, y=list(trace.y), width=width)
        if self.kind == "map":
            marker = {"color": list(trace.color or []), "size": 14, "colorbar": {"title": self.color_title}}
            marker |= {"colorscale": "Viridis", "showscale": True}
            shown = [f"{label}: {value:g}" for label, value in zip(trace.labels or [], trace.color or [], strict=True)]
            return go.Scatter(
                x=list(trace.x), y=list(trace.y), mode="markers+text", text=list(trace.labels or []),
                hovertext=shown, textposition="top center", marker=marker,
            )  # fmt: skip
        mode = "lines+markers" if len(trace.x) <= 1000 else "lines"
        return go.Scatter(name=trace.name, x=list(trace.x), y=list(trace.y), mode=mode)

    def _matplotlib(self, trace: Trace, axes: "matplotlib.axes.Axes") -> None:
        if self.kind == "histogram":
            x, width = self._bars(trace)
            axes.bar(x, list(trace.y), width=width, label=trace.name)
        elif self.kind == "map":
            axes.scatter(list(trace.x), list(trace.y), c=list(trace.color or []), s=80, cmap="viridis")
            for x, y, label in zip(trace.x, trace.y, trace.labels or [], strict=True):
                axes.annotate(label, (x, y), textcoords="offset points", xytext=(0, 8), ha="center", fontsize="small")
        else:
            axes.plot(list(trace.x), list(trace.y), marker="o" if len(trace.x) <= 200 else "", label=trace.name)


def plot_rows(
    rows: pd.DataFrame,
    kind: Kind | None = None,
    *,
    locations: pd.DataFrame | None = None,
    unit: str | None = None,
    x_unit: str | None = None,
    title: str | None = None,
) -> Plot:
    """Describe a figure of rows, as :meth:`ResultsAPI.list_results` returns them in ``data``.

    Parameters
    ----------
    kind
        What to draw; by default what the first row says that it is (``analysis_kind``), else a comparison.
    locations
        For maps: a table of locations with ``id``, ``title``, ``northing`` and ``easting`` (degrees).
    unit, x_unit
        Units to convert to (second vector; first and third): by default those of the first row. A map shows the mean
        of each location's second vectors.

    Raises
    ------
    InvalidParameterError
        There is nothing to draw, or a unit does not convert into the wanted one.
    """
    records: list[dict[str, Any]] = rows.to_dict(orient="records")  # type: ignore[assignment]
    if not records:
        raise InvalidParameterError("There are no rows to plot.")
    kind = kind or _additional(records[0]).get("analysis_kind", "comparison")
    if kind not in KINDS:
        raise InvalidParameterError(f"{kind!r} is no kind of plot; there are {', '.join(KINDS)}.")
    first = records[0]
    unit = first["units_col2"] if unit is None else unit
    values = [convert(_numbers(row["value_col2"]), row["units_col2"], unit) for row in records]
    name = _common([row["name_col2"] for row in records])
    several = len({row.get("analysis") for row in records}) > 1
    if kind == "map":
        return _map(records, values, locations, title or f"{name} by location", _axis(name, unit))
    labels = kind == "comparison" and all(_additional(row).get("reference_labels") for row in records)
    if kind == "time_series":
        x_unit = "s"
    elif x_unit is None:
        x_unit = first["units_col1"]
    traces = []
    for row, numbers in zip(records, values, strict=True):
        x: Any = convert(_numbers(row["value_col1"]), row["units_col1"], x_unit)
        # Without a place there is nothing to draw; a gap in what is drawn leaves one in the figure.
        placed = np.isfinite(x) | labels
        x, y = x[placed], numbers[placed]
        width = None
        if kind == "histogram":
            x, width = _bars(row, x, placed, x_unit)
        elif kind == "time_series":
            x = [datetime.fromtimestamp(seconds, UTC) for seconds in x.tolist()]
        elif labels:
            x = [str(label) for label in _additional(row)["reference_labels"]]
            if len(x) != len(y):
                raise InvalidParameterError(
                    f"{row['short_description']}: as many reference labels as values are needed."
                )
        shown = f"{row['short_description']} · {row['analysis']}" if several else str(row["short_description"])
        traces.append(Trace(shown, x, y.tolist(), width))
    x_name = _common([row["name_col1"] for row in records])
    x_title = {"time_series": "time (UTC)"}.get(kind, "" if labels else _axis(x_name, x_unit))
    return Plot(kind, title or name, x_title, _axis(name, unit), traces)


def convert(values: Numbers, unit: str, wanted: str) -> Numbers:
    """Return values in another unit.

    Raises
    ------
    InvalidParameterError
        One does not convert into the other.
    """
    if unit == wanted:
        return values
    import pint

    try:
        return np.asarray(_registry().Quantity(values, unit).to(wanted).magnitude, float)
    except (pint.errors.PintError, ValueError, AssertionError) as error:
        raise InvalidParameterError(f"{unit!r} does not convert into {wanted!r}: {error}") from None


def _registry() -> Any:
    import pint

    return pint.get_application_registry()  # type: ignore[no-untyped-call]


def _bars(
    row: Mapping[str, Any], left: Numbers, placed: npt.NDArray[np.bool_], unit: str
) -> tuple[list[float], list[float]]:
    """Return the middles and widths of a histogram's bars; without a right edge, a bar ends where the next begins."""
    last = left[-1] - left[-2] if len(left) > 1 else 1.0
    right = np.append(left[1:], left[-1:] + last)
    if isinstance(row.get("value_col3"), (list, np.ndarray)) and len(row["value_col3"]):
        given = convert(_numbers(row["value_col3"]), row["units_col3"], unit)[placed]
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
        raise InvalidParameterError("A map needs locations with northing and easting.")
    placed = locations.dropna(subset=["northing", "easting"]).set_index("id")
    by_location: dict[int, list[Numbers]] = {}
    for row, numbers in zip(records, values, strict=True):
        known = numbers[~np.isnan(numbers)]
        if known.size and not pd.isna(row["location"]) and int(row["location"]) in placed.index:
            by_location.setdefault(int(row["location"]), []).append(known)
    if not by_location:
        raise InvalidParameterError("No row has values and a location with northing and easting.")
    chosen = placed.loc[list(by_location)]
    trace = Trace(
        "locations",
        chosen["easting"].tolist(),
        chosen["northing"].tolist(),
        color=[float(np.concatenate(numbers).mean()) for numbers in by_location.values()],
        labels=[str(label) for label in chosen["title"]],
    )
    return Plot("map", title, "longitude (degrees)", "latitude (degrees)", [trace], f"mean {color_title}")


def _numbers(values: Any) -> Numbers:
    return np.asarray(values, float)


def _additional(row: Mapping[str, Any]) -> Mapping[str, Any]:
    found = row.get("additional_data")
    return found if isinstance(found, Mapping) else {}


def _common(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _axis(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit and unit != "index" else name
