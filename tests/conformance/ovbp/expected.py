"""What the documented day shows, with a pattern where a value is each server's own."""

import re
from typing import Any


class Like:
    """Equal to every text that fits the pattern."""

    __hash__ = None

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    def __repr__(self) -> str:
        return f"<{self.pattern}>"


class Anything:
    """Equal to everything."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return True


ANYTHING = Anything()
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ID = Like(UUID)
DATE = Like(r"\d{4}-\d\d-\d\d")
# Whole seconds, no fraction: the client must leave it a string.
SECOND = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
# Became a datetime in the client, and with a microsecond part unless that happens to be nought.
INSTANT = {"datetime": Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?")}


def record(resource: str, name: str | None = None) -> dict[str, Any]:
    """Return what printing a record shows."""
    shown = f"{re.escape(name)} \\({UUID}\\)" if name is not None else UUID
    return {"printed": Like(f"<{resource}: {shown}>")}


def ordered(*pairs: tuple[str, Any]) -> dict[str, Any]:
    """Return the description of a record's data: keys in this order."""
    return {"ordered": [list(pair) for pair in pairs]}


def frame(printed: str, columns: dict[str, float], hours: range) -> dict[str, Any]:
    """Return the description of a frame of constant columns at these hours of 1 January 2012."""
    index = [f"2012-01-01 {hour:02}:00:00" for hour in hours]
    return {
        "printed": printed,
        "columns": list(columns),
        "dtypes": ["float64"] * len(columns),
        "index": index,
        "index_type": "DatetimeIndex datetime64[ns] None",
        "values": [list(columns.values())] * len(index),
    }


PROJECT = ordered(
    ("id", ID),
    ("rights", None),
    ("odata", ID),
    ("obuildings", ID),
    ("is_visible", True),
    (
        "organization",
        ordered(
            ("id", ID),
            ("rights", None),
            ("name", "Openergy"),
            ("comment", ""),
            ("control_affiliations", False),
            ("log_activity", False),
            ("ftp_account", ID),
        ),
    ),
    ("name", "Ovbpclient documentation"),
    ("comment", ""),
    ("private_comment", ""),
    ("creation_date", DATE),
    ("display_buildings", False),
)


def importer(*, ran: bool, cleared: bool) -> dict[str, Any]:
    """Return an importer's data, as created or as later runs find it."""
    parse = "def parse(content_bytes, rel_path, **tools):\n    return pd.read_json(content_bytes)"
    return ordered(
        ("id", ID),
        ("rights", None),
        ("active", False),
        ("name", "importer-a"),
        ("comment", "documentation importer"),
        ("model", "importer"),
        ("crontab", "0 0 0 1 1 *"),
        ("auto_partial_reset", False),
        ("parse_script", f"\nimport pandas as pd\n\n{parse}\n\n"),
        ("root_dir_path", "/"),
        ("re_run_last_file", False),
        ("notify_missing_files_nb", 0),
        ("max_ante_scanned_files_nb", 0),
        ("last_run", INSTANT if ran else None),
        ("last_clear", INSTANT if cleared else None),
        ("last_imported_path", "first.json" if ran else None),
        ("latest_imported_mdate", SECOND if ran else None),
        ("project", ID),
        ("gate", ID),
    )


def cleaner(*, ran: bool, cleared: bool) -> dict[str, Any]:
    """Return a cleaner's data."""
    return ordered(
        ("id", ID),
        ("rights", None),
        ("name", "importer-a"),
        ("comment", ""),
        ("model", "cleaner"),
        # Whether a cleaner without any unitcleaner runs after its importer is the server's own affair.
        ("last_run", INSTANT if ran else ANYTHING),
        ("last_clear", INSTANT if cleared else None),
        ("project", ID),
        ("related_importer", ID),
    )


