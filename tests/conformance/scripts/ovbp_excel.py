"""The configuration's way through a workbook: out, one change, in, and in again."""

import os

import pandas as pd
from openpyxl import load_workbook
from ovbp_session import Session

session = Session()
frame = pd.DataFrame({"a": 1.0, "b": 2.0, "left": 3.0}, index=pd.date_range("2020-01-01", periods=24, freq="1H"))
project, importer = session.imported(session.arguments["project"], frame)
cleaner = project.get_cleaner("importer")
for name in ("a", "b"):
    cleaner.create_unitcleaner(name, name=f"{name}-cleaned", freq="1H")

path = os.path.abspath("configuration.xlsx")


def writes(edit):
    """Export, edit rows of the sheet, import; return what the import wrote."""
    cleaner.export_configuration_to_excel(path)
    workbook = load_workbook(path)
    sheet = workbook["Series"]
    edit(sheet)
    workbook.save(path)
    session.requests.clear()
    cleaner.configure_from_excel(path)
    return [request for request in session.requests if request[0] != "GET"]


def change_row_8(sheet):
    sheet["C8"].value, sheet["O8"].value = "x", 3


def mark_all(sheet):
    for row in (8, 9):
        sheet[f"C{row}"].value = "x"


def configure_the_third(sheet):
    values = {"C": "x", "B": "left-cleaned", "E": "30T", "F": "instantaneous", "G": "left", "H": "tzt"}
    for column, value in (values | {"I": "Europe/Paris", "Q": "def fct(value):\n    return 2 * value"}).items():
        sheet[f"{column}10"].value = value


def summary():
    cleaner.export_configuration_to_excel(path)
    sheet = load_workbook(path)["Series"]
    return [[sheet[f"{column}{row}"].value for column in "ABEO"] for row in range(8, 12)] + [sheet["B2"].value]


results = {
    "before": summary(),
    "changed": writes(change_row_8),
    "unchanged": writes(mark_all),
    "created": writes(configure_the_third),
    "unchanged_again": writes(lambda sheet: [mark_all(sheet), sheet.__setitem__("C10", "x")]),
    "after": summary(),
}


def doubled():
    return next((se for se in cleaner.list_all_output_series() if se.name == "left-cleaned"), None)


session.wait(lambda: doubled() and session.points([doubled()]))
session.end(**results, doubled=doubled().select_data().dropna().unique().tolist())
