"""A channel's functions, which are users' texts, called in the sandbox."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from entrepot import jobs
from entrepot.pipeline.generators.reports import heard, note_old, stamps_of
from entrepot.scripts import Outcome, ScriptRunner
from entrepot.series.clocks import Mask, Stamps
from entrepot.series.resample import Values


class ScriptFunctions:
    """A channel's functions, each called in the sandbox."""

    def __init__(self, context: jobs.JobContext, configuration: dict[str, Any]) -> None:
        self._context = context
        self._runner: ScriptRunner = context.services["scripts"]
        self._configuration = configuration
        self.output = ""
        #: What is old in them, as in a run's report.
        self.old: dict[str, Any] = {}

    def operation(self, values: Values) -> Values:
        """Return the new value for each."""
        changed: Values = self._call("convert", values, expects="values")
        return changed

    def filter(self, values: Values) -> Mask:
        """Return which values to keep."""
        kept: Mask = self._call("keep", values, expects="mask")
        return kept

    def derivative_filter(self, derivatives: Values) -> Mask:
        """Return which values to keep, by their change per second."""
        kept: Mask = self._call("keep_rate", derivatives, expects="mask")
        return kept

    def custom(self, times: Stamps, values: Values) -> tuple[Stamps, Values]:
        """Return other points for these."""
        series = pd.Series(values, pd.DatetimeIndex(times.astype("datetime64[us]")), name="value")
        made: pd.Series = self._kept(
            "custom", partial(self._runner.transform, self._configuration["custom"], series, filename="<custom>")
        )
        stamps = stamps_of(made.index)
        order = np.argsort(stamps, kind="stable")
        return stamps[order], made.to_numpy(np.float64)[order]

    def _call(self, name: str, values: Values, *, expects: Literal["values", "mask"]) -> Any:
        script = self._configuration[name]
        call = partial(self._runner.map_values, script, values, expects=expects, filename=f"<{name}>")
        return self._kept(name, call)

    def _kept(self, name: str, call: Callable[..., Outcome[Any]]) -> Any:
        outcome = heard(self._context, call)
        note_old(self.old, outcome.notes, name)
        self.output += outcome.output
        return outcome.value
