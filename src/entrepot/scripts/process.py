"""The template's process, seen from the server."""

import json
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entrepot.errors import Unavailable

from . import sandbox

_READY = b"ready"
_START_SECONDS = 120.0
#: Less than whoever ends the server's own process gives it.
_STOP_SECONDS = 3.0


class TemplateGone(Exception):
    """The template's process has ended."""


class Template:
    """A running template.

    Parameters
    ----------
    spool
        The folder below which calls have theirs that have no cells.
    sandboxed
        Give its calls cells.
    network
        Leave its calls the network.
    hidden
        Folders of which its calls may see nothing.

    Raises
    ------
    Unavailable
        If it does not start.
    """

    def __init__(self, spool: Path, *, sandboxed: bool, network: bool = False, hidden: Sequence[Path] = ()) -> None:
        self.spool = spool
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, os.fdopen(os.memfd_create("complaints"), "w+b") as complaints:
            self._process = subprocess.Popen(  # noqa: S603
                sandbox.command(theirs.fileno(), sandboxed=sandboxed, network=network, hidden=hidden),
                env=sandbox.ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            theirs.close()
            self._control.settimeout(_START_SECONDS)
            try:
                ready = self._control.recv(len(_READY)) == _READY
            except OSError:
                ready = False
            if not ready:
                self.close()
                complaints.seek(0)
                said = complaints.read().decode(errors="replace").strip().splitlines()
                raise Unavailable(f"users' scripts cannot be run: {said[-1] if said else 'no process started'}")

    @property
    def pid(self) -> int:
        """The template's process."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def send(self, order: dict[str, Any], descriptors: Sequence[int]) -> None:
        """Order a call; TemplateGone if there is nobody to take it."""
        try:
            socket.send_fds(self._control, [json.dumps(order).encode()], list(descriptors))
        except OSError as error:
            raise TemplateGone from error

    def kill(self) -> None:
        """End the template at once; what it has begun goes on."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the template and what runs in it."""
        self._control.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
