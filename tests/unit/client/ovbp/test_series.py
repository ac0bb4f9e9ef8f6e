"""Reading series: selections and exports."""

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from entrepot.client.ovbp import Client, exports
from entrepot.client.ovbp.models.odata import FtpEntry, Series
from tests.unit.client.ovbp.conftest import Platform

HOUR = 3_600_000


def _data(name: str, *values: float | None, first: int = 0) -> dict[str, Any]:
    return {"name": name, "index": [first + number * HOUR for number in range(len(values))], "data": list(values)}


def _series(client: Client, *keys: int) -> list[Series]:
    return [client.series.data_to_record({"id": f"s{key}", "otsdb_pk": key}) for key in keys]


def test_a_series_is_floats_by_naive_nanoseconds(client: Client, platform: Platform) -> None:
    platform.actions["/select"] = lambda request: httpx.Response(200, json=_data("x", 1.0, None))
    (one,) = _series(client, 1)
    selected = one.select_data(start=dt.datetime(2012, 1, 1, 6), resample="3H", dropna=False, max_rows_nb=0)
    expected = pd.Series([1.0, np.nan], pd.DatetimeIndex(["1970-01-01 00:00", "1970-01-01 01:00"]).as_unit("ns"))
    pd.testing.assert_series_equal(selected, expected)
    assert platform.requests == [
        (
            "GET",
            "odata/series/s1/select",
            {"start": "2012-01-01 06:00:00", "resample": "3H", "dropna": "False", "max_rows_nb": "0"},
            None,
        )
    ]
    assert one.select_data(return_se=False) == _data("x", 1.0, None)


@pytest.mark.parametrize("values", [(), (None,), (1,)])
def test_empty_null_and_whole_values_are_floats_too(client: Client, platform: Platform, values: Any) -> None:
    platform.actions["/select"] = lambda request: httpx.Response(200, json=_data("x", *values))
    selected = _series(client, 1)[0].select_data()
    assert selected.dtype == np.dtype("float64")
    assert selected.index.dtype == np.dtype("datetime64[ns]")


def test_a_frame_keeps_the_answers_order_and_every_series(client: Client, platform: Platform) -> None:
    answer = {"1": _data("b", 1.0, 2.0, first=HOUR), "9": _data("a", 3.0), "10": _data("b", 4.0), "11": _data("e")}
    platform.actions["/multi_select"] = lambda request: httpx.Response(200, json=answer)
    frame = client.series.select_data(
        iter(_series(client, 11, 10, 9, 1)), start=np.datetime64("1970-01-01T00", "ns"), end="1970", clock="gmt"
    )
    assert list(frame.columns) == ["b", "a", "b", "e"]
    assert set(frame.dtypes) == {np.dtype("float64")}
    assert frame.index.dtype == np.dtype("datetime64[ns]")
    nan = np.nan
    np.testing.assert_array_equal(frame.to_numpy(), [[nan, 3.0, 4.0, nan], [1.0, nan, nan, nan], [2.0, nan, nan, nan]])
    ((method, path, query, body),) = platform.requests
    assert (method, path) == ("POST", "odata/series/multi_select")
    assert query == {"start": "1970-01-01 00:00:00", "end": "1970", "clock": "gmt"}
    assert body == {"otsdb_pk": [11, 10, 9, 1]}
    assert client.series.select_data(_series(client, 1), return_df=False) == answer


def test_selecting_nothing_is_refused(client: Client, platform: Platform) -> None:
    with pytest.raises(ValueError, match="series is empty"):
        client.series.select_data([])
    assert platform.requests == []


def test_a_full_selection_warns(client: Client, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.client.ovbp.series.MOST_POINTS", 5)
    two = {"1": _data("a", 1.0), "2": _data("b", 1.0, 2.0)}
    platform.actions["/multi_select"] = lambda request: httpx.Response(200, json=two)
    platform.actions["/select"] = lambda request: httpx.Response(200, json=_data("x", *[1.0] * 5))
    with pytest.warns(UserWarning, match="at most 5 points, 2 for each") as caught:
        client.series.select_data(_series(client, 1, 2))
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="full"):
        _series(client, 1)[0].select_data()
    platform.actions["/select"] = lambda request: httpx.Response(200, json=_data("x", *[1.0] * 4))
    _series(client, 1)[0].select_data()


