"""A worker: withdraws works, runs each in a process of its own, keeps what it leaves, and reports."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from entrepot.client._http import Connection
from entrepot.client.keeping import Keeping

_Document = dict[str, Any]

LEASE_SECONDS = 60.0
_MAX_OUTPUT_LINES = 1000
_POLL_SECONDS = 0.05
_RETRY_SECONDS = 2.0


class LostError(Exception):
    """The work was given up for lost while it ran: whatever came out of it counts no more."""


@dataclass(frozen=True)
class Run:
    """How a work's process ended."""

    code: int
    output: str
    errors: str


class Worker:
    """Does works of the server's queue, one at a time.

    A heartbeat keeps a work while it runs, so that the server gives it to another soon after this worker dies. A
    work that runs past its timeout is killed, with all that it started, and fails.

    Parameters
    ----------
    connection
        To the server.
    query
        Which works to withdraw: a MongoDB query.
    keeping
        Where products, plots and logs go.
    function, command
        Run in place of what works say.
    tell
        Called with a line for the user, now and then.
    lease_seconds
        How long the server waits for a heartbeat.
    """

    def __init__(
        self,
        connection: Connection,
        query: _Document,
        *,
        keeping: Keeping | None = None,
        function: str | None = None,
        command: list[str] | None = None,
        tell: Callable[[str], None] = lambda _line: None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._connection = connection
        self._query = query
        self._keeping = keeping or Keeping(None)
        self._function, self._command = function, command
        self._tell = tell
        self._lease_seconds = lease_seconds

    def run(self, stop: threading.Event, lives: int = -1, sleep_seconds: float = 10.0) -> int:
        """Do works until `stop` is set, or so many were done or looked for; return how many were done.

        Parameters
        ----------
        lives
            How often to look for a work; -1: without end.
        sleep_seconds
            How long to wait where there is none, or no answer.
        """
        done = 0
        while lives != 0 and not stop.is_set():
            lives -= lives > 0
            try:
                work = self.take()
            except httpx.TransportError as error:
                self._tell(f"no answer from the server: {error}")
                work = None
            if work is None:
                if lives != 0:
                    stop.wait(sleep_seconds)
                continue
            self.perform(work)
            done += 1
        return done

    def take(self) -> _Document | None:
        """Withdraw a work; None when there is none to do."""
        body = {"query": self._query, "limit": 1, "lease_seconds": self._lease_seconds}
        found: list[_Document] = self._connection.json("POST", "/api/v1/works/withdraw", body=body)
        return found[0] if found else None

    def perform(self, work: _Document) -> bool:
        """Run a work and report it; return whether the report counted."""
        self._tell(f"{work['id']}  {work['pipeline']}  attempt {work['attempt']}")
        with tempfile.TemporaryDirectory(prefix="entrepot-work-") as folder, self._heart(work) as lost:
            try:
                report = self._done(work, Path(folder), lost)
            except LostError:
                self._tell(f"{work['id']}  given up by the server: it took too long to hear from us")
                return False
            report["stop"] = time.time()
            try:
                counted = self._report({**work, **report})
            except httpx.HTTPStatusError as refusal:  # of what came out, such as numbers that JSON has not
                report = {"status": "failure", "results": {"error": str(refusal)}, "stop": report["stop"]}
                counted = self._report({**work, **report})
        took = time.time() - work["start"]
        self._tell(f"{work['id']}  {report['status']}  {took:.1f} s" + ("" if counted else "  (withdrawn by another)"))
        return counted

    def _done(self, work: _Document, folder: Path, lost: threading.Event) -> _Document:
        """Return the fields of a work that running it changes."""
        function = None if self._command else self._function or work["function"]
        command = self._command or (None if function else work["command"])
        try:
            if function:
                outcome = self._call(work, function, folder, lost)
            elif command:
                outcome = self._execute(work, command, folder, lost)
            else:
                raise ValueError("the work has neither a function nor a command")
            return {"status": "success", **self._merged(work, outcome, folder)}
        except LostError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a work raises is its result
            results = {**(work["results"] or {}), "error": str(error)}
            return {"status": "failure", "results": results}

    def _call(self, work: _Document, function: str, folder: Path, lost: threading.Event) -> _Document:
        given, taken = folder / "work.json", folder / "outcome.json"
        given.write_text(json.dumps({"function": function, "parameters": work["parameters"]}))
        program = [sys.executable, "-m", "entrepot.client.call", str(given), str(taken)]
        run = self._attended(work, program, folder, lost)
        outcome: _Document = json.loads(taken.read_text()) if taken.exists() else {}
        if run.code != 0 or not outcome:
            raise RuntimeError(outcome.get("error") or f"the function's process ended with {run.code}: {run.errors}")
        return outcome

    def _execute(self, work: _Document, command: list[str], folder: Path, lost: threading.Event) -> _Document:
        # A command of one word may be a line for the shell.
        program = ["/bin/sh", "-c", command[0]] if len(command) == 1 else command
        run = self._attended(work, program, folder, lost)
        if run.code != 0:
            raise RuntimeError(f"the command ended with {run.code}: {run.errors or run.output}".strip())
        lines = {name: text.splitlines() for name, text in (("stdout", run.output), ("stderr", run.errors))}
        return {"results": {"args": command, **lines, "returncode": run.code}, "products": None, "plots": None}

    def _attended(self, work: _Document, program: list[str], folder: Path, lost: threading.Event) -> Run:
        """Run a program to its end; kill it, and all that it started, at the timeout or when the work is lost."""
        streams = [folder / "stdout.log", folder / "stderr.log"]
        with streams[0].open("wb") as output, streams[1].open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 - what works say is what a worker is for
                program, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
            )
            try:
                self._attend(work, process, lost)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said = ["\n".join(stream.read_text(errors="replace").splitlines()[-_MAX_OUTPUT_LINES:]) for stream in streams]
        return Run(process.returncode, *said)

    def _attend(self, work: _Document, process: subprocess.Popen[bytes], lost: threading.Event) -> None:
        kill_at = time.monotonic() + work["timeout"]
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
                return
            if lost.is_set():
                raise LostError
            if time.monotonic() > kill_at:
                raise TimeoutError(f"the work ran past its timeout of {work['timeout']} s")

    @contextlib.contextmanager
    def _heart(self, work: _Document) -> Iterator[threading.Event]:
        """Send heartbeats until the end of the block; the event is set when the work is no longer ours."""
        lost, over = threading.Event(), threading.Event()

        def beat() -> None:
            while not lost.is_set() and not over.wait(self._lease_seconds / 3):
                self._beat(work, lost)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            over.set()
            thread.join()

    def _beat(self, work: _Document, lost: threading.Event) -> None:
        body = {"attempt": work["attempt"], "lease_seconds": self._lease_seconds}
        try:
            self._connection.request("POST", f"/api/v1/works/{work['id']}/heartbeat", body=body)
        except httpx.HTTPError as error:
            if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.CONFLICT:
                lost.set()
            else:
                self._tell(f"{work['id']}  {error}")

    def _merged(self, work: _Document, outcome: _Document, folder: Path) -> _Document:
        strategies = work["config"]["archive"]
        place = f"{work['pipeline']}/{work['id']}"
        merged: _Document = {"results": {**(work["results"] or {}), **(outcome["results"] or {})} or None}
        for name in ("products", "plots"):
            files = [*(work[name] or []), *(outcome[name] or [])]
            merged[name] = self._keeping.apply(strategies[name], files, place, Path.cwd()) or None
        logs = [str(log) for log in sorted(folder.glob("*.log")) if log.stat().st_size]
        self._keeping.apply(strategies["logs"], logs, f"{place}/logs", folder)
        return merged

    def _report(self, work: _Document) -> bool:
        """Report a work, however long the server takes to come back."""
        while True:
            try:
                return bool(self._connection.json("PUT", "/api/v1/works", body=[work])["updated"])
            except httpx.TransportError as error:
                self._tell(f"{work['id']}  no answer from the server: {error}")
            except httpx.HTTPStatusError as error:
                if error.response.is_client_error:
                    raise
                self._tell(f"{work['id']}  {error}")
            time.sleep(_RETRY_SECONDS)
