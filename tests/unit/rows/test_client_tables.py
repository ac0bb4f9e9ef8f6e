"""Rows to files and back, and what is refused of files."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from entrepot.client.owi import (
    InvalidParameterError,
    ResultsAPI,
    ResultVector,
    read_table,
    to_payloads,
    to_table,
    write_table,
)

ROWS: list[dict[str, Any]] = [
    {
        "analysis": 46, "site": 35, "location": None, "name_col1": "reference_index", "name_col2": "FA1",
        "name_col3": None, "units_col1": "index", "units_col2": "", "units_col3": None, "value_col1": [0.0, 1.0, 2.0],
        "value_col2": [1 / 3, 5e-324, 1.7976931348623157e308], "value_col3": None, "short_description": "NA",
        "description": None, "related_object": {"type": "shm.sensor", "id": 92},
        "additional_data": {"reference_labels": ["É", "b"], "n": 1.0},
    },
    {
        "analysis": 46, "site": None, "location": 435, "name_col1": "bin_left", "name_col2": "value",
        "name_col3": "bin_right", "units_col1": "m/s", "units_col2": "count", "units_col3": "m/s",
        "value_col1": [0.1 + 0.2], "value_col2": [-0.0], "value_col3": [3.0], "short_description": "b, c",
        "description": "x", "related_object": None, "additional_data": None,
    },
]  # fmt: skip


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet"])
def test_rows_come_back_from_a_file_as_they_were(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"rows{ending}"
    write_table(to_table(pd.DataFrame(ROWS)), file)
    payloads = to_payloads(read_table(file))
    wanted = [{name: value for name, value in row.items() if value is not None} for row in ROWS]
    assert payloads == wanted
    assert str(payloads[1]["value_col2"]) == "[-0.0]" or ending == ".xlsx"  # a sheet has no negative zero


def test_lines_of_a_row_may_be_apart_and_need_no_row_column() -> None:
    table = to_table(pd.DataFrame(ROWS)).drop(columns="row").iloc[[1, 3, 0, 2]]
    first, second = to_payloads(table)
    assert first["value_col1"] == [1.0, 0.0, 2.0]
    assert second["short_description"] == "b, c"


def test_what_a_file_lacks_or_contradicts_is_named(tmp_path: Path) -> None:
    table = to_table(pd.DataFrame(ROWS))
    with pytest.raises(InvalidParameterError, match="name_col1, value_col2"):
        to_payloads(table.drop(columns=["name_col1", "value_col2"]))
    table.loc[1, "name_col2"] = "other"
    with pytest.raises(InvalidParameterError, match="disagree on name_col2"):
        to_payloads(table)
    with pytest.raises(InvalidParameterError, match=r"rows\.txt"):
        write_table(table, tmp_path / "rows.txt")


def test_a_gap_in_a_vector_is_kept() -> None:
    table = to_table(pd.DataFrame(ROWS))
    table.loc[1, "value_col2"] = float("nan")
    assert to_payloads(table)[0]["value_col2"][1] is None


def test_a_third_vector_of_gaps_is_one() -> None:
    gaps = [None] * len(ROWS[0]["value_col1"])
    row = {**ROWS[0], "name_col3": "strain", "units_col3": "1", "value_col3": gaps}
    (payload,) = to_payloads(to_table(pd.DataFrame([row])))
    assert payload["value_col3"] == gaps


def test_what_is_no_number_is_named_before_it_is_sent() -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request)

    api = ResultsAPI(token="t", transport=httpx.MockTransport(unreachable))
    bad = {**ROWS[0], "value_col2": np.array([1.0, np.nan, 3.0])}
    with pytest.raises(InvalidParameterError, match="Row 1, value_col2, item 1: nan is no number; give None"):
        api.create_results_bulk([ROWS[0], bad])
    with pytest.raises(InvalidParameterError, match="Row 0, value_col2, item 1"):
        api.create_result(bad)
    with pytest.raises(ValueError, match=r"Vector 'FA1', item 2: inf is no number"):
        ResultVector(name="FA1", unit="Hz", values=[1.0, None, float("inf")])
