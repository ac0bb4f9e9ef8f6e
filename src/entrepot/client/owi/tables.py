"""Rows in files, in the words of ``owi-metadatabase-results``; what else is to be said of them: see `row_tables`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from entrepot.client import row_tables, tables
from entrepot.client.owi.exceptions import InvalidParameterError

WORDS = row_tables.Words(
    keys=("analysis", "short_description"),
    whole=("analysis", "site", "location"),
    texts=("short_description", "description"),
    json=("related_object", "additional_data"),
    names=("name_col1", "name_col2", "name_col3"),
    units=("units_col1", "units_col2", "units_col3"),
    values=("value_col1", "value_col2", "value_col3"),
)
guarded_table = tables.guarded_table


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except tables.NoTable as error:
        raise InvalidParameterError(str(error)) from None


def to_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows, as :meth:`ResultsAPI.list_results` returns them in ``data``, with a line for each point."""
    return row_tables.exploded(rows, WORDS)


def to_payloads(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as the server takes them, from a table such as :func:`to_table` makes.

    Lines of one row are those with the same ``row``; without that column, with the same analysis and description.

    Raises
    ------
    InvalidParameterError
        A column is missing, or the lines of one row disagree.
    """
    with _translated():
        return row_tables.collected(table, WORDS)


def read_table(path: str | Path) -> pd.DataFrame:
    """Return the table of a file: .xlsx (its first sheet), .csv or .parquet."""
    with _translated():
        return tables.read_table(path)


def write_table(table: pd.DataFrame, path: str | Path, *, formula_guard: bool = False) -> None:
    """Write a table to a file, by its ending: .xlsx, .csv or .parquet.

    Parameters
    ----------
    formula_guard
        In CSV, whether texts that a spreadsheet would execute stand behind an apostrophe; in a workbook they are texts.
    """
    with _translated():
        tables.write_table(table, path, formula_guard=formula_guard)
