"""A worker: withdraws works, runs each in a process of its own, keeps what it leaves, and reports."""

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from entrepot.client import guard
from entrepot.client._http import Connection
from entrepot.client.keeping import Keeping
from entrepot.client.outbox import Outbox, default_folder, file_name
from entrepot.client.results import MAX_NOTED

_Document = dict[str, Any]

LEASE_SECONDS = 60.0
_MAX_OUTPUT_LINES = 1000
_POLL_SECONDS = 0.05
_RETRY_SECONDS = 2.0
#: How long a report is tried again before the worker goes on; it is tried again before each next work.
_PATIENCE_SECONDS = 30.0
_REFUSALS = (400, 413, 422)
#: What the results of one report may have.
MAX_RESULTS_BYTES = 4_000_000
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
    outbox
        Where reports wait until the server has acknowledged them; by default in the user's state folder.
    fresh_headers
        Reads the credentials anew when the server knows those that it was sent no longer.
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
        outbox: Outbox | None = None,
        fresh_headers: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._connection = connection
        self._query = query
        self._keeping = keeping or Keeping(None)
        self._function, self._command = function, command
        self._tell = tell
        self._lease_seconds = lease_seconds
        self._outbox = outbox or Outbox(default_folder(), connection.base_url)
        self._fresh_headers = fresh_headers

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
                self.resume()
                work = self.take()
            except httpx.TransportError as error:
                self._tell(f"no answer from the server: {error}")
                work = None
            except httpx.HTTPStatusError as error:
                # What will be refused again is told and ends the worker; the server's own troubles pass.
                if error.response.is_client_error:
                    raise
                self._tell(str(error))
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
        found: list[_Document] = self._ask("POST", "/api/v1/works/withdraw", body).json()
        return found[0] if found else None

    def resume(self) -> int:
        """Send the reports that are kept from before, also by a worker that is gone; return how many were."""
        sent = 0
        for work in self._outbox.kept():
            try:
                counted = self._send(work)
            except httpx.HTTPStatusError as error:
                if error.response.status_code == httpx.codes.UNAUTHORIZED:
                    raise
                self._tell(f"{work['id']}  {error}")
                continue
            sent += 1
            self._tell(f"{work['id']}  {work['status']}  sent" + ("" if counted else "  (withdrawn by another)"))
        return sent

    def _ask(self, method: str, path: str, body: Any) -> httpx.Response:
        try:
            return self._connection.request(method, path, body=body)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.UNAUTHORIZED or self._fresh_headers is None:
                raise
        self._connection.set_headers(self._fresh_headers())
        return self._connection.request(method, path, body=body)

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
            done = self._fitting({**work, **report})
            # On disk first: whatever happens from here on, it can be sent again.
            self._outbox.keep(done)
            counted = self._report(done)
        took = time.time() - work["start"]
        said = {None: "  (kept on disk: --resume)", False: "  (withdrawn by another)", True: ""}[counted]
        self._tell(f"{work['id']}  {done['status']}  {took:.1f} s{said}")
        return bool(counted)

    def _fitting(self, work: _Document) -> _Document:
        """Return a report whose results fit into one: those that do not are written beside it, and named."""
        text = json.dumps(work["results"]).encode()
        if len(text) <= MAX_RESULTS_BYTES:
            return work
        file = str(self._outbox.keep_results(work, work["results"]))
        if self._keeping.is_set:
            key = f"{file_name(work['pipeline'])}/{file_name(work['id'])}/results.json"
            file = self._keeping.keep(io.BytesIO(text), key)
        said = {"file": file, "bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
        return {**work, "results": {"too_large": said}}

    def _done(self, work: _Document, folder: Path, lost: threading.Event) -> _Document:
        """Return the fields of a work that running it changes."""
        function = None if self._command else self._function or work["function"]
        command = self._command or (None if function else work["command"])
        since = _instant_of(folder)
        try:
            if function:
                outcome = self._call(work, function, folder, lost)
            elif command:
                outcome = self._execute(work, command, folder, lost)
            else:
                raise ValueError("the work has neither a function nor a command")
            return {"status": "success", **self._merged(work, outcome, folder, since)}
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
                [sys.executable, "-I", "-S", guard.__file__, *program],
                stdin=subprocess.PIPE, stdout=output, stderr=errors, start_new_session=True,
                env=environment_of_works(os.environ),
            )  # fmt: skip
            assert process.stdin
            try:
                self._attend(work, process, lost)
            finally:
                # The guard ends the work, and all that it started, when its input ends: here, or with this process.
                process.stdin.close()
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
            self._ask("POST", f"/api/v1/works/{quote(work['id'], safe='')}/heartbeat", body)
        except httpx.HTTPError as error:
            if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.CONFLICT:
                lost.set()
            else:
                self._tell(f"{work['id']}  {error}")

    def _merged(self, work: _Document, outcome: _Document, folder: Path, since: float) -> _Document:
        strategies, place = work["config"]["archive"], (work["pipeline"], work["id"])
        merged: _Document = {"results": {**(work["results"] or {}), **(outcome["results"] or {})} or None}
        others: list[str] = []
        for name in ("products", "plots"):
            files = [*(work[name] or []), *(outcome[name] or [])]
            kept, left = self._keeping.apply(strategies[name], files, place, Path.cwd(), since)
            merged[name] = kept or None
            others += left
        if others:
            self._tell(f"{work['id']}  not made by the run, and let be: {', '.join(others)}")
            merged["not_kept"] = others
        if noted := outcome.get("not_finite"):
            merged["not_finite"] = noted[:MAX_NOTED]
        logs = [log.name for log in sorted(folder.glob("*.log")) if log.stat().st_size]
        self._keeping.apply(strategies["logs"], logs, (*place, "logs"), folder, since)
        return merged

    def _report(self, work: _Document) -> bool | None:
        """Report a work; return whether the report counted, None when it stays on disk."""
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._send(work)
            except httpx.HTTPError as error:
                self._tell(f"{work['id']}  {error}")
                refused = isinstance(error, httpx.HTTPStatusError) and error.response.is_client_error
                if refused or time.monotonic() > give_up:
                    return None
            time.sleep(_RETRY_SECONDS)

    def _send(self, work: _Document) -> bool:
        try:
            counted = bool(self._ask("PUT", "/api/v1/works", [work]).json()["updated"])
        except httpx.HTTPStatusError as error:
            if error.response.status_code not in _REFUSALS:
                raise
            # It is what is in the results, which stay on disk; that the work failed can be told all the same.
            file = self._outbox.keep_results(work, work["results"])
            results = {"error": str(error), "results": {"file": str(file)}}
            failed = {**work, "status": "failure", "results": results, "products": None, "plots": None}
            counted = bool(self._ask("PUT", "/api/v1/works", [failed]).json()["updated"])
        self._outbox.forget(work)
        return counted


def environment_of_works(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of a worker's environment its works see: no key of the server."""
    return {name: value for name, value in environment.items() if name not in _KEYS and not _ENTREPOT_KEY.match(name)}


def _instant_of(folder: Path) -> float:
    """Return the instant by the clock of the file system, against which files are older or newer."""
    mark = folder / ".began"
    mark.touch()
    return mark.stat().st_ctime
