"""Indexes of the rows of which something is so, on both databases."""

from typing import Any

from sqlalchemy import Index, text


def partial(name: str, *columns: Any, where: str, unique: bool = False) -> Index:
    """Return an index of the rows of which `where`, an SQL condition, is so; queries that say the same go by it."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
