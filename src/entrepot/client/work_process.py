"""The process in which a work runs: watched, without keys of the server, and ended with all that it started."""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entrepot.client import guard

_MAX_OUTPUT_LINES = 1000
_POLL_SECONDS = 0.05
#: The variables from which keys of the server are read, here and by the published client.
_KEYS = {"WORKFLOW_HTTP_TOKEN", "WORKFLOW_TOKEN", "GITHUB_TOKEN", "GITHUB_PAT"}
_ENTREPOT_KEY = re.compile(r"ENTREPOT_.*(TOKEN|PASSWORD|SECRET|KEY)")


class LostError(Exception):
    """The work was given up for lost while it ran: whatever came out of it counts no more."""


@dataclass(frozen=True)
class Run:
    """How a work's process ended."""

    code: int
    output: str
    errors: str


def attended(work: dict[str, Any], program: list[str], folder: Path, lost: threading.Event) -> Run:
    """Run a work's program to its end; kill it, and all that it started, at the timeout or when the work is lost.

    Raises
    ------
    LostError
        The event was set.
    TimeoutError
        It ran past the timeout of the work.
    """
    streams = [folder / "stdout.log", folder / "stderr.log"]
    with streams[0].open("wb") as output, streams[1].open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - what works say is what a worker is for
            [sys.executable, "-I", "-S", guard.__file__, *program],
            stdin=subprocess.PIPE, stdout=output, stderr=errors, start_new_session=True,
            env=environment_of_works(os.environ),
        )  # fmt: skip
        assert process.stdin
        try:
            _attend(work, process, lost)
        finally:
            # The guard ends the work, and all that it started, when its input ends: here, or with this process.
            process.stdin.close()
            process.wait()
    said = ["\n".join(stream.read_text(errors="replace").splitlines()[-_MAX_OUTPUT_LINES:]) for stream in streams]
    return Run(process.returncode, *said)


def _attend(work: dict[str, Any], process: subprocess.Popen[bytes], lost: threading.Event) -> None:
    kill_at = time.monotonic() + work["timeout"]
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
            return
        if lost.is_set():
            raise LostError
        if time.monotonic() > kill_at:
            raise TimeoutError(f"the work ran past its timeout of {work['timeout']} s")


def environment_of_works(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of a worker's environment its works see: no key of the server."""
    return {name: value for name, value in environment.items() if name not in _KEYS and not _ENTREPOT_KEY.match(name)}
