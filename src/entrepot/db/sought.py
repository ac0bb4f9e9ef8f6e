"""Rows that a statement has found the keys of, looked up one by one by an index (PostgreSQL)."""

from typing import Any

from sqlalchemy import Column, ColumnElement, FromClause, func, literal_column, select, true


def sought(column: Column[Any], keys: FromClause, name: str) -> ColumnElement[bool]:
    """Return the condition that a row's column has one of some keys: few, as the database cannot know.

    Told of a list or of a table, it would read all rows there are while these do not look many, and compare each with
    each key. What is looked up apart for each key goes by the index, and the rows by where they lie.

    Parameters
    ----------
    column
        A column of a table, with an index.
    keys, name
        What the statement has found before, and its column with the keys.
    """
    table = column.table.alias("sought")
    place: Any = literal_column("sought.ctid").label("place")
    # The offset keeps each look-up apart.
    one = select(place).where(table.c[column.name] == keys.c[name]).select_from(table).offset(0).lateral("one")
    places = select(one.c.place).select_from(keys.join(one, true())).scalar_subquery()
    return literal_column(f"{column.table.name}.ctid") == func.any(func.array(places))
