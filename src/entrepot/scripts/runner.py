"""Calls users' Python from the server, safely."""

import contextlib
import dataclasses
import itertools
import logging
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from entrepot.errors import Unavailable

from . import calls, outcome, sandbox, wire
from .answer import Cancelled, judge, wait
from .calls import Argument, Expects
from .cgroup import Group
from .errors import ScriptError
from .limits import Limits
from .outcome import Outcome
from .process import Template, TemplateGone
from .share import reserved
from .spool import Spool, remove

logger = logging.getLogger(__name__)

_DEFAULT = Limits()
_TRIES = 3  # of a call that nobody began


class ScriptRunner:
    """Runs users' scripts, each call in a process of its own, forked from one warm template.

    A script has no server memory, no database, a scrubbed environment, a folder of its own, no capability, and limits;
    where this machine lets it (`sandbox.level`), also users, processes, network and memory of its own, and a minimal
    read-only file system. All that it started ends with the call.

    The template starts with the first call and again should it end; calls with the network have one of their own.
    Calls may come from several threads at once.

    Parameters
    ----------
    sandboxed
        Give each call a cell: None where that works, True always (calls are `Unavailable` where it does not), False
        never.
    data_dir
        The server's data folder: what calls need on disk lies in its ``run``, and no script sees anything of it.

    Notes
    -----
    Linux only. A server that is root runs each call as an unprivileged user of its own, in any case. Where it is not
    root and there are no cells, scripts are the server's own user, may read what it may read, and one that sets out
    to can kill the server's processes or leave a process behind.
    """

    def __init__(self, *, sandboxed: bool | None = None, data_dir: Path | None = None) -> None:
        self._hidden = [] if data_dir is None else [data_dir]
        self._run = None if data_dir is None else data_dir / "run"
        self._spool: Spool | None = None
        self._wanted = sandboxed
        #: By whether they have the network.
        self._templates: dict[bool, Template] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._closed = False
        self._shares = (self._run or Path(tempfile.gettempdir())) / "organizations"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the template and every call that still runs."""
        with self._lock:
            self._closed = True
            templates, self._templates = list(self._templates.values()), {}
        for template in templates:
            template.close()
        if self._spool is not None:
            self._spool.close()

    @property
    def sandboxed(self) -> bool:
        """Whether each call has a cell."""
        return sandbox.available() if self._wanted is None else self._wanted

    @property
    def pid(self) -> int | None:
        """The number of the process that was started last for calls without the network; None before the first."""
        template = self._templates.get(False)
        return template.pid if template else None

    def start(self) -> None:
        """Start the template now, so that the first call need not wait for it."""
        self._ready()

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
        return self.call(source, "parse", [content, rel_path], filename=filename, limits=limits, cancelled=cancelled)

    def analyze(
        self,
        source: str,
        frame: pd.DataFrame,
        limits: Limits = _DEFAULT,
        *,
        filename: str = "<script>",
        cancelled: Cancelled | None = None,
    ) -> Outcome[pd.DataFrame | None]:
        """Call the script's ``analyze(df)``; returns and raises as `parse` does."""
        return self.call(source, "analyze", [frame], filename=filename, limits=limits, cancelled=cancelled)

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
            each=True, cancelled=cancelled,
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
            cancelled=cancelled,
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
        with reserved(self._shares, limits, cancelled):
            for _ in range(_TRIES):
                template = self._ready(network=network)
                try:
                    return self._attempt(template, request, expects, limits, take, cancelled)
                except TemplateGone:
                    logger.warning("a call was not begun; the template %s", "runs" if template.alive() else "has ended")
        raise Unavailable(f"users' scripts cannot be run: {_TRIES} calls were not begun")

    def _ready(self, *, network: bool = False) -> Template:
        with self._lock:
            if self._closed:
                raise Unavailable("the script runner is closed")
            template = self._templates.get(network)
            if template and not template.alive():
                logger.warning("the template of the scripts has ended; another is started")
                self._templates.pop(network).close()
                template = None
            if template is None:
                template = self._templates[network] = self._start(network=network)
            return template

    def _start(self, *, network: bool) -> Template:
        if self._wanted and not sandbox.available():
            raise Unavailable(f"users' scripts cannot be run: they are to be kept apart, but {sandbox.obstacle()}")
        if not self.sandboxed and self._spool is None:
            self._spool = Spool(self._run)
        spool = Path("/call") if self._spool is None else self._spool.path
        return Template(spool, sandboxed=self.sandboxed, network=network, hidden=self._hidden)

    def _attempt(
        self,
        template: Template,
        request: Sequence[wire.Buffer],
        expects: Expects,
        limits: Limits,
        take: Callable[[Path], None] | None,
        cancelled: Cancelled | None,
    ) -> Outcome[Any]:
        folder = template.spool / str(next(self._numbers))
        with contextlib.ExitStack() as stack:
            if self._spool is not None:
                stack.callback(remove, folder)
            group = Group.make(limits) if self.sandboxed else None
            if group is not None:
                stack.callback(group.close)
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            with theirs, _closing(wire.memory(request)) as asked:
                answer = stack.enter_context(_closing(wire.memory()))
                order = {"folder": str(folder), "limits": dataclasses.asdict(limits)}
                entrance = [] if group is None else [group.entrance]
                template.send(order, [theirs.fileno(), asked, answer, *entrance])
            try:
                reply, left, lost = wait(ours, limits, cancelled)
            except TimeoutError:
                logger.warning("the template of the scripts hangs, killed")
                template.kill()
                raise TemplateGone from None
            for each in left:
                stack.callback(os.close, each)
            if not reply and not lost:
                # Nothing was run, so it may be tried again.
                raise TemplateGone
            try:
                done: Outcome[Any] = judge(reply[1:], lost, answer, expects, limits)
            except ScriptError as error:
                if error.kind != "killed" or group is None or not group.overflowed():
                    raise
                kind, said = outcome.overflowed(limits)
                raise ScriptError(kind, said, output=error.output, seconds=error.seconds) from None
            if take is not None:
                take(Path(f"/proc/self/fd/{left[0]}"))
            return done


@contextlib.contextmanager
def _closing(descriptor: int) -> Any:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
