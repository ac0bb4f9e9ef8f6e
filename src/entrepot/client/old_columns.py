"""Tables of rows that were written with the columns of former versions: they are read until 1.0."""

import pandas as pd

_NAMES = {
    "analysis": "result_set", "short_description": "name", "related_object": "about", "additional_data": "extra",
    **{f"{old}_col{number}": f"{new}{number}" for old, new in (("name", "name"), ("units", "unit"), ("value", "value"))
       for number in (1, 2, 3)},
}  # fmt: skip


def renamed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the columns of today."""
    return table.rename(columns=_NAMES) if "short_description" in table.columns else table
