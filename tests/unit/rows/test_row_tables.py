"""Rows to tables and back, in the interface's words."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.client.row_tables import to_rows, to_table
from entrepot.client.tables import NoTable, read_table, write_table

SHOWN: list[dict[str, Any]] = [
    {
        "id": "1", "name": "BBA01 - FA1", "result_set": {"id": "46", "name": "F"},
        "location": {"id": "4", "name": "T 1"},
        "columns": [{"name": "index", "unit": "", "values": [0.0, 1.0]},
                    {"name": "FA1", "unit": "Hz", "values": [1 / 3, None]}],
        "description": "x", "about": {"type": "sensor", "id": 92}, "extra": {"labels": ["É"]}, "locked": False,
    },
    {
        "id": "2", "name": "07", "result_set": {"id": "46", "name": "F"}, "location": None,
        "columns": [{"name": name, "unit": "m/s", "values": [0.1 + 0.2]} for name in ("left", "value", "right")],
        "description": None, "about": None, "extra": {}, "locked": False,
    },
]  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_rows_come_back_as_they_are_taken(tmp_path: Path, ending: str) -> None:
    write_table(to_table(SHOWN), tmp_path / f"rows.{ending}")
    first, second = to_rows(read_table(tmp_path / f"rows.{ending}"))
    assert first == {
        "result_set": "46", "name": "BBA01 - FA1", "location": "T 1", "description": "x",
        "about": SHOWN[0]["about"], "extra": SHOWN[0]["extra"], "columns": SHOWN[0]["columns"],
    }  # fmt: skip
    assert second["columns"] == SHOWN[1]["columns"]
    assert set(second) == {"result_set", "name", "columns"}


def test_tables_of_before_are_taken() -> None:
    table = pd.DataFrame({
        "analysis": [46.0], "site": [35], "location": [435.0], "short_description": ["a"], "name_col1": ["i"],
        "units_col1": [None], "value_col1": [1], "name_col2": ["v"], "units_col2": ["Hz"], "value_col2": [2],
        "additional_data": ['{"a": 1}'],
    })  # fmt: skip
    columns = [{"name": "i", "unit": "", "values": [1.0]}, {"name": "v", "unit": "Hz", "values": [2.0]}]
    assert to_rows(table) == [
        {"result_set": "46", "location": "435", "name": "a", "extra": {"a": 1}, "columns": columns}
    ]
    assert to_rows(table, "Frequencies")[0]["result_set"] == "Frequencies"


def test_what_is_no_table_of_rows_is_said() -> None:
    assert to_rows(to_table([])) == []
    with pytest.raises(NoTable, match="name1, name2"):
        to_rows(to_table(SHOWN).drop(columns=["name1", "name2"]))
    with pytest.raises(NoTable, match="extra is not JSON"):
        to_rows(to_table(SHOWN).assign(extra="{"))


_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.none()


@st.composite
def _rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = []
    for at in range(draw(st.integers(1, 3))):
        count, length = draw(st.integers(2, 3)), draw(st.integers(1, 4))
        columns = [
            {"name": draw(_TEXTS), "unit": draw(_TEXTS | st.just("")),
             "values": draw(st.lists(_NUMBERS, min_size=length, max_size=length))}
            for _ in range(count)
        ]  # fmt: skip
        rows.append({
            "name": f"{draw(_TEXTS)}{at}", "result_set": {"id": "4"},
            "location": draw(st.none() | st.just({"name": "T"})), "columns": columns,
            "description": draw(st.none() | _TEXTS),
            "extra": draw(st.dictionaries(_TEXTS, _NUMBERS, max_size=2)), "about": None,
        })  # fmt: skip
    return rows


@settings(max_examples=60, deadline=None)
@given(_rows())
def test_nothing_is_lost_of_rows_in_a_table(rows: list[dict[str, Any]]) -> None:
    """A table says of a row what the row says, whatever its vectors hold; what is empty is as if it were not there."""
    back = to_rows(to_table(rows))
    assert [(one["name"], one["columns"]) for one in back] == [(row["name"], row["columns"]) for row in rows]
    assert [(one.get("extra", {}), one.get("description")) for one in back] == [
        (row["extra"], row["description"]) for row in rows
    ]
