"""Calls users' Python from the server, safely."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import calls, wire
from .answer import Answer, Cancelled, Judged, Printed, T, gather, judge
from .calls import Argument, Expects
from .engine import Engine, in_order
from .errors import ScriptError
from .here import Here
from .limits import MIB, Limits
from .outcome import Outcome, Several

_DEFAULT = Limits()
_SEVERAL_RESULTS = 32 * MIB  # of calls in one process


class ScriptRunner:
    """Runs users' scripts, each call in a process of its own, forked from one warm template.

    A script has no server memory, no database, a scrubbed environment, a folder of its own, no capability, and limits;
    where the machine lets it (`sandbox.level`), also users, processes, network and memory of its own, and a minimal
    read-only file system. All that it started ends with the call.

    Parameters
    ----------
    sandboxed, data_dir
        As for `Here`.
    engine
        Where calls are made; by default, and always those with the network or a folder to take, on this machine.

    Notes
    -----
    Linux only. A server that is root runs each call as an unprivileged user of its own, in any case. Where it is not
    root and there are no cells, scripts are the server's own user, may read what it may read, and one that sets out
    to can kill the server's processes or leave a process behind.
    """

    def __init__(
        self, *, sandboxed: bool | None = None, data_dir: Path | None = None, engine: Engine | None = None
    ) -> None:
        self._here = Here(sandboxed=sandboxed, data_dir=data_dir)
        self._engine = engine or self._here

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the template and every call that still runs."""
        self._engine.close()
        self._here.close()

    @property
    def sandboxed(self) -> bool:
        """Whether each call on this machine has a cell."""
        return self._here.sandboxed

    @property
    def pid(self) -> int | None:
        """The number of the template's process for calls without the network; None before the first."""
        return self._here.pid

    def start(self) -> None:
        """Have the first call wait for nothing."""
        self._engine.start()

    # -------------------------------------------------------------------------------------------- what scripts are for

    def parse(
        self,
        source: str,
        content: bytes,
        rel_path: str,
        limits: Limits = _DEFAULT,
        *,
        filename: str = "<parse>",
        cancelled: Cancelled | None = None,
        printed: Printed | None = None,
    ) -> Outcome[pd.DataFrame | None]:
        """Call the script's ``parse(content_bytes, rel_path)``.

        Returns
        -------
        Outcome[pd.DataFrame | None]
            A frame of float64 columns with unique names, its index in microseconds with the script's zone or none,
            in the script's order, stamps perhaps repeated; without columns if it has no row. None if the script
            returned that.

        Raises
        ------
        ScriptError
            As for `call`.
        """
        return self.call(
            source, "parse", [content, rel_path], filename=filename, limits=limits, cancelled=cancelled, printed=printed
        )

    def parse_several(
        self,
        source: str,
        files: Sequence[tuple[bytes, str]],
        limits: Limits = _DEFAULT,
        *,
        seconds: float,
        cancelled: Cancelled | None = None,
        printed: Printed | None = None,
    ) -> Several[pd.DataFrame | None]:
        """Call the script's ``parse`` for each of some files in one process, until one fails or `seconds` are over.

        The script is run anew for each; after one that leaves files, variables of the environment, threads or processes
        behind, no other is begun. What went wrong may be the doing of the files before: `parse` tells it, of the next.
        """
        limit = min(limits.result, _SEVERAL_RESULTS)
        request = calls.encode_several(source, "parse", files, filename="<parse>", seconds=seconds, limit=limit)
        try:
            return self._perform(request, partial(gather, limits=limits), limits, None, cancelled, printed)
        except ScriptError:
            return Several([], alone=True)

    def analyze(
        self,
        source: str,
        frame: pd.DataFrame,
        limits: Limits = _DEFAULT,
        *,
        filename: str = "<script>",
        cancelled: Cancelled | None = None,
        printed: Printed | None = None,
    ) -> Outcome[pd.DataFrame | None]:
        """Call the script's ``analyze(df)``; returns and raises as `parse` does."""
        return self.call(
            source, "analyze", [frame], filename=filename, limits=limits, cancelled=cancelled, printed=printed
        )

    def analyze_each(
        self,
        source: str,
        given: Iterable[pd.DataFrame],
        limits: Limits = _DEFAULT,
        *,
        cancelled: Cancelled,
        printed: Printed | None = None,
    ) -> Iterator[Outcome[pd.DataFrame | None]]:
        """Call the script's ``analyze(df)`` for each frame, as many at once as the engine says; yield in their order.

        A frame is asked for when its call is about to be made. Raises as `call` does, for the first that fails. Of
        several at once, what they print is told with what came of them alone.
        """
        at_once = self._engine.at_once
        heard = printed if at_once == 1 else None

        def analyze(frame: pd.DataFrame, stopped: Cancelled) -> Outcome[pd.DataFrame | None]:
            return self.analyze(source, frame, limits, cancelled=stopped, printed=heard)

        return in_order(analyze, given, at_once, cancelled)

    def map_values(
        self,
        source: str,
        values: npt.NDArray[np.float64],
        limits: Limits = _DEFAULT,
        function: str = "fct",
        *,
        expects: Literal["values", "mask"] = "values",
        filename: str = "<fct>",
        cancelled: Cancelled | None = None,
        printed: Printed | None = None,
    ) -> Outcome[npt.NDArray[Any]]:
        """Call a function of one value for each value, one after the other.

        Parameters
        ----------
        source
            Text that defines `function`, or exactly one function of another name; or an expression of ``value``, or
            a lambda.
        values
            Each is given as a float.
        expects
            ``values``: float64, NaN where the function gave None. ``mask``: bool, the truth of what it gave.

        Returns
        -------
        Outcome[NDArray]
            As many as `values`.

        Raises
        ------
        ScriptError
            As for `call`; the message shows the value at which the function failed.
        """
        done: Outcome[npt.NDArray[Any]] = self.call(
            source, function, [values], filename=filename, limits=limits, expects=expects, variable="value",
            each=True, cancelled=cancelled, printed=printed,
        )  # fmt: skip
        if len(done.value) != len(values):
            message = f"{len(done.value)} results came back for {len(values)} values"
            raise ScriptError("result", message, output=done.output, seconds=done.seconds)
        return done

    def transform(
        self,
        source: str,
        series: pd.Series,
        limits: Limits = _DEFAULT,
        function: str = "fct",
        *,
        filename: str = "<custom>",
        cancelled: Cancelled | None = None,
        printed: Printed | None = None,
    ) -> Outcome[pd.Series]:
        """Call a function of a whole series, with a DatetimeIndex; the expression's variable is ``se``.

        Returns
        -------
        Outcome[pd.Series]
            As `parse` returns frames; empty if the function gave nothing. It has the name of `series`.

        Raises
        ------
        ScriptError
            As for `call`.
        """
        done: Outcome[pd.Series | None] = self.call(
            source, function, [series], filename=filename, limits=limits, expects="series", variable="se",
            cancelled=cancelled, printed=printed,
        )  # fmt: skip
        empty = pd.Series(index=pd.DatetimeIndex([]).as_unit("us"), dtype="float64")
        result = empty if done.value is None else done.value
        result.name = series.name
        return Outcome(result, done.output, done.seconds, done.peak, done.notes)

    # -------------------------------------------------------------------------------------------- any call

    def call(
        self,
        source: str,
        function: str,
        args: Sequence[Argument],
        *,
        filename: str = "<script>",
        limits: Limits = _DEFAULT,
        expects: Expects = "frame",
        variable: str | None = None,
        each: bool = False,
        network: bool = False,
        take: Callable[[Path], None] | None = None,
        cancelled: Cancelled | None = None,
        printed: Printed | None = None,
    ) -> Outcome[Any]:
        """Run a script's text and call one of its functions.

        Parameters
        ----------
        source
            The script.
        function
            The name of the function.
        args
            Its arguments. Bytes become `FileContent`, tables and frames a DataFrame, series a Series, arrays a list
            of floats.
        filename
            What tracebacks call the script.
        limits
            What it may take.
        expects
            What the function has to return: a ``frame`` (None if nothing), a ``series`` (likewise), ``json`` (what
            JSON can say), ``files`` (a dict of names and contents), anything, which is described (``trial``); with
            `each`, ``values`` or a ``mask``.
        variable
            If given, the text may also be an expression of this name, a lambda, or define one function of any name.
        each
            Call the function for each item of the only argument.
        network
            Let it use the network.
        take
            Called with the script's folder once all that it started has ended and its result is there; whatever
            lies there may be anything, links included. The folder is gone afterwards.
        cancelled
            Asked several times a second; the script is ended once it says True.
        printed
            Told now and then while the script goes what it has printed so far: the whole lines of what would be kept.

        Raises
        ------
        ScriptError
            If there is no result, whatever the reason.
        Unavailable
            If scripts cannot be run here.
        """
        if each != (expects in ("values", "mask")):
            raise ValueError("`each` goes with values or a mask")
        request = calls.encode(
            source, function, args, filename=filename, expects=expects, variable=variable, each=each,
            limit=limits.result,
        )  # fmt: skip
        judged = partial(judge, expects=expects, limits=limits)
        return self._perform(request, judged, limits, take, cancelled, printed, network=network)

    def _perform(
        self,
        request: Sequence[wire.Buffer],
        judged: Judged[T],
        limits: Limits,
        take: Callable[[Path], None] | None,
        cancelled: Cancelled | None,
        printed: Printed | None,
        *,
        network: bool = False,
    ) -> T:
        if take is None and not network:
            return judged(self._engine.make(request, limits, cancelled, printed))

        def finish(answer: Answer, folder: Path | None) -> T:
            done = judged(answer)
            if take is not None and folder is not None:
                take(folder)
            return done

        return self._here.perform(request, limits, cancelled, finish, network=network, printed=printed)
