"""Feeders whose script fetches: it leaves files in its folder, and they go to the gate when it has ended well."""

import dataclasses
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from entrepot import jobs
from entrepot.pipeline.feeders.plan import Plan
from entrepot.pipeline.feeders.reporting import Report
from entrepot.pipeline.feeders.sources.base import BLOCK, Remote, Source, Unreadable, Vanished
from entrepot.pipeline.generators.reports import note_old, script_limits
from entrepot.scripts import ScriptError


def run_script(context: jobs.JobContext, plan: Plan, report: Report, take: Callable[[Source], None]) -> Any:
    """Call ``feed(state, credentials)``, have its files taken, and return its next state."""
    assert plan.script is not None
    settings, options = context.settings, plan.options
    network = options.network and settings.script_network
    report.extra["network"] = network
    seconds = min(settings.script_seconds, options.seconds_per_run)
    limits = dataclasses.replace(
        script_limits(context), wall=seconds, file=options.bytes_per_file, disk=options.bytes_per_run
    )
    given = plan.credentials.model_dump(exclude_none=True)
    try:
        outcome = context.services["scripts"].call(
            plan.script,
            "feed",
            [plan.state, given],
            filename="<script>",
            limits=limits,
            expects="json",
            network=network,
            take=lambda folder: take(Folder(folder)),
            cancelled=context.cancelled,
            printed=report.printed,
        )
    except ScriptError as error:
        note_old(report.extra, error.notes)
        if error.output:
            report.say(error.output.rstrip("\n"))
        raise
    note_old(report.extra, outcome.notes)
    if outcome.output:
        report.say(outcome.output.rstrip("\n"))
    return plan.state if outcome.value is None else outcome.value


class Folder:
    """The folder that a script leaves, which may hold anything: links are not followed."""

    host_key: str | None = None

    def __init__(self, root: Path) -> None:
        self._root = root
        self.problems: list[tuple[str, str]] = []

    def files(self) -> Iterator[Remote]:
        """Yield the plain files; those under names that begin with a dot are the script's own business."""
        for folder, folders, names in os.walk(self._root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = (Path(folder) / name).relative_to(self._root).as_posix()
                if not name.startswith("."):
                    status = (self._root / path).lstat()
                    if stat.S_ISREG(status.st_mode):
                        yield Remote(path, status.st_size, whole=True)

    def read(self, remote: Remote) -> Iterator[bytes]:
        """Yield a file's bytes."""
        try:
            descriptor = os.open(self._root / remote.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise Vanished("It is gone.") from error
        except OSError as error:
            raise Unreadable(f"{error.strerror}.") from error
        with os.fdopen(descriptor, "rb") as file:
            while block := file.read(BLOCK):
                yield block

    def unchanged(self, remote: Remote) -> bool:
        """Return True: the script has ended."""
        return True

    def abort(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
