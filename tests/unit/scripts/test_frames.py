from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.scripts import frames
from entrepot.scripts.frames import BadResult, BadValue

HOURS = pd.DatetimeIndex(["2012-01-01 00:00", "2012-01-01 01:00"])


def crossed(result: Any) -> Any:
    stream = frames.result_to_ipc(result, "parse")
    return None if stream is None else frames.result_from_ipc(stream)


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns, index=HOURS)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], [1, 2]),
        ([True, False], [1, 0]),
        ([1.5, np.nan], [1.5, np.nan]),
        (pd.array([1, None], dtype="Int64"), [1, np.nan]),
        (pd.array([True, None], dtype="boolean"), [1, np.nan]),
        (pd.array([1.5, None], dtype="Float32"), [1.5, np.nan]),
        (pd.array([1, None], dtype="int64[pyarrow]"), [1, np.nan]),
        (np.array([1, 2], dtype="uint8"), [1, 2]),
        ([None, None], [np.nan, np.nan]),
    ],
)
def test_numbers_of_any_kind_become_floats(values: Any, expected: Any) -> None:
    back = crossed(frame(a=values))
    assert back["a"].dtype == "float64"
    np.testing.assert_array_equal(back["a"], expected)


@pytest.mark.parametrize(
    "values",
    [["1", "2"], [1, "2"], [{}, []], [1j, 2j], HOURS, pd.to_timedelta([1, 2]), pd.Categorical([1, 2])],
)
def test_other_values_are_refused_by_column(values: Any) -> None:
    with pytest.raises(BadResult, match="'bad'"):
        crossed(frame(good=[1, 2], bad=values))


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_infinite_values_are_refused_by_column_and_time(infinite: float) -> None:
    with pytest.raises(BadResult, match=r"column 'b': '-?inf' at 2012-01-01 01:00 \(row 1\) is infinite"):
        crossed(frame(a=[1, 2], b=[1, infinite]))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris", "+02:00"])
def test_stamps_keep_their_instant_and_zone(unit: Any, zone: str | None) -> None:
    index = HOURS.as_unit(unit).tz_localize(zone)
    back = crossed(pd.DataFrame({"a": [1, 2]}, index=index)).index
    assert back.unit == "us"
    assert (back == index).all()
    assert (back.tz is None) == (zone is None)
    if zone:
        assert back.tz.utcoffset(HOURS[0].to_pydatetime()) == index.tz.utcoffset(HOURS[0].to_pydatetime())


def test_repeated_stamps_and_order_are_kept() -> None:
    back = crossed(pd.DataFrame({"a": [1, 2, 3]}, index=HOURS[[1, 0, 1]]))
    assert back.index.tolist() == HOURS[[1, 0, 1]].tolist()
    assert back["a"].tolist() == [1, 2, 3]


def test_labels_become_text() -> None:
    result = pd.DataFrame([[1, 2, 3], [1, 2, 3]], index=HOURS, columns=[1, None, ("a", "b")])
    assert crossed(result).columns.tolist() == [str(label) for label in result.columns]


def test_no_label_clashes_with_the_stamps() -> None:
    labels = ["__index_level_0__", "", "time", "index"]
    result = pd.DataFrame([[1, 2, 3, 4]], index=HOURS[:1], columns=labels)
    assert crossed(result).columns.tolist() == labels


@pytest.mark.parametrize("labels", [["a", "a"], [1, "1"]])
def test_repeated_columns_are_refused(labels: list[Any]) -> None:
    with pytest.raises(BadResult, match="twice"):
        crossed(pd.DataFrame([[1, 2]], index=HOURS[:1], columns=labels))


@pytest.mark.parametrize("result", [None, pd.DataFrame(), pd.DataFrame({"a": []})])
def test_nothing_is_none(result: Any) -> None:
    assert crossed(result) is None


def test_a_series_is_a_frame_of_its_name() -> None:
    assert crossed(pd.Series([1, 2], HOURS, name="a")).columns.tolist() == ["a"]
    with pytest.raises(BadResult, match="without a name"):
        crossed(pd.Series([1, 2], HOURS))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"a": 1}, "not a dict"),
        ([1], "not a list"),
        (pd.DataFrame(index=HOURS), "rows and no column"),
        (pd.DataFrame({"a": [1]}), "DatetimeIndex, not RangeIndex"),
        (pd.DataFrame({"a": [1]}, index=["2012"]), "DatetimeIndex"),
        (pd.DataFrame({"a": [1, 2]}, index=pd.DatetimeIndex(["2012", None])), "NaT in the index, at row 1"),
        (
            pd.DataFrame({"a": [1]}, index=pd.DatetimeIndex(np.array(["500000-01-01"], "M8[s]"))),
            "index that cannot be taken",
        ),
    ],
)
def test_other_results_are_refused(result: Any, message: str) -> None:
    with pytest.raises(BadResult, match=message):
        crossed(result)


STAMP = pa.array([0], pa.timestamp("us"))


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": pa.array([1.0])}),
        pa.table({"t": STAMP}),
        pa.table({"t": STAMP, "a": pa.array(["x"])}),
        pa.table({"t": STAMP, "a": pa.array([np.inf])}),
        pa.table({"t": pa.array([None], pa.timestamp("us")), "a": pa.array([1.0])}),
        pa.table([STAMP, pa.array([1.0]), pa.array([1.0])], names=["t", "a", "a"]),
        pa.table({"t": pa.array([0], pa.timestamp("ns")), "a": pa.array([1.0])}),
        pa.table({}),
    ],
)
def test_what_the_child_would_not_send_is_refused(table: Any) -> None:
    with pytest.raises(ValueError):
        frames.result_from_ipc(frames.to_ipc(table))


@given(st.binary(max_size=200), st.integers(0, 400))
def test_streams_of_garbage_are_refused_or_read(garbage: bytes, position: int) -> None:
    stream = bytearray(frames.result_to_ipc(frame(a=[1, 2]), "parse"))
    stream[position : position + len(garbage)] = garbage
    for broken in (garbage, bytes(stream)):
        try:
            frames.result_from_ipc(broken)
        except ValueError:
            continue


def test_numbers_of_functions() -> None:
    np.testing.assert_array_equal(
        frames.numbers([1, 2.5, None, pd.NA, True, np.float32(0.5), np.int64(3), np.nan]),
        [1, 2.5, np.nan, np.nan, 1, 0.5, 3, np.nan],
    )


@pytest.mark.parametrize("bad", ["3", [1], 1j, np.timedelta64(1), np.inf, 10**400, object()])
def test_other_values_of_functions_are_refused(bad: Any) -> None:
    with pytest.raises(BadValue) as caught:
        frames.numbers([1.0, bad])
    assert caught.value.position == 1
