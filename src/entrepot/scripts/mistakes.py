"""What is wrong with what a script returned, in words from which it can be mended.

Each message has the first value at fault, its stamp and its line in the file, how many there are, and what to do.
"""

import re
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

_COMMA = re.compile(r"\s*[-+]?\d+(\.\d{3})*,\d+\s*")
_DAY_FIRST = re.compile(r"\s*\d{1,2}[./-]\d{1,2}[./-]\d{4}")
_INFINITE = re.compile(rb"[-+]?\binf(inity)?\b", re.IGNORECASE)
_SEPARATORS = ("\t", ";", "|")
#: Of texts that name values at fault.
_MOST_NAMED = 5
_LONGEST = 60
#: Longer files are not looked through for the line of a value.
_MOST_SEARCHED = 64 << 20


def not_numbers(column: pd.Series, label: str, content: bytes | None) -> str:
    """Say which cells of a column are no numbers."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return (
            f"column {label!r} holds dates and times, not numbers; make it the index "
            f"(index_col={label!r}, parse_dates=True), or drop it"
        )
    cells = list(column)
    texts = pd.Series([cell if isinstance(cell, str) else None for cell in cells], dtype=object)
    numbers = pd.to_numeric(texts, errors="coerce").notna()
    there = [at for at, cell in enumerate(cells) if not _is_missing(cell)]
    bad = [at for at in there if not _is_number(cells[at]) and not numbers[at]]
    if not bad:
        written = [at for at in there if isinstance(cells[at], str)]
        if not written:
            return f"column {label!r} holds {column.dtype}, not numbers; make it numbers: df[{label!r}].astype(float)"
        told = f"column {label!r}: {_first(column, written, content)} {'is' if len(written) == 1 else 'are'}"
        return f"{told} text, not numbers; read them as numbers: pd.to_numeric(df[{label!r}])"
    what = "are not numbers" if len(bad) > 1 else "is no number"
    return f"column {label!r}: {_first(column, bad, content)} {what}; {_advice(cells, bad, len(there), label)}"


def infinite(column: pd.Series, label: str, at: Sequence[int], content: bytes | None) -> str:
    """Say which cells of a column are infinite, which databases and plots cannot take."""
    text = None
    if content is not None and len(content) <= _MOST_SEARCHED and (found := _INFINITE.search(content)):
        text = found.group().decode()
    what = "are infinite" if len(at) > 1 else "is infinite"
    advice = f"pass na_values=[{text!r}] to read_csv" if text else "replace them: df.replace([np.inf, -np.inf], np.nan)"
    return f"column {label!r}: {_first(column, at, content, text)} {what}; {advice}"


def no_stamps(index: pd.Index, columns: Sequence[Any], content: bytes | None) -> str:
    """Say why an index does not stamp the rows."""
    must = "a frame with a DatetimeIndex"
    if isinstance(index, pd.MultiIndex):
        return f"{must}, not a MultiIndex of {index.nlevels} levels; join them into one with pd.to_datetime"
    if pd.api.types.is_numeric_dtype(index.dtype):
        return f"{must}, not {_article(index)}: {', '.join(map(str, index[:3]))} ...; {_stamping(index, columns)}"
    texts = [_shown(value) for value in index]
    read = pd.to_datetime(pd.Series(texts, dtype=object), errors="coerce", format="mixed", utc=True)
    bad = np.flatnonzero(read.isna()).tolist()
    if not bad:
        zones = sorted({str(getattr(value, "tzinfo", None) or "") for value in index} - {""})
        if zones or re.search(r"([+-]\d\d:?\d\d|Z)$", texts[0]):
            advice = "make instants of stamps with offsets: pd.to_datetime(df.index, utc=True)"
            return f"{must}, not {_article(index)}; {advice}"
        day_first = ", dayfirst=True" if _DAY_FIRST.match(texts[0]) else ""
        return (
            f"{must}, not {_article(index)} such as {texts[0]!r}; make stamps of them with "
            f"pd.to_datetime(df.index{day_first})"
        )
    first = f"{texts[bad[0]]!r} {_place(content, bad[0], texts[bad[0]])}{_more(bad)}"
    what = "are no dates and times" if len(bad) > 1 else "is no date and time"
    advice = "give their form: pd.to_datetime(df.index, format=...)"
    if "24:00" in texts[bad[0]]:
        advice = "midnight is 00:00 of the next day: write it so before pd.to_datetime"
    elif _DAY_FIRST.match(texts[bad[0]]):
        advice = "pass dayfirst=True to read_csv or pd.to_datetime"
    return f"{must}, not {_article(index)}: {first} {what}; {advice}"


def missing_stamps(bad: Sequence[int]) -> str:
    """Say which rows have no stamp."""
    rows = f"row {bad[0]}{_more(bad)}"
    return f"NaT in the index, at {rows}; drop rows without a stamp: df[df.index.notna()]"


def no_columns(frame: pd.DataFrame, content: bytes | None) -> str:
    """Say why a frame may have rows and no column."""
    told = f"{len(frame)} rows and no column"
    if content is not None and b"\0" in content[:4096]:
        return f"{told}: the file holds null bytes, so it is no text, or one in UTF-16 (encoding='utf-16')"
    line = first_line(content) or str(frame.index.name or "")
    found = next((separator for separator in _SEPARATORS if separator in line), None)
    if found:
        return f"{told}: the first line is {line!r}; pass sep={found!r} to read_csv"
    return f"{told}: the first line is {line!r}; is the separator right?" if line else told


def raised(error: BaseException, filename: str, content: bytes | None) -> str:
    """Return where in the script an exception was raised, and what may be done about it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    told = (
        f" (line {frames[-1].lineno} of the script: {(frames[-1].line or '').strip()[: _LONGEST * 2]})"
        if frames
        else ""
    )
    if isinstance(error, UnicodeDecodeError):
        line = bytes(error.object[: error.start]).count(b"\n") + 1
        found = bytes(error.object[error.start : error.start + 1]).hex()
        place = f"byte 0x{found} in line {line} of the file: " if content is not None and len(error.object) > 1 else ""
        return f"{told}; {place}pass encoding='cp1252', or what the file is written in, to read_csv"
    if isinstance(error, KeyError | ValueError | IndexError) and (line_ := first_line(content)):
        found_ = next((separator for separator in _SEPARATORS if separator in line_), None)
        advice = f"; pass sep={found_!r} to read_csv?" if found_ else ""
        return f"{told}; the first line of the file is {line_!r}{advice}"
    return told


