"""What comes out of a call."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .errors import Kind, Note
from .limits import MIB, Limits

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a script gave, and what it took.

    Parameters
    ----------
    value
        The result.
    output
        What was printed, stdout and stderr in order; the middle is left out where it was too long.
    seconds
        Wall time of the script's process.
    peak
        Bytes of memory in use at most, those of the warm template included.
    notes
        What the script spells as pandas below 2 did, and how it is spelt today.
    """

    value: T
    output: str
    seconds: float
    peak: int
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Several(Generic[T]):
    """What came of several calls in one process.

    Parameters
    ----------
    values
        The results of the first calls, each with what was old in the script until then.
    alone
        Whether the next call has to be made in a process of its own, to be told what it comes to.
    output
        What was printed, by the next call too if that was begun.
    """

    values: list[tuple[T, list[Note]]]
    alone: bool
    output: str = ""


def stopped(report: Mapping[str, Any], limits: Limits) -> tuple[Kind, str] | None:
    """Say why the supervisor ended the script; None if the script ended by itself."""
    match report["reason"]:
        case "wall":
            return "timeout", f"the script ran for longer than {limits.wall:g} s"
        case "cancelled":
            return "cancelled", "the script was cancelled"
        case "disk":
            return "output", f"the script wrote more than {limits.disk / MIB:g} MiB of files, or too many of them"
        case "processes":
            return "killed", f"the script started more than {limits.processes} processes"
        case "memory":
            return overflowed(limits)
    return None


def overflowed(limits: Limits) -> tuple[Kind, str]:
    """Say that the script had to be ended for its memory."""
    return "memory", f"the script's processes and files used more than {limits.memory / MIB:g} MiB of memory"


def ended(report: Mapping[str, Any], limits: Limits) -> tuple[Kind, str]:
    """Say how a script ended that gave no result."""
    code = report["code"]
    if code >= 0:
        return "killed", f"the script ended its process (exit code {code}) before it gave a result"
    if -code == signal.SIGXCPU or (-code == signal.SIGKILL and report["cpu"] >= limits.cpu):
        return "timeout", f"the script used more than {limits.cpu} s of processor time"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return "killed", f"the script's process was ended by {name}"
