"""A run of a feeder: what its source has, or its script brings, onto its gate."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import structlog

from entrepot import jobs, net
from entrepot.db import now
from entrepot.errors import EntrepotError, InvalidInput, TooLarge, Unavailable
from entrepot.jobs import schedules
from entrepot.pipeline.feeders.arrivals import Arrivals, Changed, Staged, discard_all
from entrepot.pipeline.feeders.choice import LEFT, Choice, choose, cut
from entrepot.pipeline.feeders.configuration import schedule_name
from entrepot.pipeline.feeders.plan import Plan, is_news, keep_host_key, known_files, plan_of, script_of
from entrepot.pipeline.feeders.reporting import Report
from entrepot.pipeline.feeders.scripted import run_script
from entrepot.pipeline.feeders.sources import Denied, Remote, Source, Unreachable, Unreadable, Vanished, open_source
from entrepot.pipeline.generators import frame
from entrepot.pipeline.generators.frame import Run
from entrepot.pipeline.models import Feeder
from entrepot.scripts import ScriptError

T = TypeVar("T")

#: Files are put on the gate together for at most so long, so that many small ones do not cost two commits each.
_BATCH_SECONDS = 1.0
_BATCH_FILES = 100
#: Longest wait, within a run, for files to show that they do not grow.
_WAIT_SECONDS = 20.0
_MOST_LISTED = 200_000
_MOST_SHOWN = 1000
_TICK = 0.2

_log = structlog.get_logger(__name__)


def _tidy(run: Run[Feeder]) -> None:
    """Follow the end of a feeder: nothing of it is under way, and no schedule has it run."""
    with run.context.unit() as session:
        schedules.remove(session, schedule_name(run.of))
    discard_all(run.context.settings, run.of)


@frame.runs("feeder.feed", Feeder, plan=plan_of, script=script_of, deleted=_tidy, calls_out=True)
def feed(run: Run[Feeder], plan: Plan) -> None:
    """Fetch what is new, changed and complete at the feeder's source into its gate."""
    context, report = run.context, Report(run.context, plan.credentials)
    arrivals = Arrivals(run, plan.gate_id, plan.quota, plan.origin)
    state, error = plan.state, None
    visit = Visit(context, plan, report)
    try:
        with visit.watched():
            report.ended(arrivals.begin())
            transfer = Transfer(context, plan, report, arrivals)
            if plan.script is None:
                transfer.fetch(visit)
            else:
                state = run_script(context, plan, report, transfer.take)
    except (jobs.JobStopped, jobs.Refused):
        raise
    except (EntrepotError, ScriptError) as problem:
        context.check()
        if isinstance(problem, EntrepotError) and problem.status >= 500 and not isinstance(problem, Unreachable):
            raise  # no fault of the source's: the job is tried again
        error = problem
    except OSError as problem:
        error = Unavailable(f"The server cannot keep files now: {problem.strerror}.")
    finally:
        run.report = report.json()
    failed = error is not None or report.failures > 0
    if not failed:
        arrivals.end()
    with run.unit() as (session, feeder):
        keep_host_key(feeder, plan, visit.host_key)
        if failed:
            message, script_error = report.fault(error)
            run.fail(session, feeder, message, script_error, gate=feeder.gate_id, fetched=report.fetched)
        else:
            feeder.state = state
            run.finish(session, feeder, news=is_news(session, run), gate=feeder.gate_id, fetched=report.fetched)


