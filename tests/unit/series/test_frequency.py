"""Frequencies: every alias of pandas, old and new; what is no step is refused."""

from typing import Any

import pytest

from entrepot.errors import InvalidInput
from entrepot.series.frequency import DAY, HOUR, MINUTE, SECOND, WEEK, Frequency


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1H", HOUR),
        ("3H", 3 * HOUR),
        ("h", HOUR),
        ("1h", HOUR),
        ("30T", 30 * MINUTE),
        ("30min", 30 * MINUTE),
        ("15s", 15 * SECOND),
        ("15S", 15 * SECOND),
        ("10ms", 10_000),
        ("10L", 10_000),
        ("5us", 5),
        ("5U", 5),
        ("D", DAY),
        ("1D", DAY),
        ("W", WEEK),
        ("2W", 2 * WEEK),
    ],
)
def test_fixed(text: str, microseconds: int) -> None:
    found = Frequency.parse(text)
    assert found.text == text
    assert found.microseconds == found.longest == microseconds
    assert found.months == 0


@pytest.mark.parametrize(
    ("text", "months"),
    [("M", 1), ("ME", 1), ("MS", 1), ("2MS", 2), ("Q", 3), ("QE", 3), ("QS", 3)]
    + [(alias, 12) for alias in ("A", "AS", "Y", "YE", "YS")],
)
def test_calendar(text: str, months: int) -> None:
    found = Frequency.parse(text)
    assert (found.microseconds, found.months, found.longest) == (None, months, months * 31 * DAY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1",
        "H1",
        "1X",
        "B",
        "1N",
        "m",
        "1.5H",
        "-1H",
        "1H30T",
        "0H",
        "1 000H",
        "99999999999999999D",
        "1H\n1H",
        "١H",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        Frequency.parse(text)
    assert error.value.status == 400


@pytest.mark.parametrize("value", [None, 1, 1.5, True, b"1H", ["1H"]])
def test_not_a_text(value: Any) -> None:
    with pytest.raises(InvalidInput, match="known frequency"):
        Frequency.parse(value)


def test_unknown_says_what_is_known() -> None:
    with pytest.raises(InvalidInput, match=r"'3X' is not a known frequency.* min T .* MS"):
        Frequency.parse("3X")


def test_zero_where_it_makes_sense() -> None:
    assert Frequency.parse("0H", zero=True).microseconds == 0


def test_case_and_space() -> None:
    assert Frequency.parse("MS").unit == "M"
    assert Frequency.parse("ms").unit == "ms"
    assert Frequency.parse(" 1 H ").text == " 1 H "
