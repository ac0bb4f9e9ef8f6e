"""The columns of a configuration workbook: what each is for, and how its cells are read."""

import ast
import functools
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

#: What an output may be, by what the input is.
OUTPUTS: Final = {
    "instantaneous": ("instantaneous", "mean", "delta", "mean_derivate"),
    "delta": ("delta", "mean_derivate"),
    "mean": ("mean",),
}
MOST_STEPS: Final = 1_000_000
MOST_NAME: Final = 255

_LENGTH = re.compile(r"(\d*)\s?(us|U|ms|L|s|S|min|T|h|H|[Dd]|[Ww]|ME?|MS|Q[ES]?|[YA][ES]?)(-[A-Z]{3})?", re.ASCII)

Reader = Callable[[Any], Any]


def text(value: Any) -> str:
    """Read a text; numbers are taken as they are shown."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def name(value: Any) -> str:
    """Read the name of a series."""
    found = text(value)
    if len(found) > MOST_NAME:
        raise ValueError(f"a name has at most {MOST_NAME} characters")
    return found


def one_of(*choices: str) -> Reader:
    """Read one of these words."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is not one of: {', '.join(choices)}")
        return str(value)

    return read


def yes_or_no(value: Any) -> bool:
    """Read yes or no."""
    if isinstance(value, bool):
        return value
    return bool(one_of("yes", "no")(value) == "yes")


def steps(value: Any) -> int:
    """Read a number of steps."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= MOST_STEPS or not number.is_integer():
        raise ValueError(f"{value!r} is not a whole number from 0 to {MOST_STEPS}")
    return int(number)


def length(value: Any) -> str:
    """Read a length of time, which may be nothing."""
    if not isinstance(value, str) or not _LENGTH.fullmatch(value.strip()):
        raise ValueError(f"{value!r} is not a length of time such as 1H, 30T, 10min, 1D or MS")
    return value


def step(value: Any) -> str:
    """Read the step of a series."""
    found = length(value)
    if re.match(r"\s*0+(?!\d)", found):
        raise ValueError(f"{value!r} is no step: it has no length")
    return found


def steps_or_length(value: Any) -> int | str:
    """Read a number of steps, or a length of time."""
    if isinstance(value, str) and not value.strip().isdecimal():
        return length(value)
    return steps(value)


@functools.cache
def time_zones() -> tuple[str, ...]:
    """Return the IANA names of all time zones; finding them takes a while."""
    return tuple(sorted(zoneinfo.available_timezones()))


def time_zone(value: Any) -> str:
    """Read the IANA name of a time zone."""
    if value not in time_zones():
        raise ValueError(f"{value!r} is not the name of a time zone, such as Europe/Paris")
    return str(value)


def code(value: Any) -> str:
    """Read Python text."""
    found = text(value).replace("_x000D_", "").replace("\r\n", "\n")
    try:
        ast.parse(found)
    except (SyntaxError, ValueError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f"this is not Python{where}: {reason}") from None
    return found


class Required:
    """The default of a column that has none: its cell must not be empty."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes
    ----------
    letter
        Its place.
    field
        The key of a unit cleaner that it holds.
    title
        Its heading.
    read
        Returns the value of a cell that is not empty; raises ValueError, whose message is the reason, when it has none.
    help
        What it is for.
    default
        The value of an empty cell; the name of another field after ``=``: that one's.
    choices
        The words that its drop-down offers.
    """

    letter: str
    field: str
    title: str
    read: Reader
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()


MARK: Final = Column("C", "", "Read this row", one_of("x", "X"), "An x has this row read; others are passed over.")
RUNNING: Final = Column("D", "", "Running", text, "Whether the series is cleaned now; not read.")

COLUMNS: Final = (
    Column("A", "external_name", "Raw series", name, "Name of the raw series, as the parse script calls it.", Required),
    Column(
        "B", "name", "Clean series", name, "Name of the clean series. Empty: that of the raw one.", "=external_name"
    ),
    Column("E", "freq", "Step *", step, "Step of the clean series: 1H, 30T, 10min, 1D, MS.", Required),
    Column(
        "F",
        "input_unit_type",
        "Raw values are *",
        one_of(*OUTPUTS),
        "instantaneous: the state at the stamp. delta: an amount over an interval. mean: a mean over an interval.",
        Required,
        tuple(OUTPUTS),
    ),
    Column(
        "G",
        "input_convention",
        "Raw stamps are *",
        one_of("left", "right"),
        "left: the starts of intervals. right: their ends. Of no matter for instantaneous values.",
        Required,
        ("left", "right"),
    ),
    Column(
        "H",
        "clock",
        "Clock *",
        one_of("dst", "gmt", "tzt"),
        "The clock of the raw stamps. gmt: UTC. tzt: standard time all year. dst: with summer time.",
        Required,
        ("dst", "gmt", "tzt"),
    ),
    Column(
        "I", "timezone", "Time zone *", time_zone, "Where that clock is: an IANA name such as Europe/Paris.", Required
    ),
    Column("J", "unit", "Unit", text, "Unit of the clean values, for people.", ""),
    Column("K", "label", "Label", text, "What the clean series is, for people.", ""),
    Column(
        "L",
        "input_expected_regular",
        "Raw is regular",
        yes_or_no,
        "yes: raw values between the steps are dropped. Empty: no.",
        False,
        ("yes", "no"),
    ),
    Column(
        "M",
        "unit_type",
        "Clean values are",
        one_of("instantaneous", "delta", "mean", "mean_derivate"),
        "As for raw values, or mean_derivate: an amount per second. Empty: as the raw ones.",
        "=input_unit_type",
        ("instantaneous", "delta", "mean", "mean_derivate"),
    ),
    Column(
        "N",
        "resample_rule",
        "Rule",
        one_of("mean", "sum", "first"),
        "How instantaneous values of a step become one. Empty: mean.",
        "mean",
        ("mean", "sum", "first"),
    ),
    Column(
        "O", "interpolate_limit", "Fill gaps up to", steps, "Longest gap that is filled, in steps. Empty: 0, none.", 0
    ),
    Column("P", "wait_offset", "Late by up to", length, "How long analyses wait when it is late. Empty: 6H.", "6H"),
    Column("Q", "operation_fct", "Operation", code, "Python: fct(value) returns the new value."),
    Column("R", "filter_fct", "Filter", code, "Python: fct(value) is true for the values to keep."),
    Column("S", "derivative_filter_fct", "Slope filter", code, "Python: the same, of the change per second."),
    Column("T", "custom_delay", "Delay", length, "How long to wait after a step before it is computed: 30T."),
    Column("U", "custom_fct", "Own function", code, "Python: what is done with the raw series before all else."),
    Column("V", "custom_before_offset", "Sees before", steps_or_length, "What it needs before: steps, or 1D."),
    Column("W", "custom_after_offset", "Sees after", steps_or_length, "What it needs after: steps, or 1D."),
)
GROUPS: Final = {"A": ("D", "Series"), "E": ("K", "Needed"), "L": ("S", "More"), "T": ("W", "For experts")}