def first_line(content: bytes | None) -> str:
    """Return the first line of a file that has something on it, cut where it is long."""
    if content is None:
        return ""
    line = next((part for part in content[:65536].splitlines() if part.strip()), b"")
    return line[: 2 * _LONGEST].decode("utf-8", "replace").strip("\ufeff")


def _advice(cells: Sequence[Any], bad: Sequence[int], there: int, label: str) -> str:
    texts = list(dict.fromkeys(_shown(cells[at]) for at in bad))
    if all(_COMMA.fullmatch(text) for text in texts):
        if len(bad) == there:
            return "pass decimal=',' to read_csv"
        return f"make points of the commas: pd.to_numeric(df[{label!r}].astype(str).str.replace(',', '.'))"
    drop = f"drop the column, or map it to numbers: df.drop(columns=[{label!r}])"
    if not all(isinstance(cells[at], str) for at in bad) or (len(bad) == there and len(texts) > 1):
        return drop
    absent = f"pass na_values={texts[:_MOST_NAMED]!r} to read_csv"
    return f"{absent} if that is no value, or {drop}" if len(bad) == there else absent


def _first(column: pd.Series, bad: Sequence[int], content: bytes | None, text: str | None = None) -> str:
    """Name the first cell at fault, its stamp and its place, and how many there are."""
    at = bad[0]
    shown = text or _shown(column.iloc[at])
    return f"{shown!r} at {stamp(column.index[at])} {_place(content, at, shown)}{_more(bad)}"


def stamp(value: Any) -> str:
    """Write a stamp, without seconds where they are zero."""
    text = str(value)
    return re.sub(r"^(\d{4}-\d\d-\d\d \d\d:\d\d):00(?=$|[+-])", r"\1", text)


def _place(content: bytes | None, row: int, text: str) -> str:
    """Return the line of a value that stands in a row of the frame, or the row where it is not found."""
    sought = text.encode()
    if content is not None and sought and len(content) <= _MOST_SEARCHED and sought in content:
        for number, line in enumerate(content.splitlines(), 1):
            if number > row and sought in line:
                return f"(line {number})"
    return f"(row {row})"


def _more(bad: Sequence[int]) -> str:
    return f" and {len(bad) - 1} more" if len(bad) > 1 else ""


def _stamping(index: pd.Index, columns: Sequence[Any]) -> str:
    """Say how rows that are only numbered get stamps."""
    first = float(index[0])
    for unit, least in (("ns", 1e17), ("us", 1e14), ("ms", 1e11), ("s", 1e8)):
        if first >= least:
            return f"they look like time: pd.to_datetime(df.index, unit={unit!r})"
    likely = next((name for name in columns if re.search("time|date|stamp|zeit|heure", str(name), re.IGNORECASE)), None)
    name = likely if likely is not None else (columns[0] if len(columns) else 0)
    return f"pass index_col={name!r}, parse_dates=True to read_csv"


def _article(index: pd.Index) -> str:
    return f"{type(index).__name__} of {index.dtype}"


def _is_missing(cell: Any) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and np.isnan(cell))


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float | np.number | np.bool_) and not isinstance(cell, np.complexfloating)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
