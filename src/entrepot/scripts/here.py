"""Calls that are made on this machine, each in a process of its own, forked from one warm template."""

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
from typing import Any

from entrepot.errors import Unavailable

from . import sandbox, wire
from .answer import Answer, Cancelled, Printed, T, wait
from .cgroup import Group
from .limits import MIB, Limits
from .process import Template, TemplateGone
from .share import reserved
from .spool import Spool, remove

logger = logging.getLogger(__name__)

#: Of a call that nobody began.
TRIES = 3


class Here:
    """The engine that makes calls on this machine.

    The template starts with the first call and again should it end; calls with the network have one of their own.
    Calls may come from several threads at once.

    Parameters
    ----------
    sandboxed
        Give each call a cell: None where that works, True always (calls are `Unavailable` where it does not), False
        never.
    data_dir
        The server's data folder: what calls need on disk lies in its ``run``, and no script sees anything of it.
    """

    #: Processes of one run would only take those of others.
    at_once = 1

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

    def close(self) -> None:
        """End the template and every call that still runs."""
        with self._lock:
            self._closed = True
            templates, self._templates = list(self._templates.values()), {}
            spool, self._spool = self._spool, None
        for template in templates:
            template.close()
        if spool is not None:
            spool.close()

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

    def make(
        self,
        request: Sequence[wire.Buffer],
        limits: Limits,
        cancelled: Cancelled | None,
        printed: Printed | None = None,
    ) -> Answer:
        """Make a call; raises as :meth:`perform` does."""
        return self.perform(request, limits, cancelled, lambda answer, _: answer, printed=printed)

    def perform(
        self,
        request: Sequence[wire.Buffer],
        limits: Limits,
        cancelled: Cancelled | None,
        finish: Callable[[Answer, Path | None], T],
        *,
        network: bool = False,
        printed: Printed | None = None,
    ) -> T:
        """Make a call and return what `finish` makes of its answer and its folder, which is gone afterwards.

        Raises
        ------
        Unavailable
            Scripts cannot be run here.
        ScriptError
            The memory that the organization's scripts may have together was not free in time.
        """
        with reserved(self._shares, limits, cancelled):
            for _ in range(TRIES):
                template = self._ready(network=network)
                try:
                    return self._attempt(template, request, limits, cancelled, finish, printed)
                except TemplateGone:
                    logger.warning("a call was not begun; the template %s", "runs" if template.alive() else "has ended")
        raise Unavailable(f"users' scripts cannot be run: {TRIES} calls were not begun")

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
        limits: Limits,
        cancelled: Cancelled | None,
        finish: Callable[[Answer, Path | None], T],
        printed: Printed | None,
    ) -> T:
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
                reply, left, lost = wait(ours, limits, cancelled, printed)
            except TimeoutError:
                logger.warning("the template of the scripts hangs, killed")
                template.kill()
                raise TemplateGone from None
            for each in left:
                stack.callback(os.close, each)
            if not reply and not lost:
                # Nothing was run, so it may be tried again.
                raise TemplateGone
            overflowed = group is not None and group.overflowed()
            made = Answer(reply[1:], _result(answer, limits), lost, overflowed)
            return finish(made, Path(f"/proc/self/fd/{left[0]}") if left else None)


def _result(answer: int, limits: Limits) -> bytes | None:
    try:
        return wire.read(answer, limits.result + MIB)
    except ValueError:
        return None


@contextlib.contextmanager
def _closing(descriptor: int) -> Any:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
