"""The empty workbook: headings, drop-downs and help."""

from typing import Final

from openpyxl import Workbook
from openpyxl.formatting.rule import FormulaRule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from entrepot.client.ovbp.excel_columns import COLUMNS, GROUPS, MARK, MOST_STEPS, RUNNING, Column, Required, time_zones

SHEET: Final = "Series"
FIRST_ROW: Final = 8
# Rows below the last one have drop-downs too, for series that people add.
_LAST_ROW: Final = 20_007
_ALL: Final = sorted((*COLUMNS, MARK, RUNNING), key=lambda column: column.letter)
_HEAD: Final = PatternFill("solid", start_color="1F3A5F")
_GROUP: Final = PatternFill("solid", start_color="D9E2EC")
_MARKED: Final = PatternFill("solid", start_color="DFF3E3", end_color="DFF3E3")
_LINE: Final = Side(style="thin", color="B8C4D0")
_WIDE: Final = {"A": 28, "B": 28, "F": 16, "I": 18, "K": 24, "M": 16}
_INTRODUCTION: Final = (
    "How to use this workbook",
    "1. Change the rows of the sheet Series, or fill in those that have only a name.",
    "2. Put an x into column C of each row that shall be read. Other rows stay as they are on the server.",
    "3. Save, and run cleaner.configure_from_excel(path). A wrong cell has all rows refused, with the reason.",
    "Headings with a star need a value. Functions are Python text that defines the function named below.",
)


def make(project: str, cleaner: str, count: int) -> Workbook:
    """Return a workbook for this many series."""
    book = Workbook()
    sheet = book.active
    sheet.title = SHEET
    _head(sheet, project, cleaner)
    _choices(sheet, _time_zones(book))
    _style_rows(sheet, count)
    _help(book.create_sheet("Help", 1))
    return book


def _head(sheet: Worksheet, project: str, cleaner: str) -> None:
    sheet["A1"], sheet["B1"] = "Entrepot", "Configuration of a cleaner"
    sheet["A1"].font = sheet["B1"].font = Font(bold=True, size=14)
    for number, (title, value) in enumerate(
        {
            "Project": project,
            "Cleaner": cleaner,
            "Series": f"=COUNTA(A{FIRST_ROW}:A{_LAST_ROW})",
            "Rows to read": f'=COUNTIF(C{FIRST_ROW}:C{_LAST_ROW},"x")',
        }.items(),
        start=2,
    ):
        sheet[f"A{number}"], sheet[f"B{number}"] = title, value
    for name in ("B2", "B3"):
        sheet[name].data_type = "s"
    for first, (last, title) in GROUPS.items():
        sheet.merge_cells(f"{first}6:{last}6")
        cell = sheet[f"{first}6"]
        cell.value, cell.font, cell.fill = title, Font(bold=True), _GROUP
        cell.alignment = Alignment(horizontal="center")
    for column in _ALL:
        cell = sheet[f"{column.letter}7"]
        cell.value, cell.font, cell.fill = column.title, Font(bold=True, color="FFFFFF"), _HEAD
        cell.alignment = Alignment(wrap_text=True, vertical="center")
        sheet.column_dimensions[column.letter].width = _WIDE.get(column.letter, 13)
    sheet.freeze_panes = f"C{FIRST_ROW}"


def _choices(sheet: Worksheet, time_zones: str) -> None:
    for column in _ALL:
        validation = DataValidation(allow_blank=True, showInputMessage=True, showErrorMessage=True)
        validation.promptTitle, validation.prompt = column.title[:32], column.help[:255]
        words = ("x",) if column is MARK else column.choices
        if words:
            validation.type, validation.formula1 = "list", f'"{",".join(words)}"'
            validation.error = f"Choose one of: {', '.join(words)}."
        elif column.field == "timezone":
            validation.type, validation.formula1 = "list", time_zones
            validation.error = "Choose a time zone from the list."
        elif column.field == "interpolate_limit":
            validation.type, validation.operator = "whole", "between"
            validation.formula1, validation.formula2 = "0", str(MOST_STEPS)
            validation.error = "Give a whole number of steps."
        sheet.add_data_validation(validation)
        validation.add(f"{column.letter}{FIRST_ROW}:{column.letter}{_LAST_ROW}")


def _time_zones(book: Workbook) -> str:
    """Write all time zones into a hidden sheet and return where they are."""
    lists = book.create_sheet("Lists")
    lists.sheet_state = "hidden"
    names = time_zones()
    for number, name in enumerate(names, start=1):
        lists[f"A{number}"] = name
    return f"Lists!$A$1:$A${len(names)}"


def _style_rows(sheet: Worksheet, count: int) -> None:
    line, top = Border(bottom=_LINE), Alignment(vertical="top")
    for row in sheet.iter_rows(FIRST_ROW, FIRST_ROW + max(count, 1) - 1, 1, len(_ALL)):
        for cell in row:
            cell.border, cell.alignment = line, top
    marked = FormulaRule(formula=[f'$C{FIRST_ROW}="x"'], fill=_MARKED)
    sheet.conditional_formatting.add(f"A{FIRST_ROW}:{_ALL[-1].letter}{_LAST_ROW}", marked)


def _help(sheet: Worksheet) -> None:
    for line in _INTRODUCTION:
        sheet.append([line])
    sheet["A1"].font = Font(bold=True, size=14)
    sheet.append([])
    sheet.append(["Column", "Heading", "What it is for", "Values", "Empty means"])
    for cell in sheet[sheet.max_row]:
        cell.font, cell.fill = Font(bold=True, color="FFFFFF"), _HEAD
    for column in _ALL:
        sheet.append([column.letter, column.title, column.help, ", ".join(column.choices), _when_empty(column)])
    for letter, width in {"A": 9, "B": 20, "C": 90, "D": 50, "E": 30}.items():
        sheet.column_dimensions[letter].width = width


def _when_empty(column: Column) -> str:
    if column.default is Required:
        return "not allowed"
    if isinstance(column.default, str) and column.default.startswith("="):
        return f"as {next(other.title for other in COLUMNS if other.field == column.default[1:])}"
    if isinstance(column.default, bool):
        return "yes" if column.default else "no"
    return "" if column.default is None else str(column.default)
