"""The configuration of a channel: what is accepted, and how what is not is named."""

from typing import Any

import pytest

from entrepot.errors import InvalidInput
from entrepot.pipeline.cleaning.spec import CleaningSpec, validate
from entrepot.series.frequency import HOUR, MINUTE, Frequency
from tests.unit.pipeline.reference import TYPES

FIELDS = {
    "raw": "a",
    "name": "a-cleaned",
    "step": "1H",
    "raw_kind": "instant",
    "kind": "instant",
    "stamped": "start",
    "clock": "standard",
    "timezone": "Europe/Paris",
    "unit": "",
    "title": "",
    "rule": "mean",
    "fill": 0,
    "patience": "6H",
    "on_grid": False,
    "convert": None,
    "keep": None,
    "keep_rate": None,
    "custom": None,
    "delay": None,
    "before": None,
    "after": None,
}


def test_the_fields_of_a_unit_cleaner() -> None:
    assert len(FIELDS) == 21
    validate(FIELDS)
    assert CleaningSpec.of(FIELDS) == CleaningSpec(Frequency.parse("1H"))
    fields = FIELDS | {"custom": "def fct(se): ...", "before": 2, "after": "30T"}
    validate(fields)
    spec = CleaningSpec.of(fields | {"keep": " \n"})
    assert (spec.has_custom, spec.has_filter, spec.custom_reach) == (True, False, (2 * HOUR, 30 * MINUTE))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(name, None) for name in FIELDS if FIELDS[name] is not None],
        *[(name, ["x"]) for name in FIELDS],
        *[(name, {}) for name in FIELDS],
        ("raw", ""),
        ("name", " "),
        ("step", "1X"),
        ("step", "0H"),
        ("step", 1),
        ("raw_kind", "rate"),
        ("kind", "kWh"),
        ("stamped", "center"),
        ("clock", "UTC"),
        ("timezone", "Mars/Olympus"),
        ("rule", "max"),
        ("fill", -1),
        ("fill", 1.5),
        ("fill", True),
        ("fill", "1"),
        ("fill", 10**12),
        ("patience", "soon"),
        ("on_grid", "yes"),
        ("on_grid", 1),
        ("keep", 3),
        ("delay", "x"),
        ("before", -1),
        ("before", True),
        ("after", "3 moons"),
        ("after", 1.5),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as error:
        validate(FIELDS | {field: value})
    assert list(error.value.fields) == [field]


@pytest.mark.parametrize("source", ["instant", "amount", "mean"])
@pytest.mark.parametrize("target", ["instant", "amount", "mean", "rate"])
def test_only_types_of_the_table(source: str, target: str) -> None:
    fields = FIELDS | {"raw_kind": source, "kind": target}
    if (source, target) in TYPES:
        validate(fields)
        return
    with pytest.raises(InvalidInput) as error:
        validate(fields)
    assert list(error.value.fields) == ["kind"]


def test_all_bad_fields_at_once_and_only_those_given() -> None:
    with pytest.raises(InvalidInput) as error:
        validate({"step": "x", "clock": "x", "kind": "mean"})
    assert sorted(error.value.fields) == ["clock", "step"]
    validate({"fill": 3})