@jobs.task("feeder.test", max_attempts=1, timeout_seconds=600, pool="runs", calls_out=True)
def test(context: jobs.JobContext) -> dict[str, Any]:
    """Connect to the feeder's source and list it, without fetching anything."""
    run = Run(context, Feeder)
    with context.database.read() as session:
        plan = plan_of(run, session, run.find(session))
        known = known_files(session, plan.feeder_id)
    if plan.script is not None:
        raise jobs.Refused("A script has nothing to list: run it.")
    visit = Visit(context, plan, Report(context, plan.credentials))
    try:
        with visit.watched():
            listed, problems = visit.tried(_listing)
    except EntrepotError as error:
        raise jobs.Failed(plan.credentials.redact(error.message)) from error
    choice = choose(listed, known, plan.options, now())
    fetched = {*(remote.path for remote in choice.ready), *(remote.path for remote, _ in choice.settling)}
    shown = [
        {
            "path": remote.path,
            "size": remote.size,
            "modified": remote.modified and remote.modified.isoformat(),
            "fetch": remote.path in fetched,
        }
        for remote in listed[:_MOST_SHOWN]
    ]
    return {
        "seen": choice.seen,
        "unwanted": choice.unwanted,
        "unchanged": choice.unchanged,
        "to_fetch": len(fetched),
        "host_key": visit.host_key,
        "files": shown,
        "problems": [{"path": path, "why": plan.credentials.redact(why)} for path, why in problems],
    }


