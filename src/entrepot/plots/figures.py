"""Figures: one description, written as a page that needs no network, or as a PNG."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import matplotlib.axes

Kind = Literal["comparison", "histogram", "time_series", "map"]
KINDS: tuple[Kind, ...] = ("comparison", "histogram", "time_series", "map")


class NotDrawable(ValueError):
    """There is nothing to draw, or it cannot be drawn so."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


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
        from matplotlib.text import Text

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
        for text in figure.findobj(Text):
            text.set_parse_math(False)  # names of users are texts, and no formulas
        out = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # there is a box in its place
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
                raise NotDrawable(f"{path.name}: cannot write {ending or 'without an ending'}; .html or .png.")
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