def test_an_export_is_asked_for_in_full(client: Client, platform: Platform) -> None:
    platform.actions["/export"] = lambda request: httpx.Response(201, json={"id": "t", "base": {"status": "pending"}})
    task = client.series.export_data(iter(_series(client, 1, 2)), start=dt.datetime(2012, 1, 1), out_freq="30T")
    assert repr(task) == "<odata/series_export_tasks: t>"
    assert platform.requests[0][3] == {
        "series": ["s1", "s2"],
        "start": "2012-01-01 00:00:00",
        "end": None,
        "out_freq": "30T",
        "clock": None,
        "out_mode": "series",
        "sep": ",",
        "decimal": ".",
        "time_grouper": None,
        "with_tags": False,
        "in_start_mode": "right",
        "in_end_mode": "left",
    }


def test_senseless_exports_are_refused_before_anything_is_asked(
    client: Client, platform: Platform, tmp_path: Path
) -> None:
    export = client.series.export_download_and_parse_data
    with pytest.raises(ValueError, match="download_dir_path"):
        export([], return_frame=False)
    with pytest.raises(ValueError, match="time_grouper"):
        export([], time_grouper="MS")
    with pytest.raises(ValueError, match="with_tags"):
        export([], with_tags=True)
    with pytest.raises(NotADirectoryError):
        export([], download_dir_path=tmp_path / "none")
    assert platform.requests == []


def test_exported_files_are_read_in_alphabetical_order(tmp_path: Path) -> None:
    for name in ("a [x=y]", "a output [x=y]", "A cleaned [x=y]"):
        (tmp_path / f"{name}.csv").write_text("time;v\n2012-01-01 00:00:00;1,5\n2012-01-01 00:00:00.250000;\n")
    read: Any = exports.read(tmp_path, "series", ";", ",")
    assert [one.name for one in read] == ["A cleaned [x=y]", "a output [x=y]", "a [x=y]"]
    for one in read:
        np.testing.assert_array_equal(one.to_numpy(), [1.5, np.nan])
        assert one.index[1] == pd.Timestamp("2012-01-01 00:00:00.25")
        assert one.index.dtype == np.dtype("datetime64[ns]")
        assert one.index.name is None


def test_an_exported_frame_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text("time,a,b\n")
    frame = exports.read(tmp_path, "dataframe", ",", ".")
    assert isinstance(frame, pd.DataFrame)
    assert frame.empty
    assert list(frame.columns) == ["a", "b"]
    assert isinstance(frame.index, pd.DatetimeIndex)


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="empty"):
        exports.read(tmp_path, "series", ",", ".")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("t,v\n")
    with pytest.raises(RuntimeError, match="2 files"):
        exports.read(tmp_path, "dataframe", ",", ".")
    (tmp_path / "c.txt").touch()
    with pytest.raises(RuntimeError, match=r"c\.txt"):
        exports.read(tmp_path, "series", ",", ".")


class _Account:
    """A user's FTP account with a folder of exports."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.names = names

    def list_dir(self, path: str) -> list[FtpEntry]:
        assert path == "series_exports"
        entries = [FtpEntry(name=name, type="file", path=f"series_exports/{name}") for name in self.names]
        return [*entries, FtpEntry(name="zzz", type="directory", path="series_exports/zzz")]

    def get_ftputil_client(self) -> "_Account":
        return self

    def __enter__(self) -> "_Account":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def download(self, source: str, target: str) -> None:
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("a.csv", source)


def test_the_latest_export_is_fetched_and_unpacked(tmp_path: Path) -> None:
    account: Any = _Account(tmp_path, "2020-01-01-10.zip", "2020-01-01-11.zip", "2019-12-31.zip")
    unpacked = exports.download_latest(account, tmp_path)
    assert unpacked == tmp_path / "2020-01-01-11"
    assert (unpacked / "a.csv").read_text() == "series_exports/2020-01-01-11.zip"
    assert [file.name for file in tmp_path.iterdir()] == ["2020-01-01-11"]
    with pytest.raises(RuntimeError, match="no file"):
        exports.download_latest(_Account(tmp_path), tmp_path)  # type: ignore[arg-type]


def test_a_temporary_folder_is_gone_afterwards(tmp_path: Path) -> None:
    with exports.folder_for(None) as folder:
        assert folder.is_dir()
    assert not folder.exists()
    with exports.folder_for(tmp_path) as folder:
        assert folder == tmp_path
    assert tmp_path.is_dir()
