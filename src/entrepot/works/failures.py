"""Failures by what went wrong: errors that differ in numbers, ids and paths alone are one."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from entrepot.db.driver import word
from entrepot.identity import Principal
from entrepot.works.collection import Collection
from entrepot.works.document import instant
from entrepot.works.search import dialect_of, searched

#: How many failed works are looked at, the latest.
MOST_READ = 5_000
PATH = "results.error"

_LONGEST, _END = 200, 300
# What one failure has and another one of the same cause has not, and how a query finds it.
_PARTS = {
    "path": (r"(?:[A-Za-z][\w+.-]*://|(?<![\w/.])~?/(?=[\w.-]+)|\b[A-Za-z]:\\)[^\s'\"<>,;()\[\]]+", r"\S+"),
    "id": (
        r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b(?=[a-fA-F]*[0-9])(?=[0-9]*[a-fA-F])\w{8,}\b",
        r"[\w-]+",
    ),
    "number": (r"[0-9]+(?:[.,:TZ+-]?[0-9]+)*", r"[0-9][0-9.,:TZ+-]*"),
}
_VARIES = re.compile("|".join(f"(?P<{name}>{pattern})" for name, (pattern, _) in _PARTS.items()))


@dataclass
class Failure:
    """Failed works of one cause.

    Attributes
    ----------
    error
        What they say, with ``<number>``, ``<id>`` and ``<path>`` for what varies; empty where they say nothing.
    query
        A query of MongoDB that finds them.
    count, first_at, last_at
        How many there are, and when the first and the last of them ended.
    pipelines
        How many of which pipeline.
    example, example_pipeline
        The id of the last of them, and its pipeline.
    """

    error: str
    query: dict[str, Any]
    count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    pipelines: dict[str, int] = field(default_factory=dict)
    example: str = ""
    example_pipeline: str = ""

    def add(self, work_id: str, pipeline: str, stop: datetime | None) -> None:
        """Count a work."""
        self.count += 1
        self.pipelines[pipeline] = self.pipelines.get(pipeline, 0) + 1
        if stop is not None and (self.first_at is None or stop < self.first_at):
            self.first_at = stop
        if self.last_at is None or (stop is not None and stop >= self.last_at):
            self.last_at, self.example, self.example_pipeline = stop, work_id, pipeline


@dataclass(frozen=True)
class Failures:
    """Causes, the most frequent first; how many failed works were looked at, and whether there are more."""

    items: list[Failure]
    count: int
    more: bool


def failures(collection: Collection, session: Session, principal: Principal, query: Any) -> Failures:
    """Return why works failed, of those that match a query."""
    table, dialect = collection.table, dialect_of(session)
    begins, ends = _error(dialect, searched(table, dialect))

    def made(hits: Select[Any]) -> Any:
        return hits.add_columns(table.c.id, table.c.pipeline, table.c.stop, begins, ends)

    failed = table.c.status == word("failure")
    rows = collection.of_hits(session, principal, query, made, failed, most=MOST_READ + 1)
    found: dict[tuple[str, str], Failure] = {}
    for _, work_id, pipeline, stop, begin, end in rows[:MOST_READ]:
        (error, wanted), ended = _cause(begin, end), None if stop is None else instant(stop)
        one = found.setdefault((error, str(wanted)), Failure(error, {"status": "failure", PATH: wanted}))
        one.add(work_id, pipeline, ended)
    causes = sorted(found.values(), key=lambda one: (-one.count, one.error))
    return Failures(causes, min(len(rows), MOST_READ), len(rows) > MOST_READ)


def _error(dialect: str, body: ColumnElement[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return how the error of a document begins and how it ends; NULL where it is no text."""
    if dialect == "sqlite":
        is_text, text = func.json_type(body, f"$.{PATH}") == "text", func.json_extract(body, f"$.{PATH}")
    else:
        value = type_coerce(body, JSONB)[tuple(PATH.split("."))]
        is_text, text = func.jsonb_typeof(value) == "string", value.astext
    told: ColumnElement[Any] = case((is_text, text))
    end = -_END if dialect == "sqlite" else func.greatest(func.length(told) - _END + 1, 1)
    return func.substr(told, 1, _END).label("begins"), func.substr(told, end).label("ends")


@lru_cache(maxsize=10_000)
def _cause(begins: str | None, ends: str | None) -> tuple[str, Any]:
    """Return what an error says without what varies, and the test of a query that finds it."""
    if begins is None or ends is None:
        return "", {"$not": {"$type": "string"}}
    if begins.startswith("Traceback"):
        line = next((one for one in reversed(ends.split("\n")) if one.strip()), "")[:_LONGEST]
        said, pattern = _worded(line)
        return said, {"$regex": f"^Traceback(?s:.*)\n{pattern}"}
    line, newline, _ = begins.partition("\n")
    said, pattern = _worded(line[:_LONGEST])
    whole = len(line) <= _LONGEST and (newline or len(begins) < _END)
    return said, {"$regex": f"^{pattern}(\n|$)" if whole else f"^{pattern}"}


def _worded(line: str) -> tuple[str, str]:
    said, pattern, at = [], [], 0
    for found in _VARIES.finditer(line):
        kept = line[at : found.start()]
        said += [kept, f"<{found.lastgroup}>"]
        pattern += [_literal(kept), _PARTS[found.lastgroup or ""][1]]
        at = found.end()
    return "".join([*said, line[at:]]), "".join([*pattern, _literal(line[at:])])


def _literal(text: str) -> str:
    return re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", text)
