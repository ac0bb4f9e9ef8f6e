"""What a run says of itself, as words, tables and, for what is neither, JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

#: What pages show in places of their own.
_ELSEWHERE = ("error", "traceback", "output")
_MOST_ROWS = 200


@dataclass(frozen=True)
class Table:
    """Things of one kind, by what is told of each."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes
    ----------
    words
        Names and what is told of each in a few words.
    tables
        What it tells of many things: of each file, of each series.
    rest
        What is neither, as JSON; empty where all is told.
    """

    words: Sequence[tuple[str, str]] = field(default_factory=tuple)
    tables: Sequence[Table] = field(default_factory=tuple)
    rest: str = ""


def of(report: Any) -> Report:
    """Return what a run's report tells."""
    if report is None:
        return Report()
    if not isinstance(report, Mapping):
        return Report(rest=_json(report))
    words, tables, rest = [], [], {}
    for name, value in report.items():
        if name in _ELSEWHERE or value in (None, "", [], {}):
            continue
        table = _table(name, value)
        if not isinstance(value, Mapping | list):
            words.append((_said(name), _text(value)))
        elif table is not None:
            tables.append(table)
        elif isinstance(value, list) and not any(isinstance(one, Mapping | list) for one in value):
            words.append((_said(name), ", ".join(map(_text, value[:_MOST_ROWS]))))
        else:
            rest[name] = value
    return Report(words, tables, _json(rest) if rest else "")


def _table(name: str, value: Any) -> Table | None:
    if isinstance(value, Mapping) and all(isinstance(one, Mapping) for one in value.values()):
        value = [{"name": key, **one} for key, one in value.items()]
    if not isinstance(value, list) or not value or not all(isinstance(one, Mapping) for one in value):
        return None
    columns = list(dict.fromkeys(key for one in value for key in one))
    rows = [[_text(one.get(key)) for key in columns] for one in value[:_MOST_ROWS]]
    return Table(_said(name), [_said(column) for column in columns], rows)


def _said(name: object) -> str:
    return str(name).replace("_", " ")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
