"""Chunks: what goes in comes out, bit for bit, and damage is noticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.errors import InvalidInput
from entrepot.series import codec
from entrepot.series.points import EARLIEST, LATEST, Points, compare, merge, tidy

moments = st.integers(EARLIEST, LATEST)
floats = st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(
    st.tuples(
        moments,
        floats,
        st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
    ),
    min_size=1,
    max_size=50,
)


def same(one: Points, other: Points) -> bool:
    tags = [[None] * len(p) if p.tags is None else p.tags.tolist() for p in (one, other)]
    return (
        one.times.tolist() == other.times.tolist()
        and one.values.view(np.int64).tolist() == other.values.view(np.int64).tolist()
        and tags[0] == tags[1]
    )


@given(rows)
def test_any_points_survive(rows: list[tuple[int, float, str | None]]) -> None:
    points = tidy(*zip(*rows, strict=True))
    data = codec.encode(points)
    assert codec.count(data) == len(points)
    assert same(codec.decode(data), points)


@pytest.mark.parametrize(
    "values",
    [
        [-0.0, 0.0, 5e-324, -2.2250738585072e-308, 1.7976931348623157e308],
        [1.0, 2.0, 3.0, 4.0, 5.0],
        [0.1, 0.2, 0.30000000000000004, 1 / 3, -1e-300],
        [7.0] * 5,
    ],
)
@pytest.mark.parametrize(
    "times", [[0, 1, 2, 3, 4], [-5_000_000, -3, 0, 1, 10**15], [EARLIEST, 0, 1, 2, LATEST], [-40, -30, -20, -10, 0]]
)
def test_hard_floats_and_times(times: list[int], values: list[float]) -> None:
    points = Points(np.array(times), np.array(values))
    assert same(codec.decode(codec.encode(points)), points)


def test_regular_times_take_no_room() -> None:
    times = np.arange(10_000) * 600_000_000 + 1_388_534_400_000_000
    assert len(codec.encode(tidy(times, np.full(times.size, 1.5)))) < 100


def test_damage_is_noticed() -> None:
    data = bytearray(codec.encode(tidy(np.arange(100), np.sqrt(np.arange(100)))))
    for at in (0, 8, len(data) // 2, len(data) - 1):
        bad = data.copy()
        bad[at] ^= 16
        with pytest.raises(codec.DamagedChunk):
            codec.decode(bytes(bad))
    with pytest.raises(codec.DamagedChunk):
        codec.decode(bytes(data[:10]))
    with pytest.raises(codec.DamagedChunk):
        codec.decode(bytes(data[:-1]))


def test_input_is_tidied() -> None:
    points = tidy([3, 1, 2, 1, 9, 1], [1, 2, 3, 4, np.nan, np.nan], ["a", "x", None, "b", "c", "d"])
    assert points.times.tolist() == [1, 2, 3]
    assert points.values.tolist() == [4, 3, 1]
    assert points.tags is not None
    assert points.tags.tolist() == ["b", None, "a"]


@pytest.mark.parametrize(
    ("times", "values", "tags", "field"),
    [
        ([1], [np.inf], None, "values"),
        ([1, 2], [1.0], None, "values"),
        ([1], [1.0], ["a", "b"], "tags"),
        ([1], [1.0], ["x" * 256], "tags"),
        ([LATEST + 1], [1.0], None, "times"),
        ([EARLIEST - 1], [1.0], None, "times"),
    ],
)
def test_bad_input_is_refused(times: list[int], values: list[float], tags: list[str] | None, field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        tidy(times, values, tags)
    assert list(error.value.fields) == [field]


@given(rows, rows)
def test_merge_and_compare_are_those_of_dictionaries(
    before: list[tuple[int, float, str | None]], after: list[tuple[int, float, str | None]]
) -> None:
    old, new = tidy(*zip(*before, strict=True)), tidy(*zip(*after, strict=True))
    one, other = ({t: (v, tag) for t, v, tag in rows} for rows in (before, after))
    whole = merge(old, new)
    assert whole.times.tolist() == sorted(one | other)
    difference = compare(old, new)
    assert new.times[difference.added].tolist() == sorted(other.keys() - one.keys())
    assert new.times[difference.replaced].tolist() == sorted(t for t in one.keys() & other.keys() if one[t] != other[t])
    assert old.times[difference.deleted].tolist() == sorted(one.keys() - other.keys())
