"""Tables in files: .xlsx, .csv and .parquet, exact, bounded, and with nothing in them that a spreadsheet executes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from entrepot.bounds.cells import guarded, is_formula
from entrepot.bounds.zipped import MOST_UNPACKED, require_modest_zip
from entrepot.client.errors import Error

_SHEET_LINES = 2**20 - 1
_MOST_COLUMNS = 1000


class NoTable(Error, ValueError):
    """A file, or what is in it, is no table that can be taken."""


def read_table(path: str | Path) -> pd.DataFrame:
    """Return the table of a file: .xlsx (its first sheet), .csv or .parquet."""
    read: Mapping[str, Callable[[Path], pd.DataFrame]] = {
        ".xlsx": lambda file: pd.read_excel(file, keep_default_na=False, na_values=[""]),
        # Texts, which become numbers below: pandas' own reading of them is not exact in every version.
        ".csv": lambda file: pd.read_csv(file, dtype=str, keep_default_na=False, na_values=[""]),
        ".parquet": _read_parquet,
    }
    chosen = _by_ending(read, path)
    if Path(path).suffix.lower() == ".xlsx":
        try:
            require_modest_zip(path)
        except ValueError as error:
            raise NoTable(f"{error}.") from None
    table: pd.DataFrame = chosen(Path(path))
    return table


def write_table(table: pd.DataFrame, path: str | Path, *, formula_guard: bool = False) -> None:
    """Write a table to a file, by its ending: .xlsx, .csv or .parquet.

    Parameters
    ----------
    formula_guard
        In CSV, whether texts that a spreadsheet would execute stand behind an apostrophe; in a workbook they are texts.
    """
    write: Mapping[str, Callable[[Path], Any]] = {
        ".xlsx": lambda file: _write_sheet(table, file),
        ".csv": lambda file: (guarded_table(table) if formula_guard else table).to_csv(
            # Only of what ends lines is it certain that it stands in quotes.
            file,
            index=False,
            lineterminator="\r\n",
        ),
        ".parquet": lambda file: table.to_parquet(file, index=False),
    }
    chosen = _by_ending(write, path)
    if Path(path).suffix.lower() == ".xlsx" and len(table) > _SHEET_LINES:
        raise NoTable(f"A sheet has {_SHEET_LINES} lines at most, and these are {len(table)}: use .parquet.")
    chosen(Path(path))


def guarded_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts, names of columns included, no spreadsheet executes."""
    texts = {
        name: column.map(lambda value: guarded(value) if isinstance(value, str) else value)
        for name, column in table.items()
        if not pd.api.types.is_numeric_dtype(column.dtype)
    }
    return table.assign(**texts).rename(columns=lambda name: guarded(str(name)))  # type: ignore[arg-type]


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read a file, unless it says that it would take far more memory than rows do."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    described = pq.read_metadata(path)
    groups = [described.row_group(number) for number in range(described.num_row_groups)]
    unpacked = sum(group.total_byte_size for group in groups)
    # A column of one value repeated takes no bytes for any number of rows.
    cells = described.num_rows * described.num_columns
    if described.num_columns > _MOST_COLUMNS or unpacked > MOST_UNPACKED or cells * 8 > MOST_UNPACKED:
        raise NoTable(f"{path.name}: unpacked, it would take more than {MOST_UNPACKED} bytes.")
    schema = pq.read_schema(path)
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    # Rows that say the same share one text, however long.
    table: pd.DataFrame = pq.read_table(path, read_dictionary=texts).to_pandas()
    return table.astype({name: object for name, kind in table.dtypes.items() if isinstance(kind, pd.CategoricalDtype)})


def _write_sheet(table: pd.DataFrame, file: Path) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("rows")

    def cell(value: Any) -> Any:
        if pd.isna(value):
            return None
        if isinstance(value, str):
            text = WriteOnlyCell(sheet, value)
            text.data_type = "s"
            text.quotePrefix = is_formula(value)
            return text
        if not isinstance(value, float) or float(f"{value:.16g}") == value:
            return value
        exact = WriteOnlyCell(sheet, value)
        exact._value = repr(value)  # noqa: SLF001 - it would write 16 digits, one less than some numbers need
        return exact

    sheet.append([cell(str(name)) for name in table.columns])
    for line in table.itertuples(index=False):
        sheet.append([cell(value) for value in line])
    book.save(file)


def _by_ending(choices: Mapping[str, Any], path: str | Path) -> Any:
    ending = Path(path).suffix.lower()
    if ending not in choices:
        raise NoTable(f"{Path(path).name}: only {', '.join(choices)} can be read and written.")
    return choices[ending]
