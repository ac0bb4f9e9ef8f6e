"""Things as they print: a line in a terminal, a small table in a notebook."""

from collections.abc import Mapping
from typing import Any

_LONGEST = 120


def said(value: Any) -> str:
    """Return a value of a record in few words."""
    if isinstance(value, Mapping) and "name" in value:
        return str(value["name"] or value.get("id"))
    if isinstance(value, list):
        return ", ".join(map(said, value[:5])) + (f" and {len(value) - 5} more" if len(value) > 5 else "")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {said(one)}" for name, one in value.items())
    first, *more = ("" if value is None else str(value)).splitlines() or [""]
    return first[:_LONGEST] + (" …" if more or len(first) > _LONGEST else "")


def table(title: str, record: Mapping[str, Any]) -> str:
    """Return a record as a table for a notebook, without what is empty."""
    from html import escape  # notebooks alone ask for tables

    rows = "".join(
        f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{escape(said(value))}</td></tr>"
        for name, value in record.items()
        if value not in (None, "", [], {})
    )
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"


def tables(title: str, records: list[Mapping[str, Any]], names: list[str]) -> str:
    """Return records as a table for a notebook, a line each."""
    from html import escape

    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    lines = ("".join(f"<td>{escape(said(one.get(name)))}</td>" for name in names) for one in records)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{body}</table>"
