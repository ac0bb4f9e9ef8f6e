"""Rows in files: a line a point, so that a spreadsheet shows them, with what the row is repeated on each line."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from entrepot.client.old_columns import renamed
from entrepot.client.tables import NoTable

Record = dict[str, Any]


@dataclass(frozen=True)
class Words:
    """What the columns of a table are called.

    Attributes
    ----------
    keys
        By which lines are of one row, where they are not numbered.
    whole
        Whole numbers; `texts` and `json`: what else is said of a row.
    names, units, values
        Of the two or three vectors.
    """

    keys: tuple[str, str]
    whole: tuple[str, ...]
    texts: tuple[str, ...]
    json: tuple[str, ...]
    names: tuple[str, str, str]
    units: tuple[str, str, str]
    values: tuple[str, str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, in order."""
        vectors = [one for pair in zip(self.names, self.units, strict=True) for one in pair]
        return (*self.whole, *self.texts, *vectors, *self.json, *self.values)

    @property
    def required(self) -> tuple[str, ...]:
        """Those that every table has."""
        return (*self.keys, *self.names[:2], *self.units[:2], *self.values[:2])


WORDS = Words(
    keys=("result_set", "name"),
    whole=(),
    texts=("result_set", "location", "name", "description"),
    json=("about", "extra"),
    names=("name1", "name2", "name3"),
    units=("unit1", "unit2", "unit3"),
    values=("value1", "value2", "value3"),
)


def to_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows, as the interface shows them, with a line for each point."""
    return exploded(pd.DataFrame([_flat(row) for row in rows], columns=[*WORDS.columns]), WORDS)


def to_rows(table: pd.DataFrame, result_set: str | None = None) -> list[Record]:
    """Return rows as the interface takes them, from a table such as :func:`to_table` makes.

    Parameters
    ----------
    result_set
        Of all rows, in place of the table's own.

    Raises
    ------
    NoTable
        A column is missing, or the lines of one row disagree.
    """
    table = renamed(table)
    if result_set is not None:
        table = table.assign(result_set=result_set)
    return [_shaped(flat) for flat in collected(table, WORDS)]


def exploded(rows: pd.DataFrame, words: Words) -> pd.DataFrame:
    """Return a table of rows, whose vectors are lists, with a line for each point."""
    known = rows.reindex(columns=[*words.columns])
    table = known.astype(object).where(known.notna(), None)
    for name in words.json:
        table[name] = [None if value is None else json.dumps(value, ensure_ascii=False) for value in table[name]]
    first, _, third = words.values
    lengths = [len(values) for values in table[first]]
    table[third] = [
        [None] * length if values is None else values for values, length in zip(table[third], lengths, strict=True)
    ]
    table.insert(0, "row", range(1, len(table) + 1))
    table = table.explode(list(words.values), ignore_index=True)
    return table.astype(dict.fromkeys(words.values, "float64") | dict.fromkeys(words.whole, "Int64"))


def collected(table: pd.DataFrame, words: Words) -> list[Record]:
    """Return the rows of a table with a line for each point, their vectors as lists.

    Lines of one row are those with the same ``row``; without that column, with the same `keys`.

    Raises
    ------
    NoTable
        A column is missing, or the lines of one row disagree.
    """
    if missing := [name for name in words.required if name not in table.columns]:
        raise NoTable(f"Columns are missing: {', '.join(missing)}.")
    keys = ["row"] if "row" in table.columns else [*words.keys]
    lines = table.reset_index(drop=True)
    groups = lines.groupby(keys, sort=False, dropna=False)
    described = [name for name in words.columns if name in lines.columns and name not in words.values]
    differ = groups[[name for name in described if name not in keys]].nunique(dropna=False) > 1  # noqa: PD101 - of groups
    if differ.to_numpy().any():
        name = differ.columns[differ.any()][0]
        at = differ.index[differ[name]][0]
        raise NoTable(f"Row {at}: its lines disagree on {name}.")
    values = {name: _numbers(lines[name]) for name in words.values if name in lines.columns}
    numbers_of_groups = groups.ngroup().to_numpy()
    ends = np.cumsum(np.bincount(numbers_of_groups))[:-1]
    places = np.split(np.argsort(numbers_of_groups, kind="stable"), ends)
    rows = []
    for first, at in zip(groups.head(1)[described].to_dict(orient="records"), places, strict=False):
        row = _described(first, words)
        for name, column in values.items():
            numbers = column[at]
            if name != words.values[2] or row.get(words.names[2]) is not None or not np.isnan(numbers).all():
                row[name] = [None if math.isnan(number) else number for number in numbers.tolist()]
        rows.append(row)
    return rows


def _flat(row: Mapping[str, Any]) -> Record:
    flat: Record = {name: row.get(name) for name in ("name", "description")}
    flat |= {name: row.get(name) or None for name in WORDS.json}
    flat |= {"result_set": row["result_set"]["id"], "location": (row["location"] or {}).get("name")}
    for number, vector in enumerate(row["columns"], 1):
        flat |= {f"name{number}": vector["name"], f"unit{number}": vector["unit"], f"value{number}": vector["values"]}
    return flat


def _shaped(flat: Record) -> Record:
    vectors = []
    for name, unit, values in zip(WORDS.names, WORDS.units, WORDS.values, strict=True):
        words = (("name", name), ("unit", unit), ("values", values))
        vectors.append({word: flat.pop(column) for word, column in words if column in flat})
    return {**flat, "columns": [vector for vector in vectors if vector]}


def _numbers(column: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    try:
        return np.array([math.nan if pd.isna(value) else float(value) for value in column])
    except (TypeError, ValueError) as error:
        raise NoTable(f"{column.name}: {error}.") from None


def _described(first: Mapping[Any, Any], words: Words) -> Record:
    """Return what the first line of a row says of it."""
    row: Record = {}
    third = words.units[2]
    for name, value in first.items():
        if not pd.isna(value):
            row[name] = _value(name, value, str(first[words.keys[1]]), words)
        elif name in words.units and (name != third or not pd.isna(first.get(words.names[2]))):
            row[name] = ""  # a file does not tell an empty text from none
    return row


def _value(name: str, value: Any, row: str, words: Words) -> Any:
    if name in words.whole:
        return int(float(value))
    if name not in words.json:
        # Spreadsheets make numbers of ids, and of names that look like some.
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    try:
        return json.loads(value)
    except (TypeError, json.JSONDecodeError):
        raise NoTable(f"{row}: {name} is not JSON.") from None
