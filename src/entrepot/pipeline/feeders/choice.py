"""Which files of a listing a run fetches: wanted, new or changed, complete, and not too much at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from entrepot.pipeline.feeders.options import Options
from entrepot.pipeline.feeders.sources import Remote
from entrepot.pipeline.gates.files import TEMPORARY

LEFT = "It is left for the next run, which this one's limits allow."


class Known(Protocol):
    """What is remembered of a file."""

    version: str | None
    sha256: str | None
    seen: str | None
    seen_since: datetime | None


@dataclass
class Choice:
    """What becomes of a listing.

    Attributes
    ----------
    ready
        The files to fetch, in the order of their paths.
    settling
        Files that may still grow, each with the instant since which it is as it is.
    skipped
        Wanted files that are not fetched, with the reason.
    seen, unwanted, unchanged
        How many files there are, how many of them the patterns leave out, and how many were fetched before.
    """

    ready: list[Remote] = field(default_factory=list)
    settling: list[tuple[Remote, datetime]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    seen: int = 0
    unwanted: int = 0
    unchanged: int = 0


def choose(listed: Iterable[Remote], known: Mapping[str, Known], options: Options, instant: datetime) -> Choice:
    """Sort a listing.

    Parameters
    ----------
    known
        What is remembered, by path.
    instant
        When the listing was made.
    """
    choice = Choice()
    for remote in sorted(listed, key=lambda remote: remote.path):
        choice.seen += 1
        memory = known.get(remote.path)
        if not options.wants(remote.path):
            choice.unwanted += 1
        elif remote.path.lower().endswith(TEMPORARY):
            choice.skipped.append((remote.path, "Its name says that it is still coming in."))
        elif is_unchanged(remote, memory):
            choice.unchanged += 1
        elif remote.size is not None and remote.size > options.bytes_per_file:
            reason = f"It has {remote.size} bytes, more than the {options.bytes_per_file} allowed (bytes_per_file)."
            choice.skipped.append((remote.path, reason))
        else:
            since = instant
            if memory is not None and memory.seen == remote.version and memory.seen_since is not None:
                since = memory.seen_since
            if _is_settled(remote, since, options, instant):
                choice.ready.append(remote)
            else:
                choice.settling.append((remote, since))
    return choice


def cut(ready: list[Remote], options: Options) -> tuple[list[Remote], list[Remote]]:
    """Return what a run fetches, and what it leaves; a file larger than all that a run may take comes alone."""
    taken, size = 0, 0
    for remote in ready[: options.files_per_run]:
        size += remote.size or 0
        if taken and size > options.bytes_per_run:
            break
        taken += 1
    return ready[:taken], ready[taken:]


def is_unchanged(remote: Remote, memory: Known | None) -> bool:
    """Tell whether a file was fetched as it is."""
    return memory is not None and memory.sha256 is not None and remote.version == memory.version is not None


def _is_settled(remote: Remote, since: datetime, options: Options, instant: datetime) -> bool:
    # Of a file without a version nothing can be seen but its content.
    if remote.whole or remote.version is None:
        return True
    return instant - since >= timedelta(seconds=options.settle_seconds)
