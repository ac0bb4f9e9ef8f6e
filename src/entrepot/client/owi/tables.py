"""Rows in files: a line a point, so that a spreadsheet shows them, with what the row is repeated on each line."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from entrepot.bounds.cells import guarded, is_formula
from entrepot.bounds.zipped import MOST_UNPACKED, require_modest_zip
from entrepot.client.owi.exceptions import InvalidParameterError

_VALUES = ("value_col1", "value_col2", "value_col3")
_WHOLE = ("analysis", "site", "location")
_JSON = ("related_object", "additional_data")
_TEXT = (
    "short_description", "description", "name_col1", "units_col1", "name_col2", "units_col2", "name_col3", "units_col3"
)  # fmt: skip
_REQUIRED = ("analysis", "short_description", "name_col1", "units_col1", "name_col2", "units_col2", *_VALUES[:2])
COLUMNS = (*_WHOLE, *_TEXT, *_JSON, *_VALUES)
_SHEET_LINES = 2**20 - 1
_MOST_COLUMNS = 1000


def to_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows, as :meth:`ResultsAPI.list_results` returns them in ``data``, with a line for each point."""
    known = rows.reindex(columns=[*COLUMNS])
    table = known.astype(object).where(known.notna(), None)
    for name in _JSON:
        table[name] = [None if value is None else json.dumps(value, ensure_ascii=False) for value in table[name]]
    lengths = [len(values) for values in table["value_col1"]]
    table["value_col3"] = [
        [None] * length if values is None else values
        for values, length in zip(table["value_col3"], lengths, strict=True)
    ]
    table.insert(0, "row", range(1, len(table) + 1))
    table = table.explode(list(_VALUES), ignore_index=True)
    return table.astype(dict.fromkeys(_VALUES, "float64") | dict.fromkeys(_WHOLE, "Int64"))


def to_payloads(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as the server takes them, from a table such as :func:`to_table` makes.

    Lines of one row are those with the same ``row``; without that column, with the same analysis and description.

    Raises
    ------
    InvalidParameterError
        A column is missing, or the lines of one row disagree.
    """
    if missing := [name for name in _REQUIRED if name not in table.columns]:
        raise InvalidParameterError(f"Columns are missing: {', '.join(missing)}.")
    keys = ["row"] if "row" in table.columns else ["analysis", "short_description"]
    lines = table.reset_index(drop=True)
    groups = lines.groupby(keys, sort=False, dropna=False)
    described = [name for name in COLUMNS if name in lines.columns and name not in _VALUES]
    differ = groups[[name for name in described if name not in keys]].nunique(dropna=False) > 1  # noqa: PD101 - of groups
    if differ.to_numpy().any():
        name = differ.columns[differ.any()][0]
        at = differ.index[differ[name]][0]
        raise InvalidParameterError(f"Row {at}: its lines disagree on {name}.")
    values = {name: _numbers(lines[name]) for name in _VALUES if name in lines.columns}
    payloads = []
    numbers_of_groups = groups.ngroup().to_numpy()
    ends = np.cumsum(np.bincount(numbers_of_groups))[:-1]
    places = np.split(np.argsort(numbers_of_groups, kind="stable"), ends)
    for first, at in zip(groups.head(1)[described].to_dict(orient="records"), places, strict=False):
        payload = _described(first)
        for name, column in values.items():
            numbers = column[at]
            if name != "value_col3" or payload.get("name_col3") is not None or not np.isnan(numbers).all():
                payload[name] = [None if math.isnan(number) else number for number in numbers.tolist()]
        payloads.append(payload)
    return payloads


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
            raise InvalidParameterError(f"{error}.") from None
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
        raise InvalidParameterError(
            f"A sheet has {_SHEET_LINES} lines at most, and these are {len(table)}: use .parquet."
        )
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
        raise InvalidParameterError(f"{path.name}: unpacked, it would take more than {MOST_UNPACKED} bytes.")
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
        raise InvalidParameterError(f"{Path(path).name}: only {', '.join(choices)} can be read and written.")
    return choices[ending]


def _numbers(column: "pd.Series[Any]") -> npt.NDArray[np.float64]:
    try:
        return np.array([math.nan if pd.isna(value) else float(value) for value in column])
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"{column.name}: {error}.") from None


def _described(first: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what the first line of a row says of it."""
    payload: dict[str, Any] = {}
    for name, value in first.items():
        if not pd.isna(value):
            payload[name] = _value(name, value, str(first["short_description"]))
        elif name in ("units_col1", "units_col2") or (name == "units_col3" and not pd.isna(first.get("name_col3"))):
            payload[name] = ""  # a file does not tell an empty text from none
    return payload


def _value(name: str, value: Any, row: str) -> Any:
    if name in _WHOLE:
        return int(float(value))
    if name not in _JSON:
        return str(value)
    try:
        return json.loads(value)
    except (TypeError, json.JSONDecodeError):
        raise InvalidParameterError(f"{row}: {name} is not JSON.") from None
