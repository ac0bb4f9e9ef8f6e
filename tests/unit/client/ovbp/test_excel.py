"""The configuration workbook: out, edited, in again: exactly what was meant, or nothing."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from entrepot.client.ovbp import Client, ExcelConfigurationError, HttpError
from entrepot.client.ovbp.excel import excel_to_unitcleaners_data
from entrepot.client.ovbp.models.odata import Cleaner
from tests.unit.client.ovbp.conftest import Platform

SOFFICE = shutil.which("soffice")
Edit = Callable[[Worksheet], None]

AWKWARD = {
    "unit": "=1+1",
    "label": "  é – 温度 <&> \"'  ",
    "operation_fct": "def fct(value):\r\n    return value + 1  # ±\r\n",
    "filter_fct": "",
    "input_expected_regular": True,
    "custom_before_offset": 3,
    "custom_after_offset": "1D",
    "custom_delay": "0T",
    "interpolate_limit": 2,
}


@pytest.fixture
def cleaner(client: Client, platform: Platform) -> Cleaner:
    """A cleaner of two unit cleaners, and of a raw series that has none."""
    project = platform.add("odata/projects", name="Project")
    made = platform.add("odata/cleaners", name="importer", project=project["id"], related_importer="i")
    cleaner = client.cleaners.retrieve(made["id"])
    cleaner.create_unitcleaner("a", name="a-cleaned")
    cleaner.create_unitcleaner("b", name="b-cleaned", **AWKWARD)  # type: ignore[arg-type]
    for name, unitcleaner in (("a", "id-3"), ("b", "id-4"), ("raw c", None)):
        platform.add("odata/importer_series", name=name, external_name=name, unitcleaner=unitcleaner, generator="i")
    platform.requests.clear()
    return cleaner


def _edited(cleaner: Cleaner, path: Path, edit: Edit) -> Path:
    cleaner.export_configuration_to_excel(path)
    book = openpyxl.load_workbook(path)
    edit(book["Series"])
    book.save(path)
    return path


def _set(**cells: Any) -> Edit:
    def edit(sheet: Worksheet) -> None:
        for name, value in cells.items():
            sheet[name].value = value

    return edit


NEW = {"C10": "x", "E10": "30T", "F10": "mean", "G10": "right", "H10": "dst", "I10": "Europe/Paris"}


def test_the_workbook_shows_what_there_is(cleaner: Cleaner, tmp_path: Path) -> None:
    cleaner.export_configuration_to_excel(tmp_path / "c.xlsx")
    book = openpyxl.load_workbook(tmp_path / "c.xlsx")
    assert book.sheetnames == ["Series", "Help", "Lists"]
    assert book["Lists"].sheet_state == "hidden"
    sheet = book["Series"]
    assert [sheet["B2"].value, sheet["B3"].value] == ["Project", "importer"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=8)]
    assert [row[:5] for row in rows] == [
        ["b", "b-cleaned", None, "yes", "1H"],
        ["a", "a-cleaned", None, "yes", "1H"],
        ["raw c", None, None, None, None],
    ]
    assert rows[0][9] == "=1+1"
    assert sheet["J8"].data_type == "s"
    assert rows[0][11] == "yes"
    assert rows[0][21:] == [3, "1D"]


def test_each_column_has_its_drop_down_and_help(cleaner: Cleaner, tmp_path: Path) -> None:
    cleaner.export_configuration_to_excel(tmp_path / "c.xlsx")
    book = openpyxl.load_workbook(tmp_path / "c.xlsx")
    validations = {str(one.sqref)[0]: one for one in book["Series"].data_validations.dataValidation}
    assert "".join(sorted(validations)) == "ABCDEFGHIJKLMNOPQRSTUVW"
    assert all(one.prompt and str(one.sqref).startswith(f"{letter}8:") for letter, one in validations.items())
    lists = {letter: one.formula1 for letter, one in validations.items() if one.type == "list"}
    assert lists == {
        "C": '"x"',
        "F": '"instantaneous,delta,mean"',
        "G": '"left,right"',
        "H": '"dst,gmt,tzt"',
        "I": f"Lists!$A$1:$A${book['Lists'].max_row}",
        "L": '"yes,no"',
        "M": '"instantaneous,delta,mean,mean_derivate"',
        "N": '"mean,sum,first"',
    }
    assert "Europe/Paris" in [cell.value for cell in book["Lists"]["A"]]
    helped = [row[0].value for row in book["Help"].iter_rows(min_row=8)]
    assert "".join(helped) == "ABCDEFGHIJKLMNOPQRSTUVW"


@pytest.mark.parametrize("marks", [{}, {"C8": "x", "C9": "x"}, {"C8": "X"}])
def test_what_was_not_changed_is_not_written(
    marks: dict[str, str], cleaner: Cleaner, platform: Platform, tmp_path: Path
) -> None:
    cleaner.configure_from_excel(_edited(cleaner, tmp_path / "c.xlsx", _set(**marks)))
    assert platform.writes() == []


def test_marked_rows_change_and_create_exactly_what_they_say(
    cleaner: Cleaner, platform: Platform, tmp_path: Path
) -> None:
    edit = _set(C9="x", O9=3.0, D9="no", K8="not marked", **NEW, J10=7, U10="def f():\n    pass", V10="4", W10=5)
    cleaner.configure_from_excel(_edited(cleaner, tmp_path / "c.xlsx", edit))
    changed, created = platform.writes()
    assert changed == ("PATCH", "odata/unitcleaners/id-3", {}, {"interpolate_limit": 3})
    assert created[:2] == ("POST", "odata/unitcleaners")
    assert created[3] == {
        "cleaner": cleaner.id,
        "external_name": "raw c",
        "name": "raw c",
        "freq": "30T",
        "input_unit_type": "mean",
        "unit_type": "mean",
        "input_convention": "right",
        "clock": "dst",
        "timezone": "Europe/Paris",
        "unit": "7",
        "resample_rule": "mean",
        "interpolate_limit": 0,
        "wait_offset": "6H",
        "label": "",
        "input_expected_regular": False,
        "operation_fct": None,
        "filter_fct": None,
        "derivative_filter_fct": None,
        "custom_delay": None,
        "custom_fct": "def f():\n    pass",
        "custom_before_offset": 4,
        "custom_after_offset": 5,
    }
    cleaner.configure_from_excel(tmp_path / "c.xlsx")
    assert platform.writes() == []


@pytest.mark.parametrize(
    ("cell", "value", "reason"),
    [
        ("A10", None, "must not be empty"),
        ("A10", "a", "'a' is taken by row 9"),
        ("A10", "n" * 256, "at most 255"),
        ("B10", "b-cleaned", "'b-cleaned' is taken by b"),
        ("B10", "a-cleaned", "'a-cleaned' is taken by row 9"),
        ("C10", "yes", "'yes' is not one of"),
        ("E10", None, "must not be empty"),
        ("E10", "fast", "not a length of time"),
        ("E10", "0H", "no length"),
        ("E10", 30, "not a length of time"),
        ("F10", "bonjour", "'bonjour' is not one of: instantaneous, delta, mean"),
        ("F10", "Mean", "'Mean' is not one of"),
        ("G10", "middle", "not one of: left, right"),
        ("H10", "utc", "not one of: dst, gmt, tzt"),
        ("I10", "Europe/Pari", "not the name of a time zone"),
        ("J10", "=1+1", "a formula is not read"),
        ("L10", "true", "not one of: yes, no"),
        ("M10", "delta", "mean values cannot become delta, but mean"),
        ("N10", "median", "not one of: mean, sum, first"),
        ("O10", -1, "not a whole number"),
        ("O10", 1.5, "not a whole number"),
        ("O10", "many", "not a whole number"),
        ("P10", "soon", "not a length of time"),
        ("Q10", "def fct(value) return 1", "not Python (line 1)"),
        ("V10", "some", "not a length of time"),
        ("W10", -2, "not a whole number"),
    ],
)
def test_a_wrong_cell_has_everything_refused(
    cell: str, value: Any, reason: str, cleaner: Cleaner, platform: Platform, tmp_path: Path
) -> None:
    edit = _set(**{"C9": "x", "O9": 3, **NEW, cell: value})
    path = _edited(cleaner, tmp_path / "c.xlsx", edit)
    platform.requests.clear()
    with pytest.raises(ExcelConfigurationError) as raised:
        cleaner.configure_from_excel(path)
    ((sheet, place, said),) = raised.value.cells
    assert (sheet, place) == ("Series", cell)
    assert reason in said
    assert str(raised.value) == f"Series!{cell}: {said}"
    assert platform.writes() == []


def test_all_wrong_cells_are_named_at_once(cleaner: Cleaner, tmp_path: Path) -> None:
    edit = _set(C8="x", E8="never", I8="Mars", C9="?", C10="x", F10="mean")
    with pytest.raises(ExcelConfigurationError) as raised:
        cleaner.configure_from_excel(_edited(cleaner, tmp_path / "c.xlsx", edit))
    assert [cell.cell for cell in raised.value.cells] == ["E8", "I8", "C9", "E10", "G10", "H10", "I10"]


def test_names_may_be_handed_on_to_another_row(cleaner: Cleaner, platform: Platform, tmp_path: Path) -> None:
    cleaner.configure_from_excel(_edited(cleaner, tmp_path / "c.xlsx", _set(C8="x", B8="new", **NEW, B10="b-cleaned")))
    assert [body["name"] for *_, body in platform.writes()] == ["new", "b-cleaned"]


def test_what_the_server_refuses_names_the_cell_and_is_undone(
    cleaner: Cleaner, platform: Platform, tmp_path: Path
) -> None:
    path = _edited(cleaner, tmp_path / "c.xlsx", _set(C8="x", K8="new label", C9="x", O9=3, P9="7H", **NEW))
    before = {id_: dict(record) for id_, record in platform.records["odata/unitcleaners"].items()}
    platform.requests.clear()

    def refuse(request: httpx.Request) -> httpx.Response:
        del platform.actions["odata/unitcleaners"]
        return httpx.Response(400, json={"freq": ["Too short."], "detail": "x"})

    listing = platform.actions
    listing["odata/unitcleaners"] = lambda request: (
        refuse(request) if request.method == "POST" else platform._collection(request, "odata/unitcleaners", None)
    )
    with pytest.raises(ExcelConfigurationError) as raised:
        cleaner.configure_from_excel(path)
    assert [str(cell) for cell in raised.value.cells] == ["Series!E10: Too short."]
    assert platform.records["odata/unitcleaners"] == before
    assert [body for *_, body in platform.writes()][-2:] == [
        {"interpolate_limit": 0, "wait_offset": "6H"},
        {"label": AWKWARD["label"]},
    ]


def test_another_failure_is_undone_too_and_keeps_its_kind(cleaner: Cleaner, platform: Platform, tmp_path: Path) -> None:
    path = _edited(cleaner, tmp_path / "c.xlsx", _set(C9="x", O9=3, **NEW, A8="new", B8="new-cleaned", C8="x"))
    creations = iter([True, False])

    def create(request: httpx.Request) -> httpx.Response:
        body = None if request.method == "GET" else json.loads(request.content)
        if request.method == "POST" and not next(creations):
            return httpx.Response(503, text="maintenance")
        return platform._collection(request, "odata/unitcleaners", body)

    platform.actions["odata/unitcleaners"] = create
    with pytest.raises(HttpError, match="maintenance"):
        cleaner.configure_from_excel(path)
    kept = platform.records["odata/unitcleaners"]
    assert [record["name"] for record in kept.values()] == ["a-cleaned", "b-cleaned"]
    assert kept["id-3"]["interpolate_limit"] == 0


@pytest.mark.parametrize(("script", "reason"), [("#" * 40_000, "at most 32767"), ("a\x00b", "control characters")])
def test_what_does_not_fit_into_a_cell_is_not_written_in_part(
    script: str, reason: str, cleaner: Cleaner, platform: Platform, tmp_path: Path
) -> None:
    platform.records["odata/unitcleaners"]["id-3"]["operation_fct"] = script
    with pytest.raises(ExcelConfigurationError, match=reason) as raised:
        cleaner.export_configuration_to_excel(tmp_path / "c.xlsx")
    assert raised.value.cells[0].cell == "Q9"
    assert not (tmp_path / "c.xlsx").exists()


def test_a_workbook_of_something_else_is_refused(cleaner: Cleaner, tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "other.xlsx")
    with pytest.raises(ExcelConfigurationError, match="no sheet"):
        cleaner.configure_from_excel(tmp_path / "other.xlsx")


def test_rows_can_be_read_without_a_server(cleaner: Cleaner, tmp_path: Path) -> None:
    path = _edited(cleaner, tmp_path / "c.xlsx", _set(C8="x", **NEW))
    assert [row["external_name"] for row in excel_to_unitcleaners_data(path)] == ["b", "raw c"]
    assert [row["external_name"] for row in excel_to_unitcleaners_data(path, max_input_length=2)] == ["b"]


@pytest.mark.slow
@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed (Debian package libreoffice-calc)")
def test_a_workbook_survives_libreoffice(cleaner: Cleaner, platform: Platform, tmp_path: Path) -> None:
    edit = _set(C8="x", C9="x", O9=3, **NEW)
    path = _edited(cleaner, tmp_path / "c.xlsx", edit)
    sent = tmp_path / "libreoffice"
    for format_, source in (("ods", path), ("xlsx", sent / "c.ods")):
        subprocess.run(
            [str(SOFFICE), f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", format_,
             "--outdir", sent, source],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    platform.requests.clear()
    cleaner.configure_from_excel(sent / "c.xlsx")
    changed, created = platform.writes()
    assert changed == ("PATCH", "odata/unitcleaners/id-3", {}, {"interpolate_limit": 3})
    assert created[3] | {"external_name": "raw c", "freq": "30T", "input_unit_type": "mean"} == created[3]
    book = openpyxl.load_workbook(sent / "c.xlsx")
    lists = [one for one in book["Series"].data_validations.dataValidation if one.type == "list"]
    assert len(lists) == 8
