"""Attacks on who opens what is exported: texts that a spreadsheet would execute."""

import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.bounds.cells import STARTS, guarded, is_formula
from entrepot.client.ovbp import excel
from entrepot.client.owi.tables import read_table, to_payloads, to_table, write_table
from entrepot.db import Database
from entrepot.pipeline.generators import publication
from entrepot.series import store
from entrepot.series.export import ExportRequest, export

CALC = "=cmd|'/C calc'!A0"
EVIL = [CALC, "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "＋1", "－1", "＠x", '=HYPERLINK("http://x")']


@pytest.mark.parametrize("text", [*EVIL, "\x1f=1", "\u200b=1"])  # the last two in CSV alone
def test_every_way_to_begin_a_formula_is_known(text: str) -> None:
    assert is_formula(text)
    assert guarded(text) == f"'{text}"
    assert guarded(guarded(text)) == guarded(text)


@settings(deadline=None)
@given(
    st.builds(
        "".join, st.tuples(st.text(" \x1f\u200b", max_size=2), st.sampled_from(["", *STARTS]), st.text(max_size=20))
    )
)
def test_a_guarded_text_never_begins_a_formula(text: str) -> None:
    assert not guarded(text).lstrip().startswith(STARTS[:4] + STARTS[7:])
    assert guarded(text).removeprefix("'") == text.removeprefix("'")


def test_names_of_series_and_tags_are_no_formulas_in_an_export(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        made = []
        for number, name in enumerate([*EVIL, "power"]):
            series = store.create_series(
                session, organization_id="o", project_id="p", generator_kind="direct", generator_id="d",
                name=name, clock="utc",
            )  # fmt: skip
            store.append(session, series.number, np.arange(3) * 60_000_000, np.full(3, -1.5), [CALC, "fine", None])
            made.append((series, "direct", ""))
            assert number < 20
    for mode in ("series", "dataframe"):
        request = ExportRequest(layout=mode, tags=True, formula_guard=True)
        with database.read() as session:
            export(session, made, request, tmp_path / "x.zip")
        with zipfile.ZipFile(tmp_path / "x.zip") as archive:
            for name in archive.namelist():
                for line in csv.reader(io.StringIO(archive.read(name).decode(), newline="")):
                    for cell in line:
                        assert not is_formula(cell) or float(cell) == -1.5, (name, cell)
                assert "fine" in archive.read(name).decode()


def _rows() -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "analysis": 1, "site": None, "location": None, "short_description": text, "description": text,
            "name_col1": text, "units_col1": "-", "name_col2": "b", "units_col2": text, "name_col3": None,
            "units_col3": None, "related_object": None, "additional_data": {text: 1}, "value_col1": [-1.0, 2.0],
            "value_col2": [3.0, 4.0], "value_col3": None,
        }
        for text in EVIL
    ]  # fmt: skip
    return to_table(pd.DataFrame(rows))


def test_texts_of_rows_are_texts_in_a_workbook(tmp_path: Path) -> None:
    table = _rows().rename(columns={"description": "=description"})
    write_table(table, tmp_path / "rows.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "rows.xlsx").active
    assert sheet is not None
    cells = [cell for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    assert [cell.value for cell in cells if cell.value == "=description"] == ["=description"]
    with zipfile.ZipFile(tmp_path / "rows.xlsx") as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
    assert read_table(tmp_path / "rows.xlsx")["short_description"].tolist()[::2] == [
        text.replace("\r", "\n") for text in EVIL
    ]


def test_texts_of_rows_are_guarded_in_csv_by_option(tmp_path: Path) -> None:
    write_table(_rows(), tmp_path / "plain.csv")
    assert len(to_payloads(read_table(tmp_path / "plain.csv"))) == len(EVIL)
    write_table(_rows().rename(columns={"description": "=d"}), tmp_path / "rows.csv", formula_guard=True)
    with (tmp_path / "rows.csv").open(newline="") as file:
        for line in csv.reader(file):
            for cell in line:
                assert not is_formula(cell) or float(cell) == -1, cell


def test_a_cleaner_of_evil_names_makes_a_workbook_of_texts(tmp_path: Path) -> None:
    excel.write(tmp_path / "c.xlsx", CALC, "@" + CALC, [], EVIL[:4] + EVIL[7:])
    sheet = openpyxl.load_workbook(tmp_path / "c.xlsx")[excel.SHEET]
    assert (sheet["B2"].data_type, sheet["B3"].data_type) == ("s", "s")
    formulas = [cell.coordinate for line in sheet.iter_rows() for cell in line if cell.data_type == "f"]
    assert formulas == ["B4", "B5"], "our own two counts"


def test_outputs_of_runs_are_guarded_in_csv_by_option(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[list[str]] = []

    @contextmanager
    def storing(_context: object, path: Path, _fields: object) -> Iterator[None]:
        written.append(next(csv.reader(io.StringIO(path.read_text()))))
        yield

    monkeypatch.setattr(publication, "storing", storing)
    part = {name: (np.array([0]), np.array([-1.5])) for name in (CALC, "power")}
    for formula_guard in (True, False):
        publishing = publication.Publishing("a", "p", {"format": "csv", "formula_guard": formula_guard})
        with publishing.storing(None, [part]):
            pass
    assert written == [["time", f"'{CALC}", "power"], ["time", CALC, "power"]]
