"""The configuration of a cleaner as a workbook: written, edited by people, and read back."""

import functools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import openpyxl
from openpyxl.cell import Cell
from openpyxl.utils.exceptions import IllegalCharacterError
from openpyxl.worksheet.worksheet import Worksheet

from entrepot.bounds.cells import is_formula
from entrepot.bounds.zipped import require_modest_zip
from entrepot.client.ovbp import excel_template
from entrepot.client.ovbp.excel_columns import COLUMNS, MARK, OUTPUTS, RUNNING, Column, Required
from entrepot.client.ovbp.exceptions import ExcelConfigurationError, HttpError, WrongCell
from entrepot.client.ovbp.records import BaseModel

logger = logging.getLogger(__name__)

SHEET: Final = excel_template.SHEET
FIRST_ROW: Final = excel_template.FIRST_ROW
# openpyxl cuts longer texts without a word.
_MOST_CHARACTERS: Final = 32_767
_PLACES: Final = {column.field: column.letter for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class Row:
    """A marked row: its number, and the fields of a unit cleaner that it says."""

    number: int
    fields: dict[str, Any]


def write(
    path: str | Path, project: str, cleaner: str, unitcleaners: Sequence[BaseModel], missing: Sequence[str]
) -> None:
    """Write a workbook.

    Parameters
    ----------
    path
        The file.
    project, cleaner
        Names to show.
    unitcleaners
        What there is, a row each.
    missing
        Names of raw series that are not cleaned yet, a row each.

    Raises
    ------
    ExcelConfigurationError
        A text does not fit into a cell.
    """
    book = excel_template.make(project, cleaner, len(unitcleaners) + len(missing))
    sheet = book[SHEET]
    faults: list[WrongCell] = []
    for number, unitcleaner in enumerate(unitcleaners, FIRST_ROW):
        _put(sheet[f"{RUNNING.letter}{number}"], "yes" if unitcleaner.data.get("active", True) else "no", faults)
        for column in COLUMNS:
            value = getattr(unitcleaner, column.field)
            if isinstance(value, bool):
                value = "yes" if value else "no"
            _put(sheet[f"{column.letter}{number}"], value, faults)
    for number, name in enumerate(missing, FIRST_ROW + len(unitcleaners)):
        _put(sheet[f"{_PLACES['external_name']}{number}"], name, faults)
    if faults:
        raise ExcelConfigurationError(faults)
    book.save(path)


def read(path: str | Path, existing: Mapping[str, str] | None = None) -> list[Row]:
    """Read the marked rows of a workbook.

    Parameters
    ----------
    path
        The file.
    existing
        Names of the clean series that there are, by that of their raw series.

    Raises
    ------
    ExcelConfigurationError
        Every cell at fault.
    """
    require_modest_zip(path)
    book = openpyxl.load_workbook(path)
    if SHEET not in book.sheetnames:
        raise ExcelConfigurationError([WrongCell(SHEET, "A1", "the workbook has no sheet of this name")])
    sheet = book[SHEET]
    faults: list[WrongCell] = []
    rows = [
        Row(number, _fields(sheet, number, faults))
        for number in range(FIRST_ROW, sheet.max_row + 1)
        if _is_marked(sheet[f"{MARK.letter}{number}"], faults)
    ]
    if not faults:
        faults += _clashes(rows, existing or {})
    if faults:
        raise ExcelConfigurationError(faults)
    return rows


def excel_to_unitcleaners_data(path: str | Path, max_input_length: int = 20000) -> list[dict[str, Any]]:
    """Return the fields that the marked rows of a workbook say; see :func:`read`.

    Parameters
    ----------
    path
        The file.
    max_input_length
        How many rows are looked at.
    """
    return [row.fields for row in read(path) if row.number < FIRST_ROW + max_input_length]


def apply(rows: Sequence[Row], existing: Mapping[str, BaseModel], create: Callable[..., BaseModel]) -> None:
    """Create and change unit cleaners: all of them, or none.

    Parameters
    ----------
    rows
        What to do.
    existing
        Unit cleaners by the name of their raw series.
    create
        Creates one of its fields.

    Raises
    ------
    ExcelConfigurationError
        The server refused a field; what was done before is undone.
    HttpError
        It refused for another reason; the same.
    """
    undo: list[Callable[[], None]] = []
    for row in rows:
        unitcleaner = existing.get(row.fields["external_name"])
        try:
            if unitcleaner is None:
                undo.append(create(**row.fields).delete)
                logger.info("Created the unit cleaner %s.", row.fields["name"])
                continue
            new = {name: value for name, value in row.fields.items() if _differ(value, getattr(unitcleaner, name))}
            if new:
                old = {name: getattr(unitcleaner, name) for name in new}
                unitcleaner.update(**new)
                undo.append(functools.partial(unitcleaner.update, **old))
                logger.info("Changed %s of the unit cleaner %s.", ", ".join(new), unitcleaner.name)
        except HttpError as error:
            for step in reversed(undo):
                step()
            cells = _refused(row, error)
            if cells:
                raise ExcelConfigurationError(cells) from error
            raise


def _put(cell: Cell, value: Any, faults: list[WrongCell]) -> None:
    if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
        faults.append(WrongCell(SHEET, cell.coordinate, f"a cell holds at most {_MOST_CHARACTERS} characters"))
        return
    try:
        cell.value = value
    except IllegalCharacterError:
        faults.append(WrongCell(SHEET, cell.coordinate, "a cell cannot hold control characters"))
        return
    if isinstance(value, str) and is_formula(value):
        # A text that begins like a formula is a text; and stays one when somebody edits it.
        cell.data_type = "s"
        cell.quotePrefix = True


def _is_marked(cell: Cell, faults: list[WrongCell]) -> bool:
    if cell.value is None:
        return False
    try:
        MARK.read(cell.value)
    except ValueError as error:
        faults.append(WrongCell(SHEET, cell.coordinate, str(error)))
        return False
    return True


def _fields(sheet: Worksheet, number: int, faults: list[WrongCell]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    at_fault = len(faults)
    for column in COLUMNS:
        try:
            fields[column.field] = _value(sheet[f"{column.letter}{number}"], column, fields)
        except ValueError as error:
            faults.append(WrongCell(SHEET, f"{column.letter}{number}", str(error)))
    if len(faults) == at_fault:
        source, made = fields["input_unit_type"], fields["unit_type"]
        if made not in OUTPUTS[source]:
            reason = f"{source} values cannot become {made}, but {' or '.join(OUTPUTS[source])}"
            faults.append(WrongCell(SHEET, f"{_PLACES['unit_type']}{number}", reason))
    return fields


def _value(cell: Cell, column: Column, fields: Mapping[str, Any]) -> Any:
    value = cell.value
    if value is not None and value != "":
        if cell.data_type in ("f", "e"):
            raise ValueError("a formula is not read: put its value")
        return column.read(value)
    if column.default is Required:
        raise ValueError("this must not be empty")
    if isinstance(column.default, str) and column.default.startswith("="):
        return fields.get(column.default[1:])
    return column.default


def _clashes(rows: Sequence[Row], existing: Mapping[str, str]) -> list[WrongCell]:
    """Return the cells that say what another says already: each raw and each clean series is there once."""
    faults = []
    marked = {row.fields["external_name"] for row in rows}
    taken = {
        "external_name": dict[str, str](),
        "name": {name: external for external, name in existing.items() if external not in marked},
    }
    for row in rows:
        for field, names in taken.items():
            value = row.fields[field]
            if value in names:
                reason = f"{value!r} is taken by {names[value]}"
                faults.append(WrongCell(SHEET, f"{_PLACES[field]}{row.number}", reason))
            names[value] = f"row {row.number}"
    return faults


def _differ(new: Any, old: Any) -> bool:
    """Tell whether a cell says something else than the record: empty and missing are one, as are ends of lines."""
    return _said(new) != _said(old)


def _said(value: Any) -> str:
    return "" if value is None else str(value).replace("\r\n", "\n")


def _refused(row: Row, error: HttpError) -> list[WrongCell]:
    """Return the cells that the server found wrong; none where its answer names no field of the row."""
    try:
        answer = json.loads(error.message)
    except ValueError:
        return []
    if not isinstance(answer, dict):
        return []
    return [
        WrongCell(SHEET, f"{_PLACES[field]}{row.number}", " ".join(map(str, reasons)))
        for field, reasons in answer.items()
        if field in _PLACES and isinstance(reasons, list)
    ]