def analysis(*, ran: bool, cleared: bool) -> dict[str, Any]:
    """Return an analysis' data as lists and creation give it."""
    return ordered(
        ("id", ID),
        ("rights", None),
        ("analysisconfig", ID if ran else None),
        ("active", ran),
        ("name", "analysis-a"),
        ("comment", "documentation analysis"),
        ("model", "analysis"),
        ("last_run", INSTANT if ran else None),
        ("last_clear", INSTANT if cleared else None),
        ("project", ID),
    )


def configured_analysis(*, ran: bool, cleared: bool, notifications: int) -> dict[str, Any]:
    """Return an analysis' data as its retrieval gives it."""
    analyze = 'def analyze(df, **tools):\n    return pd.DataFrame({"a-output": df.mean(axis=1)})'
    return ordered(
        ("id", ID),
        ("rights", ordered(("can_delete", True), ("can_read", True), ("can_admin", True), ("can_write", True))),
        (
            "analysisconfig",
            ordered(
                ("id", ID),
                ("rights", None),
                ("output_tags", []),
                ("clock", "tzt"),
                ("output_timezone", "Europe/Paris"),
                ("start_with_first", False),
                ("wait_for_last", False),
                ("input_freq", "3H"),
                ("output_freq", "3H"),
                ("custom_before_offset", None),
                ("custom_after_offset", None),
                ("before_offset_strict_mode", False),
                ("with_tags", False),
                ("script", f"\nimport pandas as pd\n\n{analyze}\n\n"),
                ("script_method", "array"),
                ("wait_offset", "6H"),
                ("custom_delay", None),
                ("analysis", ID),
            ),
        ),
        ("active", ran),
        ("is_obsolete", False),
        ("unresolved_notifications_nb", notifications),
        ("name", "analysis-a"),
        ("comment", "documentation analysis"),
        ("model", "analysis"),
        ("last_run", INSTANT if ran else None),
        ("last_clear", INSTANT if cleared else None),
        ("project", ID),
    )


# Label of each series of the day, and its value.
LABELS = {
    "a [importer=importer a]": 1.0,
    "a cleaned [cleaner=importer a]": 1.0,
    "a output [analysis=analysis a]": 1.5,
    "b [importer=importer a]": 2.0,
    "b cleaned [cleaner=importer a]": 2.0,
    "c [importer=importer a]": 3.0,
    "c cleaned [cleaner=importer a]": 3.0,
}

IMPORTER_FRAME = frame(
    "\n".join(
        [
            "                       a    b    c",
            *(f"2012-01-01 {hour:02}:00:00  1.0  2.0  3.0" for hour in range(6, 13)),
        ]
    ),
    {"a": 1.0, "b": 2.0, "c": 3.0},
    range(6, 13),
)
ONE_SERIES = frame(
    "\n".join([*(f"2012-01-01 0{hour}:00:00    3.0" for hour in range(5)), "dtype: float64"]), {"": 3.0}, range(5)
) | {"name": None}
CLEANER_FRAME = frame(
    "\n".join(
        [
            "                     c-cleaned  b-cleaned  a-cleaned",
            *(f"2012-01-01 0{hour}:00:00        3.0        2.0        1.0" for hour in range(1, 5)),
        ]
    ),
    {"c-cleaned": 3.0, "b-cleaned": 2.0, "a-cleaned": 1.0},
    range(1, 5),
)
ANALYSIS_FRAME = frame(
    "\n".join(
        ["                     a-output", *(f"2012-01-01 {hour:02}:00:00       1.5" for hour in range(3, 19, 3))]
    ),
    {"a-output": 1.5},
    range(3, 19, 3),
)
EXPORTED_FRAME = frame(
    "\n".join(
        [
            "                     a [importer=importer a]  ...  c cleaned [cleaner=importer a]",
            *(
                f"2012-01-01 {hour:02}:00:00                      1.0  ...                             3.0"
                for hour in range(3, 21)
            ),
            "",
            "[18 rows x 7 columns]",
        ]
    ),
    LABELS,
    range(3, 21),
)
