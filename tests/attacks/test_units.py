"""Units are texts of users, which a library reads as if they were expressions."""

import time

import numpy as np
import pytest

from entrepot.units import Incompatible, convert, convertible

ONE = np.ones(1)


@pytest.mark.parametrize(
    "unit",
    [
        "9**9**9**9", "10^10^10", "m**(9**9)", "m**999999999", "m**9.9**9", "1e999999999 m", "9999999999999*m",
        "(" * 5000, "m*" * 5000, "__import__('os').system('true')", "m\0", "\n\n", "m;m", "[m]", "lambda: m", "", " ",
        "m**-9**99", "m ** 9 ** 9", "m**9" + "**9" * 12, "°" * 60, "\u202em", "inf", "nan*m",
    ],
)  # fmt: skip
def test_a_unit_that_is_none_is_refused_at_once(unit: str) -> None:
    began = time.monotonic()
    for one, other in ((unit, "m"), ("m", unit)):
        with pytest.raises(Incompatible):
            convert(ONE, one, other)
    assert time.monotonic() - began < 5


def test_units_that_measure_the_same_convert() -> None:
    for unit, wanted, value in (
        ("m/s", "km/h", 3.6),
        ("m^2", "cm**2", 1e4),
        ("degC", "kelvin", 274.15),
        ("kW", "W", 1e3),
    ):
        assert convert(ONE, unit, wanted) == pytest.approx([value])
    assert not convertible("kg", "m")
