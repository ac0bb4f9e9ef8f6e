"""What explains a result: the runs that made it, what they read, and the files that it goes back to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class ReadFile:
    """A file of a gate that was read: its path there, and its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Explanation:
    """What made a result, and out of what.

    Attributes
    ----------
    runs
        The runs that made it, each with its ``inputs``, and these with the runs that made them (``made_by``).
    """

    runs: list[Record] = field(repr=False)

    @property
    def files(self) -> list[ReadFile]:
        """The files that it goes back to, by path."""
        return [ReadFile(path, sha256) for path, sha256 in sorted(_files(self.runs).items())]

    def __repr__(self) -> str:
        """Say how much it is."""
        return f"Explanation({len(self.runs)} runs, {len(self.files)} files)"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{escape(one.path)}</td><td>{one.sha256}</td></tr>" for one in self.files)
        return f"<table><caption>{escape(repr(self))}</caption><tr><th>file</th><th>SHA-256</th></tr>{rows}</table>"


def _files(runs: Iterable[Record]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in (each for run in runs for each in run.get("inputs", ())):
        if one["kind"] == "gate file":
            found[one["id"].partition("/")[2]] = one["sha256"]
        found |= _files(one.get("made_by", ()))
    return found