class Visit:
    """A connection to a source that is opened when it is needed, and again when it broke."""

    def __init__(self, context: jobs.JobContext, plan: Plan, report: Report) -> None:
        self._context, self._plan, self._report = context, plan, report
        self._end = time.monotonic() + plan.options.seconds_per_run
        self._source: Source | None = None
        self.host_key = plan.known_host_key

    @property
    def is_over(self) -> bool:
        """Whether the run has had its time."""
        return time.monotonic() > self._end

    def tried(self, action: Callable[[Source], T]) -> T:
        """Return what an action on the source returns; try again, after a while, when the source fails."""
        wait = self._plan.options.retry_seconds
        for left in range(self._plan.options.retries, -1, -1):
            try:
                return action(self._opened())
            except Unreachable as error:
                self.drop()
                self._context.check()
                if self.is_over:
                    raise Unreachable(f"The run has had its {self._plan.options.seconds_per_run:g} s.") from error
                if not left:
                    raise
                self._report.say(f"{error.message} Trying again in {wait:g} s.")
                self.pause(wait)
                wait *= 2
            except (Vanished, Unreadable):
                raise
            except (EntrepotError, OSError):
                # Perhaps amid a transfer: what is left of it would be taken for the answer to the next question.
                self.drop()
                raise
            except Exception as error:
                self.drop()
                _log.exception("a source cannot be understood", feeder=self._plan.feeder_id)
                raise Denied(f"What the source sends cannot be understood ({type(error).__name__}).") from error
        raise AssertionError

    def pause(self, seconds: float) -> None:
        """Wait, for as long as the run may go on."""
        end = min(time.monotonic() + seconds, self._end)
        while (left := end - time.monotonic()) > 0:
            self._context.check()
            threading.Event().wait(min(left, _TICK))

    def drop(self) -> None:
        """End the connection."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Break the connection off when the run is to stop or has had its time; end it afterwards."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_TICK):
                if (self._context.cancelled() or self.is_over) and (source := self._source) is not None:
                    source.abort()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.drop()

    def _opened(self) -> Source:
        if self._source is None:
            self._source = open_source(self._plan.access(self._end - time.monotonic(), self.host_key))
            self.host_key = self._source.host_key or self.host_key
        return self._source


class Transfer:
    """The files of a run, one after the other."""

    def __init__(self, context: jobs.JobContext, plan: Plan, report: Report, arrivals: Arrivals) -> None:
        self._context, self._plan, self._report, self._arrivals = context, plan, report, arrivals
        self._batch: list[Staged] = []
        self._began = time.monotonic()
        self._bytes = self._broken = 0

    def fetch(self, visit: Visit) -> None:
        """Fetch what the source has."""
        choice = self._choose(visit)
        ready, left = cut(choice.ready, self._plan.options)
        self._report.skip_all((remote.path, LEFT) for remote in left)
        try:
            for done, remote in enumerate(ready):
                if visit.is_over or (done and self._bytes >= self._plan.options.bytes_per_run):
                    self._report.skip_all((remote.path, LEFT) for remote in ready[done:])
                    break
                self._context.progress(done, len(ready), remote.path)
                self._one(remote, partial(visit.tried, partial(self._staged, remote)))
        except (Denied, Unreachable):
            self._deliver()
            raise
        self._deliver()
        self._context.progress(len(ready), len(ready))

    def take(self, source: Source) -> None:
        """Take all that a script left."""
        choice = choose(source.files(), {}, self._plan.options, now())
        self._report.choice(choice)
        self._report.skip_all(source.problems)
        ready, left = cut(choice.ready, self._plan.options)
        self._report.skip_all((remote.path, "It is more than the limits of a run allow.") for remote in left)
        for remote in ready:
            self._one(remote, partial(self._staged, remote, source))
        self._deliver()

    def _choose(self, visit: Visit) -> Choice:
        """List the source; where files may still grow, look once more after a while."""
        choice = self._listed(visit)
        if choice.settling:
            longest = max(since for _, since in choice.settling) + timedelta(seconds=self._plan.options.settle_seconds)
            wait = (longest - now()).total_seconds()
            self._arrivals.note_settling(choice.settling)
            if wait <= _WAIT_SECONDS:
                visit.pause(max(wait, 0) + 0.01)
                choice = self._listed(visit)
                self._arrivals.note_settling(choice.settling)
        self._report.choice(choice)
        self._report.skip_all((remote.path, "It may still grow.") for remote, _ in choice.settling)
        return choice

    def _listed(self, visit: Visit) -> Choice:
        listed, problems = visit.tried(_listing)
        self._report.say(f"{len(listed)} files are listed.")
        for path, why in problems:
            self._report.fail(path, why)
        with self._context.database.read() as session:
            known = known_files(session, self._plan.feeder_id)
        return choose(listed, known, self._plan.options, now())

    def _one(self, remote: Remote, stage: Callable[[], Staged]) -> None:
        self._context.check()
        try:
            staged = stage()
        except (Unreadable, net.Refused) as error:
            self._report.fail(remote.path, error.message)
        except (Vanished, Changed, TooLarge, InvalidInput) as error:
            self._report.skip(remote.path, error.message)
        except Unreachable as error:
            # This one file may be the trouble; two in a row are the source's.
            self._report.fail(remote.path, error.message)
            self._broken += 1
            if self._broken > 1:
                raise
            return
        else:
            self._bytes += staged.size
            self._batch.append(staged)
        self._broken = 0
        if len(self._batch) >= _BATCH_FILES or time.monotonic() - self._began > _BATCH_SECONDS:
            self._deliver()

    def _staged(self, remote: Remote, source: Source) -> Staged:
        target = self._arrivals.check_target(self._target(remote))
        staged = self._arrivals.stage(remote, target, self._blocks(source, remote), self._plan.options.bytes_per_file)
        if not source.unchanged(remote):
            self._arrivals.discard(staged)
            raise Changed("It changed while it was fetched.")
        return staged

    def _blocks(self, source: Source, remote: Remote) -> Iterator[bytes]:
        for block in source.read(remote):
            self._context.check()
            yield block

    def _target(self, remote: Remote) -> str:
        options = self._plan.options
        name = remote.path
        if options.name is not None and self._plan.is_single:
            name = now().astimezone(ZoneInfo(self._plan.timezone)).strftime(options.name)
        return f"{options.to.strip('/')}/{name}"

    def _deliver(self) -> None:
        if self._batch:
            self._report.ended(self._arrivals.deliver(self._batch))
        self._batch, self._began = [], time.monotonic()


def _listing(source: Source) -> tuple[list[Remote], list[tuple[str, str]]]:
    source.problems.clear()
    listed: list[Remote] = []
    for remote in source.files():
        listed.append(remote)
        if len(listed) > _MOST_LISTED:
            raise InvalidInput.field("url", f"There are more than {_MOST_LISTED} files: name a folder with fewer.")
    return listed, list(source.problems)
