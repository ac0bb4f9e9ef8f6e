"""The configuration of a unit cleaner: what is accepted, and how what is not is named."""

import pytest

from entrepot.errors import InvalidInput
from entrepot.pipeline.spec import CleaningSpec, validate
from entrepot.series.frequency import HOUR, MINUTE, Frequency
from tests.unit.pipeline.reference import TYPES

FIELDS = {
    "external_name": "a",
    "name": "a-cleaned",
    "freq": "1H",
    "input_unit_type": "instantaneous",
    "unit_type": "instantaneous",
    "input_convention": "left",
    "clock": "tzt",
    "timezone": "Europe/Paris",
    "unit": "",
    "label": "",
    "resample_rule": "mean",
    "interpolate_limit": 0,
    "wait_offset": "6H",
    "input_expected_regular": False,
    "operation_fct": None,
    "filter_fct": None,
    "derivative_filter_fct": None,
    "custom_fct": None,
    "custom_delay": None,
    "custom_before_offset": None,
    "custom_after_offset": None,
}


def test_the_fields_of_a_unit_cleaner():
    assert len(FIELDS) == 21
    validate(FIELDS)
    assert CleaningSpec.of(FIELDS) == CleaningSpec(Frequency.parse("1H"))
    fields = FIELDS | {"custom_fct": "def fct(se): ...", "custom_before_offset": 2, "custom_after_offset": "30T"}
    validate(fields)
    spec = CleaningSpec.of(fields | {"filter_fct": " \n"})
    assert (spec.has_custom, spec.has_filter, spec.custom_reach) == (True, False, (2 * HOUR, 30 * MINUTE))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(name, None) for name in FIELDS if FIELDS[name] is not None],
        *[(name, ["x"]) for name in FIELDS],
        *[(name, {}) for name in FIELDS],
        ("external_name", ""),
        ("name", " "),
        ("freq", "1X"),
        ("freq", "0H"),
        ("freq", 1),
        ("input_unit_type", "mean_derivate"),
        ("unit_type", "kWh"),
        ("input_convention", "center"),
        ("clock", "utc"),
        ("timezone", "Mars/Olympus"),
        ("resample_rule", "max"),
        ("interpolate_limit", -1),
        ("interpolate_limit", 1.5),
        ("interpolate_limit", True),
        ("interpolate_limit", "1"),
        ("interpolate_limit", 10**12),
        ("wait_offset", "soon"),
        ("input_expected_regular", "yes"),
        ("input_expected_regular", 1),
        ("filter_fct", 3),
        ("custom_delay", "x"),
        ("custom_before_offset", -1),
        ("custom_before_offset", True),
        ("custom_after_offset", "3 days"),
        ("custom_after_offset", 1.5),
    ],
)
def test_a_bad_field_is_named(field, value):
    with pytest.raises(InvalidInput) as error:
        validate(FIELDS | {field: value})
    assert list(error.value.fields) == [field]


@pytest.mark.parametrize("source", ["instantaneous", "delta", "mean"])
@pytest.mark.parametrize("target", ["instantaneous", "delta", "mean", "mean_derivate"])
def test_only_types_of_the_table(source, target):
    fields = FIELDS | {"input_unit_type": source, "unit_type": target}
    if (source, target) in TYPES:
        validate(fields)
        return
    with pytest.raises(InvalidInput) as error:
        validate(fields)
    assert list(error.value.fields) == ["unit_type"]


def test_all_bad_fields_at_once_and_only_those_given():
    with pytest.raises(InvalidInput) as error:
        validate({"freq": "x", "clock": "x", "unit_type": "mean"})
    assert sorted(error.value.fields) == ["clock", "freq"]
    validate({"interpolate_limit": 3})
