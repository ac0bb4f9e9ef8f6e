"""The template's process, seen from the server."""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from entrepot.errors import Unavailable

from . import sandbox

_READY = b"ready"
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0


class TemplateGone(Exception):
    """The template's process has ended."""


class Template:
    """A running template, with the folder below which each call has its own.

    Parameters
    ----------
    sandboxed
        Run it inside bubblewrap.
    network
        With the network.

    Raises
    ------
    Unavailable
        If it does not start.
    """

    def __init__(self, *, sandboxed: bool, network: bool = False) -> None:
        self.spool = Path(tempfile.mkdtemp(prefix="entrepot-scripts-"))
        # The calls' users must pass; what is below is theirs alone.
        self.spool.chmod(0o711)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as complaints:
            self._process = subprocess.Popen(  # noqa: S603
                sandbox.command(theirs.fileno(), self.spool, sandboxed=sandboxed, network=network),
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
        """The process that was started: the template, or bubblewrap around it."""
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

    def close(self) -> None:
        """End the template, what runs in it, and its folder."""
        self._control.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        remove(self.spool)


def remove(folder: Path) -> None:
    """Remove a folder that scripts wrote to, whatever they did to it."""
    with contextlib.suppress(FileNotFoundError):
        try:
            shutil.rmtree(folder)
        except (OSError, RecursionError):
            # Folders without permissions, or nested deeper than Python goes.
            for tool in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
                subprocess.run([*tool, "--", str(folder)], check=False, capture_output=True)  # noqa: S603
