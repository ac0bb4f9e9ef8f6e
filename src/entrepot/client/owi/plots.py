"""Plots of result rows, with this client's errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from entrepot.client.owi.exceptions import InvalidParameterError
from entrepot.plots import figures, rows

#: What the columns of rows are called by this client, and by what draws them.
_NAMES = {
    "short_description": "name",
    "analysis": "result_set",
    "additional_data": "extra",
    **{
        f"{word}_col{number}": f"{name}{number}"
        for word, name in (("name", "name"), ("units", "unit"), ("value", "values"))
        for number in (1, 2, 3)
    },
}


class Plot(figures.Plot):
    """A figure of one kind, with what is written at its axes."""

    def save(self, path: str | Path) -> Path:
        """Write a page or a PNG, by the ending of the name."""
        with _translated():
            return super().save(path)


def plot_rows(table: pd.DataFrame, kind: figures.Kind | None = None, **options: Any) -> Plot:
    """Describe a figure of rows, as :meth:`ResultsAPI.list_results` returns them in ``data``.

    Parameters
    ----------
    kind, options
        Those of :func:`entrepot.plots.rows.plot_rows`.

    Raises
    ------
    InvalidParameterError
        There is nothing to draw, or a unit does not convert into the wanted one.
    """
    with _translated():
        if (locations := options.get("locations")) is not None:
            options["locations"] = locations.rename(columns={"title": "name"})
        return Plot(**vars(rows.plot_rows(table.rename(columns=_NAMES), kind, **options)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except figures.NotDrawable as error:
        raise InvalidParameterError(error.message) from None
