"""Real mistakes of scripts and files: each message names its place, how many there are, and what to do."""

from typing import Any

import pandas as pd
import pytest

from entrepot.scripts.child import evaluate
from entrepot.scripts.wire import unpack

READ = "pd.read_csv(content_bytes, index_col='time', parse_dates=True)"
HEAD = "time,x,y\n"
ROWS = "".join(f"2024-01-01 0{hour}:00,{hour},{hour}\n" for hour in range(8))


def said(content: str | bytes, body: str = f"return {READ}") -> str:
    """Return what is said of what a parse function of this body makes of a file."""
    source = f"import numpy as np\nimport pandas as pd\ndef parse(content_bytes, rel_path, **tools):\n    {body}\n"
    header = {
        "source": source,
        "function": "parse",
        "filename": "<parse>",
        "variable": None,
        "each": False,
        "expects": "frame",
        "limit": 1 << 20,
        "arguments": [{"kind": "content", "buffer": 0}, {"kind": "json", "value": "a.csv"}],
    }
    given = content.encode() if isinstance(content, str) else content
    answer, _ = unpack(b"".join(bytes(part) for part in evaluate(header, [memoryview(given)])))
    return str(answer.get("message", "taken"))


MISTAKES: dict[str, tuple[Any, str, list[str]]] = {
    "a word among numbers": (
        HEAD + ROWS.replace("03:00,3", "03:00,---").replace("05:00,5", "05:00,---"),
        f"return {READ}",
        ["column 'x': '---' at 2024-01-01 03:00 (line 5) and 1 more are not numbers", "na_values=['---'] to read_csv"],
    ),
    "a column of words": (
        "time,x,Note\n2024-01-01 00:00,1,ok\n2024-01-01 01:00,1,ok\n",
        f"return {READ}",
        ["column 'Note': 'ok' at 2024-01-01 00:00 (line 2) and 1 more are not numbers", "drop the column"],
    ),
    "decimal commas": (
        "time;x\n2024-01-01 00:00;1,5\n2024-01-01 01:00;2,5\n",
        "return pd.read_csv(content_bytes, sep=';', index_col='time', parse_dates=True)",
        ["column 'x': '1,5' at 2024-01-01 00:00 (line 2) and 1 more", "pass decimal=',' to read_csv"],
    ),
    "INF": (
        HEAD + ROWS.replace("06:00,6", "06:00,INF"),
        f"return {READ}",
        ["column 'x': 'INF' at 2024-01-01 06:00 (line 8) is infinite", "pass na_values=['INF'] to read_csv"],
    ),
    "a division by zero": (
        HEAD + ROWS,
        f"df = {READ}; df['x'] = 1 / df['x']; return df",
        ["column 'x': 'inf' at 2024-01-01 00:00 (row 0) is infinite", "df.replace([np.inf, -np.inf], np.nan)"],
    ),
    "no index": (
        HEAD + ROWS,
        "return pd.read_csv(content_bytes)",
        ["RangeIndex", "0, 1, 2 ...", "pass index_col='time', parse_dates=True to read_csv"],
    ),
    "seconds since 1970": (
        "time,x\n1704067200,1\n1704067260,2\n",
        "return pd.read_csv(content_bytes, index_col='time')",
        ["1704067200, 1704067260 ...", "pd.to_datetime(df.index, unit='s')"],
    ),
    "a stamp that is none": (
        HEAD + ROWS.replace("2024-01-01 04:00", "n/a yet"),
        "df = pd.read_csv(content_bytes, index_col='time'); return df",
        ["'n/a yet' (line 6) is no date and time", "pd.to_datetime(df.index, format=...)"],
    ),
    "the day first": (
        "time,x\n13.01.2024 00:00,1\n14.01.2024 00:00,1\n",
        "return pd.read_csv(content_bytes, index_col='time')",
        ["'13.01.2024 00:00'", "dayfirst=True"],
    ),
    "two offsets": (
        "time,x\n2024-03-31 01:00+01:00,1\n2024-03-31 03:00+02:00,1\n",
        f"return {READ}",
        ["offsets", "utc=True"],
    ),
    "rows without a stamp": (
        HEAD + ROWS,
        f"df = {READ}; df.index = df.index.where(df['x'] != 2); return df",
        ["NaT in the index, at row 2", "df[df.index.notna()]"],
    ),
    "the wrong separator": (
        "time;x\n2024-01-01 00:00;1\n",
        "return pd.read_csv(content_bytes, index_col=0, parse_dates=True)",
        ["1 rows and no column", "'time;x'", "pass sep=';' to read_csv"],
    ),
    "the wrong separator and a name": (
        "time;x\n2024-01-01 00:00;1\n",
        f"return {READ}",
        ["line 4 of the script: return pd.read_csv", "'time;x'", "sep=';'"],
    ),
    "another encoding": (
        "time,x\n2024-01-01 00:00,1\n2024-01-01 01:00,2°\n".encode("cp1252"),
        f"return {READ}",
        ["line 4 of the script", "encoding='cp1252'"],
    ),
    "null bytes": (
        b"\0" * 64 + b"\n" + b"\0" * 64 + b"\n",
        "return pd.DataFrame(index=pd.date_range('2024', periods=3))",
        ["3 rows and no column", "null bytes"],
    ),
    "a name that is not there": (
        HEAD + ROWS,
        f"df = {READ}; return df[['kW']]",
        ["KeyError", "kW", "line 4 of the script", "'time,x,y'"],
    ),
    "dates among the columns": (
        HEAD + ROWS,
        f"df = {READ}; df['when'] = df.index; return df",
        ["column 'when' holds dates and times"],
    ),
    "numbers kept as text": (
        HEAD + ROWS,
        f"return {READ[:-1]}, dtype=str)",
        ["column 'x': '0' at 2024-01-01 00:00", "and 7 more are text", "pd.to_numeric(df['x'])"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_message_names_its_place(mistake: str) -> None:
    content, body, words = MISTAKES[mistake]
    message = said(content, body)
    assert [word for word in words if word not in message] == [], message


def test_what_is_right_is_taken() -> None:
    assert said(HEAD + ROWS) == "taken"


def test_a_message_is_short_however_long_the_value() -> None:
    assert len(said(HEAD + ROWS.replace("03:00,3", f"03:00,{'z' * 100_000}"))) < 400


def test_a_long_file_is_looked_through_once() -> None:
    rows = "".join(f"{stamp:%Y-%m-%d %H:%M},1,1\n" for stamp in pd.date_range("2020", periods=50_000, freq="min"))
    message = said(HEAD + rows + "2024-01-01 00:00,bad,1\n")
    assert "'bad' at 2024-01-01 00:00 (line 50002) is no number" in message
