"""Plots of series: as a figure, and as text in a terminal."""

from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from entrepot.plots.figures import NotDrawable, Plot, Trace

_LINES = 24


def plot_series(
    name: str, unit: str, times: npt.NDArray[Any], values: npt.NDArray[np.float64], *, utc: bool, most: int
) -> Plot:
    """Describe a figure of a series.

    Parameters
    ----------
    utc
        Whether the times are instants in UTC; else they are as they were delivered.
    most
        How many points to draw at most: of more, the means of as many in a row as it takes.
    """
    each = max(1, -(-len(times) // most))
    starts = np.arange(0, len(times), each)
    if each > 1:
        values = np.add.reduceat(values, starts) / np.diff(starts, append=len(values))
    stamps = times[starts].astype("datetime64[us]").tolist()
    return Plot(
        "time_series",
        f"{name}, means of {each} points" if each > 1 else name,
        "time (UTC)" if utc else "time, as delivered",
        f"{name} ({unit})" if unit else name,
        [Trace(name, stamps, values.tolist())],
    )


def in_terminal(frame: pd.DataFrame, width: int, *, colors: bool) -> str:
    """Draw a table, with a column for each series over its instants, in so many columns of a terminal.

    Raises
    ------
    NotDrawable
        It has no value, or plotext is not installed.
    """
    try:
        import plotext
    except ImportError:
        raise NotDrawable("Plots need plotext: pip install plotext") from None
    if frame.empty:
        raise NotDrawable("There is no value to plot.")
    first, last = frame.index[0], frame.index[-1]
    figure: Any = plotext.figure
    figure.clear()
    figure.plot_size(width, _LINES)
    figure.title(f"{first:%Y-%m-%d %H:%M} – {last:%Y-%m-%d %H:%M}")
    figure.date("x").activate(form="%Y-%m-%d" if last - first > timedelta(days=7) else "%m-%d %H:%M")
    for name in frame.columns:
        present = frame[name].dropna()
        signal = figure.signal(list(present.index), present.tolist())
        signal.lines()
        signal.label(name)
        figure.draw(signal)
    return str(figure.build().string(colorless=not colors))
