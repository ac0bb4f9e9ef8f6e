"""Series, and reading what they hold at once: up to a million points."""

import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from entrepot.client.ovbp.records import BaseModel
from entrepot.client.ovbp.util import Moment, given, moment_text

#: The most points with which the server answers a selection, shared among its series.
MOST_POINTS: Final = 1_000_000

SeriesData = dict[str, Any]


class Series(BaseModel):
    """A series of values over time."""

    def select_data(
        self,
        start: Moment | None = None,
        end: Moment | None = None,
        resample: str | None = None,
        dropna: bool | None = None,
        closed: str | None = None,
        resample_rule: str | None = None,
        convention: str | None = None,
        start_mode: str | None = None,
        utc_now: Moment | None = None,
        max_acceptable_delay: str | None = None,
        max_rows_nb: int | None = None,
        clock: str | None = None,
        with_tags: bool | None = None,
        unfilter: bool | None = None,
        return_se: bool = True,
    ) -> Any:
        """Return the series' values.

        Parameters
        ----------
        start, end
            The first and the last time, on the clock of what is returned; None: from the beginning, to the end.
        resample
            Step to bring the values to, such as ``1D``, ``6H`` or ``30T``; None: as they are.
        dropna
            Whether missing values are left out.
        closed
            Which of `start` and `end` belong to what is returned: ``left``, ``right`` or ``both`` (the default).
        resample_rule
            How values become one: ``mean`` (the default), ``sum``, ``first``, ``min``, ``max`` or ``last``.
        convention
            Whether steps are stamped at their start, ``left`` (the default), or at their end, ``right``.
        start_mode, utc_now, max_acceptable_delay, with_tags
            Passed on; without effect on Entrepot.
        max_rows_nb
            The most rows, the oldest first.
        clock
            Clock of the stamps: ``gmt``; ``tzt``, standard time all year; ``dst``, the time of the clocks on the
            wall; None: the series' own.
        unfilter
            Whether values that the cleaner filtered out are returned too, where they are kept.
        return_se
            Whether to return a series; otherwise what the server answered is returned as it is.

        Returns
        -------
        pandas.Series or dict
            Floats, missing ones NaN, by naive stamps in nanoseconds, ascending.

        Warns
        -----
        UserWarning
            There is more than the server answers at once.
        """
        params = given(
            start=moment_text(start),
            end=moment_text(end),
            resample=resample,
            dropna=dropna,
            closed=closed,
            resample_rule=resample_rule,
            convention=convention,
            start_mode=start_mode,
            utc_now=moment_text(utc_now),
            max_acceptable_delay=max_acceptable_delay,
            max_rows_nb=max_rows_nb,
            clock=clock,
            with_tags=with_tags,
            unfilter=unfilter,
        )
        data = self.detail_action("get", "select", params=params)
        warn_if_cut([data])
        return to_series(data) if return_se else data


def warn_if_cut(answers: list[SeriesData]) -> None:
    """Warn where a series of a selection has as many points as it may have: there may be more."""
    most = MOST_POINTS // max(len(answers), 1)
    if any(len(data["index"]) == most for data in answers):
        warnings.warn(
            f"A selection holds at most {MOST_POINTS:,} points, {most:,} for each series here, and this one is full: "
            "what comes later is missing. Export the data instead, or ask for shorter periods or fewer series.",
            stacklevel=3,
        )


def to_series(data: SeriesData) -> "pd.Series[float]":
    """Return a pandas series of what the server answers for one: stamps in milliseconds, values or null."""
    stamps = np.array(data["index"], dtype="int64").astype("datetime64[ms]")
    values = np.array(data["data"], dtype="float64")
    return pd.Series(values, pd.DatetimeIndex(stamps).as_unit("ns"))


def to_frame(answers: Mapping[str, SeriesData]) -> pd.DataFrame:
    """Return a frame of several series, a column for each in the order of the answer, named after it.

    Stamps are those that any of them has. Series of the same name, made by different generators, each keep a column.
    """
    columns = [to_series(data).rename(data["name"]) for data in answers.values()]
    return pd.concat(columns, axis=1, sort=True) if columns else pd.DataFrame(index=pd.DatetimeIndex([]))
