"""Workbooks of either client are read by the other, and say the same."""

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from entrepot.client.ovbp import Client, excel
from entrepot.client.ovbp.records import BaseModel
from tests.conformance.runner import run_script

pytestmark = pytest.mark.conformance

FIRST = {
    "external_name": "a",
    "name": "a-cleaned",
    "freq": "1H",
    "input_unit_type": "instantaneous",
    "input_convention": "left",
    "clock": "tzt",
    "timezone": "Europe/Paris",
    "unit": "°C",
    "label": "",
    "input_expected_regular": True,
    "unit_type": "mean_derivate",
    "resample_rule": "first",
    "interpolate_limit": 3,
    "wait_offset": "12H",
    "operation_fct": "def fct(value):\n    return 2 * value",
    "filter_fct": None,
    "derivative_filter_fct": None,
    "custom_delay": "30T",
    "custom_fct": None,
    "custom_before_offset": 2,
    "custom_after_offset": "1D",
}
SECOND = FIRST | {"external_name": "b", "name": "b-cleaned", "unit_type": "instantaneous", "operation_fct": None}
UNITCLEANERS = [FIRST, SECOND]


def _mark(path: Path) -> None:
    book = openpyxl.load_workbook(path)
    for row in (8, 9):
        book["Series"][f"C{row}"].value = "x"
    book.save(path)


def _published(folder: Path, **arguments: Any) -> Any:
    return run_script("ovbpclient", "ovbp_workbook", folder, arguments)


def test_the_published_client_reads_ours(tmp_path: Path) -> None:
    path = tmp_path / "ours.xlsx"
    endpoint = Client(login="a", password="b", url="http://nowhere").unitcleaners
    excel.write(path, "Project", "cleaner", [BaseModel(endpoint, data) for data in UNITCLEANERS], ["raw"])
    _mark(path)
    assert _published(tmp_path, read=str(path)) == UNITCLEANERS


def test_ours_reads_that_of_the_published_client(tmp_path: Path) -> None:
    path = tmp_path / "published.xlsx"
    _published(tmp_path, write=str(path), unitcleaners=UNITCLEANERS)
    _mark(path)
    assert [row.fields for row in excel.read(path)] == UNITCLEANERS == _published(tmp_path, read=str(path))
