"""Result sets side by side: what differs between them first; on both databases."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from entrepot.errors import InvalidInput
from entrepot.rows import compare, places, result_sets, results
from entrepot.rows.compare import Comparison, Field
from entrepot.rows.models import ResultSet
from entrepot.rows.places import LOCATION
from tests.integration.rows.conftest import Farm, make_principal

LABELS = {"reference_labels": ["INFL", "ACTU", "FLEX"]}


def sets(farm: Farm, *rows: dict[str, Any], **fields: Any) -> list[ResultSet]:
    """Make a result set a row, each of a location of its own."""
    with farm.write() as (session, principal):
        model = session.scalars(select(ResultSet.model_definition_id)).first()
        for number, row in enumerate(rows):
            name = f"T{number:02}"
            place = places.create(session, principal, LOCATION, {"name": name, "site": 35})["id"]
            own = {"name": "Frequencies", "model_definition": model, "location": place} | {
                key: values[number] for key, values in fields.items()
            }
            made = result_sets.create(session, principal, own)["id"]
            given_ = {"name": f"{name} - FA1", "extra": LABELS, "location": place, "result_set": made}
            results.create(session, principal, farm.row(**given_) | row)
        return list(session.scalars(select(ResultSet).where(ResultSet.name == "Frequencies").order_by(ResultSet.id)))


def compared(farm: Farm, found: list[ResultSet], *units: str) -> Comparison:
    with farm.read() as (session, principal):
        return compare.compare(session, principal, found, units)


def test_what_differs_most_comes_first_whatever_units_and_places_it_is_in(farm: Farm) -> None:
    found = compared(
        farm,
        sets(
            farm,
            {"values2": [0.5, 0.4, 0.3]},
            {"values2": [500.0, 200.0, 300.0], "unit2": "mHz"},
            {"values2": [0.5, 0.4, None]},
            source=["a", "a", "b"],
            extra=[{"run": 1}, {"run": 4}, {}],
        ),
    )
    told = [(one.row, one.vector, one.at, one.unit, round(one.difference, 3), one.missing) for one in found.fields]
    assert told == [
        ("", "extra.run", "", "", 0.75, 1),
        ("FA1", "FA1", "ACTU", "Hz", 0.5, 0),
        ("", "source", "", "", 0.333, 0),
        ("FA1", "FA1", "FLEX", "Hz", 0.0, 1),
        ("", "made_by", "", "", 0.0, 0),
        ("FA1", "FA1", "INFL", "Hz", 0.0, 0),
    ]
    assert found.differing == 4
    assert found.fields[1].values == [0.4, 0.2, 0.4]
    assert (found.fields[1].lowest, found.fields[1].highest) == (1, 0)
    assert found.fields[2].values == ["a", "a", "b"]


def test_a_wanted_unit_is_that_of_all_that_measure_the_same(farm: Farm) -> None:
    found = sets(farm, {"values2": [0.5, 0.4, 0.3]}, {"values2": [5.0, 4.0, 3.0], "unit2": "metre"})
    units = {(one.unit, tuple(one.values)) for one in compared(farm, found, "mHz").fields if one.at == "INFL"}
    assert units == {("mHz", (500.0, None)), ("metre", (None, 5.0))}


def test_long_vectors_are_compared_by_mean_and_extremes_and_places_without_labels_by_the_first_vector(
    farm: Farm,
) -> None:
    long = [float(number) for number in range(100)]
    found = sets(
        farm,
        {"values1": long, "values2": [*long[:-1], None]},
        {"values1": long, "values2": [one * 2 for one in long]},
    )
    assert [(one.at, one.values) for one in compared(farm, found).fields if one.row] == [
        ("mean", [49.0, 99.0]), ("highest", [98.0, 198.0]), ("lowest", [0.0, 0.0]),
    ]  # fmt: skip
    with farm.write() as (session, principal):
        one = found[0].id
        row = {"name1": "speed", "unit1": "m/s", "values1": [3.0, 4.5], "values2": [1.0, 2.0], "extra": {}}
        results.create(session, principal, farm.row("curve", result_set=one) | row)
    named = {field.at: field for field in compared(farm, found[:1]).fields if field.row == "curve"}
    assert list(named) == ["speed 3 m/s", "speed 4.5 m/s"]
    assert not named["speed 3 m/s"].differs


def test_only_own_result_sets_are_compared_and_not_too_many(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sets(farm, {}, {})
    stranger = make_principal(farm.database, "Elsewhere")
    with farm.database.read() as session:
        fields = compare.compare(session, stranger, found).fields
        assert [one for one in fields if one.row] == []  # no row is theirs
    monkeypatch.setattr(compare, "MOST_SETS", 1)
    with pytest.raises(InvalidInput, match="at most 1 "):
        compared(farm, found)
    monkeypatch.undo()
    monkeypatch.setattr(compare, "_MOST_BYTES", 10)
    with pytest.raises(InvalidInput, match="choose fewer"):
        compared(farm, found)


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=8))
def test_a_difference_is_none_of_equal_values_and_never_out_of_bounds(values: list[float | None]) -> None:
    field = compare._of_values("x", values) if any(value is not None for value in values) else Field("", "", "", "", [])
    there = [value for value in values if value is not None]
    assert 0 <= field.difference <= 2
    if there and field.lowest is not None and field.highest is not None:
        assert field.missing == len(values) - len(there)
        assert (field.difference == 0) == (max(there) == min(there)) or abs(field.difference) < 1e-15
        assert field.values[field.lowest] == min(there)
