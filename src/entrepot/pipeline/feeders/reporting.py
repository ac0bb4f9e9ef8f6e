"""What a run of a feeder tells: its report, and the output kept with its job. Nothing secret gets in."""

from collections.abc import Iterable
from typing import Any

from entrepot import jobs
from entrepot.errors import EntrepotError
from entrepot.pipeline.feeders.arrivals import Ended
from entrepot.pipeline.feeders.choice import Choice
from entrepot.pipeline.feeders.options import Credentials
from entrepot.scripts import ScriptError

#: Most files of each kind that a report names; it counts them all.
_MOST_NAMED = 1000


class Report:
    """The report of a run.

    ``seen``, ``unwanted`` (left out by the patterns) and ``unchanged`` (fetched before) are numbers of files;
    ``fetched``, ``skipped`` and ``failed`` name files, the first with target, size and SHA-256, the others with the
    reason.
    """

    def __init__(self, context: jobs.JobContext, credentials: Credentials) -> None:
        self._context, self._redact = context, credentials.redact
        self._counts = {"seen": 0, "unwanted": 0, "unchanged": 0}
        self._lists: dict[str, list[dict[str, Any]]] = {"fetched": [], "skipped": [], "failed": []}
        self._totals = dict.fromkeys(self._lists, 0)
        self._bytes = 0
        #: More to tell.
        self.extra: dict[str, Any] = {}

    @property
    def failures(self) -> int:
        """How many files could not be fetched."""
        return self._totals["failed"]

    @property
    def fetched(self) -> int:
        """How many files came onto the gate."""
        return self._totals["fetched"]

    def say(self, text: str) -> None:
        """Add a line to the output kept with the job."""
        self._context.log(self._redact(text) + "\n")

    def printed(self, text: str) -> None:
        """Show what its script has printed so far."""
        self._context.printed(self._redact(text))

    def choice(self, choice: Choice) -> None:
        """Tell what became of the listing."""
        self._counts |= {"seen": choice.seen, "unwanted": choice.unwanted, "unchanged": choice.unchanged}
        self.skip_all(choice.skipped)

    def skip(self, path: str, why: str) -> None:
        """Tell that a file was not fetched, which is as it should be."""
        self._add("skipped", {"path": path, "why": self._redact(why)})

    def skip_all(self, skipped: Iterable[tuple[str, str]]) -> None:
        """Tell of several."""
        for path, why in skipped:
            self.skip(path, why)

    def fail(self, path: str, why: str) -> None:
        """Tell that a file could not be fetched."""
        self._add("failed", {"path": path, "why": self._redact(why)})
        self.say(f"{path}: {why}")

    def ended(self, ended: Iterable[Ended]) -> None:
        """Tell what became of files that were fetched."""
        for one in ended:
            if one.skipped is not None:
                self.skip(one.path, one.skipped)
            elif one.failed is not None:
                self.fail(one.path, one.failed)
            else:
                self._bytes += one.size
                named = {"path": one.path, "to": one.target, "size": one.size, "sha256": one.sha256}
                self._add("fetched", named)
                self.say(f"{one.target}: {one.size} bytes.")

    def fault(self, error: EntrepotError | ScriptError | None) -> tuple[str, ScriptError | None]:
        """Return what is told of a run that failed, by what ended it or by its files, and of its script."""
        if error is None:
            first = self._lists["failed"][0]
            more = f" (and {self.failures - 1} more)" if self.failures > 1 else ""
            return f"{first['path']}: {first['why']}{more}", None
        message = self._redact(error.message)
        if not isinstance(error, ScriptError):
            return message, None
        traceback, output = self._redact(error.traceback), self._redact(error.output)
        return message, ScriptError(error.kind, message, traceback=traceback, output=output)

    def json(self) -> dict[str, Any]:
        """Return the report."""
        totals = {f"{name}_files": count for name, count in self._totals.items()}
        return {**self._counts, **self._lists, **totals, "fetched_bytes": self._bytes, **self.extra}

    def _add(self, kind: str, named: dict[str, Any]) -> None:
        self._totals[kind] += 1
        named["path"] = str(named["path"]).encode(errors="replace").decode()  # a script's files may have any name
        if len(self._lists[kind]) < _MOST_NAMED:
            self._lists[kind].append(named)
