# Made of aio/series.py by `make sync-face`: change that one.
"""Series: values over time, read and written as frames."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import pandas as pd

from entrepot.client import frames
from entrepot.client.frames import Frame, Instant, Reading
from entrepot.client.things import Collection, Result

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from entrepot.client.lineage import Explanation

_MOST_DRAWN = 20_000


class SeriesPlot:
    """A plot of points of a series, drawn here: it needs ``entrepot[plots]``."""

    def __init__(self, series: "Series", ends: tuple[Instant | None, Instant | None], options: dict[str, Any]) -> None:
        self._series, self._ends, self._options = series, ends, options

    def save(self, file: Path | str) -> Path:
        """Save it as a page (``.html``) or a picture (``.png``).

        Raises
        ------
        ValueError
            The name of the file ends otherwise.
        """
        from entrepot.plots.series import plot_series

        target = Path(file)
        if target.suffix not in (".html", ".png"):
            raise ValueError(f"{target.name}: plots are saved as .html or .png.")
        points = self._series.read(*self._ends, **self._options)
        times = pd.DatetimeIndex(points.index)
        stamps = times.tz_localize(None).to_numpy() if times.tz is None else times.tz_convert(None).to_numpy()
        unit = self._options.get("unit") or self._series.record.get("unit") or ""
        plot = plot_series(
            self._series.name, unit, stamps, points.to_numpy("float64"), utc=times.tz is not None, most=_MOST_DRAWN
        )
        target.write_bytes(plot.html().encode() if target.suffix == ".html" else plot.png())
        return target


class Series(Result):
    """Values over time."""

    kinds, kind = "series", "series"

    def write(self, points: Any) -> dict[str, int]:
        """Write points; the last write of an instant wins.

        Parameters
        ----------
        points
            A pandas Series of floats with a DatetimeIndex, or a frame (pandas, Polars, Arrow) with the columns
            ``time`` and ``value``. Times without a zone are UTC. NaN is no point.

        Returns
        -------
        Numbers of points ``added``, ``replaced`` and ``unchanged``.
        """
        content = frames.stream_of(self.id, points)
        answer = self.connection.send("POST", "/api/v1/points", content=content, content_type=frames.MEDIA)
        written: dict[str, int] = answer.json()
        return written

    @overload
    def read(
        self,
        from_: Instant | None = None,
        to: Instant | None = None,
        *,
        frame: Literal["pandas"] = "pandas",
        **options: Unpack[Reading],
    ) -> pd.Series: ...

    @overload
    def read(
        self,
        from_: Instant | None = None,
        to: Instant | None = None,
        *,
        frame: Literal["polars"],
        **options: Unpack[Reading],
    ) -> "pl.DataFrame": ...

    @overload
    def read(
        self,
        from_: Instant | None = None,
        to: Instant | None = None,
        *,
        frame: Literal["arrow"],
        **options: Unpack[Reading],
    ) -> "pa.Table": ...

    def read(
        self,
        from_: Instant | None = None,
        to: Instant | None = None,
        *,
        frame: Frame = "pandas",
        **options: Unpack[Reading],
    ) -> Any:
        """Return points of ``[from_, to)``, or what becomes of them by ``step``.

        Parameters
        ----------
        from_, to
            Ends; without a zone they are of the clock, where one is given, else UTC. A text that names a year, a month
            or a day, with no `to`, is all of it: ``"2014-03"``.
        frame
            What is returned: ``pandas`` (a Series named like this one, its index in UTC), ``polars`` or ``arrow``
            (frames with the columns ``time`` and ``value``).
        step
            Such as ``1h`` or ``1 day``.
        aggregate
            How the points of a step become one: ``mean`` (the default), ``sum``, ``first``, ``last``, ``min``,
            ``max``, ``count``, ``weighted_mean`` (by time).
        clock
            Whose days, weeks and months the steps are: ``UTC`` (the default), ``Europe/Paris``, or ``Europe/Paris
            standard`` (without summer time).
        unit
            That the values are converted to.
        limit
            Most points, the oldest.
        """
        start, end = frames.interval(from_, to, options.get("clock"))
        asked = {"format": "arrow", "from": start, "to": end, **options}
        params = {name: value for name, value in asked.items() if value is not None}
        response = self.connection.request("GET", f"{self.path}/points", params=params)
        return frames.framed(response.content, self.name, frame)

    def delete_points(self, from_: Instant | None = None, to: Instant | None = None) -> int:
        """Delete the points of ``[from_, to)``, and return how many; one end at least is needed.

        Ends without a zone are UTC, or stamps as delivered where the series' clock is not known.
        """
        ends = (("from", from_), ("to", to))
        params = {name: frames.instant(at) for name, at in ends if at is not None}
        answer: dict[str, int] = self.connection.json("DELETE", f"{self.path}/points", params=params)
        return answer["deleted"]

    def explain(self, at: Instant | None = None) -> "Explanation":
        """Return the runs that made the series, or its point at an instant, with what each of them read."""
        from entrepot.client.lineage import Explanation

        params = {"at": frames.instant(at)} if at is not None else {}
        found = self.connection.json("GET", f"/api/v1/lineage/series/{self.id}", params=params)
        return Explanation(found["items"])

    def plot(self, from_: Instant | None = None, to: Instant | None = None, **options: Any) -> SeriesPlot:
        """Return a plot of its points, to be saved; arguments are those of :meth:`read`."""
        return SeriesPlot(self, (from_, to), options)


class SeriesCollection(Collection[Series]):
    """Series, perhaps of one project."""

    def bare(self, id: str, /, name: str = "") -> Series:  # noqa: A002 - it is one
        """Return the series of this id without asking, for keys that may write to it and nothing else."""
        return Series(self._connection, {"id": id, "name": name or id})
