"""A worker: withdraws works, runs each in a process of its own, keeps what it leaves, and reports."""

import contextlib
import hashlib
import io
import json
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from entrepot.client._http import Connection
from entrepot.client.keeping import Keeping
from entrepot.client.outbox import Outbox, default_folder, file_name
from entrepot.client.reporting import Reports
from entrepot.client.results import MAX_NOTED
from entrepot.client.work_process import LostError, attended

_Document = dict[str, Any]

LEASE_SECONDS = 60.0
_RETRY_SECONDS = 2.0
#: How long a report is tried again before the worker goes on; it is tried again before each next work.
_PATIENCE_SECONDS = 30.0
_REFUSALS = (400, 413, 422)
#: What the results of one report may have.
MAX_RESULTS_BYTES = 4_000_000


class Worker:
    """Does works of the server's queue, one at a time; others may wait in its hand, and reports be on their way.

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
    prefetch
        How many works to fetch beside the one that is run next. Heartbeats keep them, too, but their timeouts run.
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
        prefetch: int = 0,
    ) -> None:
        self._connection = connection
        self._query = query
        self._keeping = keeping or Keeping(None)
        self._function, self._command = function, command
        self._tell = tell
        self._lease_seconds = lease_seconds
        self._outbox = outbox or Outbox(default_folder(), connection.base_url)
        self._fresh_headers = fresh_headers
        self._prefetch = prefetch
        self._ahead: deque[_Held] = deque()
        self._reports: Reports | None = None

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
        with Reports(self._report) as self._reports:
            try:
                while lives != 0 and not stop.is_set():
                    held = self._next(lives)
                    lives -= lives > 0
                    if held is not None:
                        done += self._perform(held)
                    elif lives != 0:
                        stop.wait(sleep_seconds)
            finally:
                self._give_back()
        return done

    def _next(self, lives: int) -> "_Held | None":
        """Return the next work to do, from the hand or from the server; None when there is none, or no answer."""
        assert self._reports
        try:
            if not self._ahead:
                self._reports.settle()
                self.resume()
                most = 1 + self._prefetch
                for work in self._take(most if lives < 0 else min(most, lives)):
                    self._ahead.append(_Held(work, self._heart(work)))
        except httpx.TransportError as error:
            self._tell(f"no answer from the server: {error}")
        except httpx.HTTPStatusError as error:
            # What will be refused again is told and ends the worker; the server's own troubles pass.
            if error.response.is_client_error:
                raise
            self._tell(str(error))
        return self._ahead.popleft() if self._ahead else None

    def take(self) -> _Document | None:
        """Withdraw a work; None when there is none to do."""
        found = self._take(1)
        return found[0] if found else None

    def _take(self, most: int) -> list[_Document]:
        body = {"query": self._query, "limit": most, "lease_seconds": self._lease_seconds}
        found: list[_Document] = self._ask("POST", "/api/v1/works/withdraw", body).json()
        return found

    def _give_back(self) -> None:
        """Have the works that wait in the hand queued again: no other need wait for their leases to lapse."""
        waiting = [held for held in self._ahead if not held.lost.is_set()]
        self._ahead.clear()
        if not waiting:
            return
        try:
            self._ask("PUT", "/api/v1/works", [{**one.work, "status": "queued", "start": None} for one in waiting])
        except httpx.HTTPError as error:
            self._tell(f"{len(waiting)} works could not be given back: {error}")
        for held in waiting:
            held.heart.close()

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
        with self._heart(work) as lost:
            done, _ = self._finished(work, lost)
            return done is not None and bool(self._report([done]))

    def _perform(self, held: "_Held") -> bool:
        """Run a work, and have it reported while the next ones run; return whether it was run."""
        assert self._reports
        done, size = None, 0
        try:
            if held.lost.is_set():
                self._tell(f"{held.work['id']}  given up by the server while it waited for its turn")
                return False
            done, size = self._finished(held.work, held.lost)
        finally:
            if done is None:
                held.heart.close()
        if done is not None:
            self._reports.add(done, size, held.heart)
        return True

    def _finished(self, work: _Document, lost: threading.Event) -> tuple[_Document | None, int]:
        """Run a work, and return its report, which is on disk by then, and the size of it; None when it was lost."""
        self._tell(f"{work['id']}  {work['pipeline']}  attempt {work['attempt']}")
        began = time.time()
        with tempfile.TemporaryDirectory(prefix="entrepot-work-") as folder:
            try:
                report = self._done(work, Path(folder), lost)
            except LostError:
                self._tell(f"{work['id']}  given up by the server: it took too long to hear from us")
                return None, 0
            report["stop"] = time.time()
            done, size = self._fitting({**work, **report})
            # On disk first: whatever happens from here on, it can be sent again.
            self._outbox.keep(done)
        self._tell(f"{work['id']}  {done['status']}  {time.time() - began:.1f} s")
        return done, size

    def _fitting(self, work: _Document) -> tuple[_Document, int]:
        """Return a report whose results fit into one, and their size: others are written beside it, and named."""
        text = json.dumps(work["results"]).encode()
        if len(text) <= MAX_RESULTS_BYTES:
            return work, len(text)
        file = str(self._outbox.keep_results(work, work["results"]))
        if self._keeping.is_set:
            key = f"{file_name(work['pipeline'])}/{file_name(work['id'])}/results.json"
            file = self._keeping.keep(io.BytesIO(text), key)
        said = {"file": file, "bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
        return {**work, "results": {"too_large": said}}, 0

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
        run = attended(work, program, folder, lost)
        outcome: _Document = json.loads(taken.read_text()) if taken.exists() else {}
        if run.code != 0 or not outcome:
            raise RuntimeError(outcome.get("error") or f"the function's process ended with {run.code}: {run.errors}")
        return outcome

    def _execute(self, work: _Document, command: list[str], folder: Path, lost: threading.Event) -> _Document:
        # A command of one word may be a line for the shell.
        program = ["/bin/sh", "-c", command[0]] if len(command) == 1 else command
        run = attended(work, program, folder, lost)
        if run.code != 0:
            raise RuntimeError(f"the command ended with {run.code}: {run.errors or run.output}".strip())
        lines = {name: text.splitlines() for name, text in (("stdout", run.output), ("stderr", run.errors))}
        return {"results": {"args": command, **lines, "returncode": run.code}, "products": None, "plots": None}

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

    def _report(self, works: list[_Document]) -> bool | None:
        """Report works; return whether all of the reports counted, None when they stay on disk."""
        give_up = time.monotonic() + _PATIENCE_SECONDS
        named = works[0]["id"] if len(works) == 1 else f"{len(works)} works"
        while True:
            try:
                counted = self._send(works[0]) if len(works) == 1 else self._send_together(works)
            except httpx.HTTPError as error:
                self._tell(f"{named}  {error}")
                refused = isinstance(error, httpx.HTTPStatusError) and error.response.is_client_error
                if refused or time.monotonic() > give_up:
                    self._tell(f"{named}  kept on disk: --resume")
                    return None
            else:
                if not counted:
                    self._tell(f"{named}  {'' if len(works) == 1 else 'one or more '}withdrawn by another")
                return counted
            time.sleep(_RETRY_SECONDS)

    def _send_together(self, works: list[_Document]) -> bool:
        try:
            counted = bool(self._ask("PUT", "/api/v1/works", works).json()["updated"])
        except httpx.HTTPStatusError as error:
            if error.response.status_code not in _REFUSALS:
                raise
            # One of them is at fault, and the others need not wait for it.
            each = [self._send(work) for work in works]
            return all(each)
        for work in works:
            self._outbox.forget(work)
        return counted

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


class _Held:
    """A work in a worker's hand, kept by heartbeats until its heart is closed."""

    def __init__(self, work: _Document, heart: contextlib.AbstractContextManager[threading.Event]) -> None:
        self.work = work
        self.heart = contextlib.ExitStack()
        self.lost = self.heart.enter_context(heart)


def _instant_of(folder: Path) -> float:
    """Return the instant by the clock of the file system, against which files are older or newer."""
    mark = folder / ".began"
    mark.touch()
    return mark.stat().st_ctime
