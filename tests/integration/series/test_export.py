"""Exports, and the selections of the same data: the worked example of the protocol, clocks, bounds and files."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy.orm import Session

from entrepot.bounds.budget import Budget
from entrepot.db import Database
from entrepot.errors import InvalidInput, TooLarge
from entrepot.series import export as exporting
from entrepot.series import select as selecting
from entrepot.series import store, table
from entrepot.series.export import ExportRequest, export
from entrepot.series.models import Series
from entrepot.series.select import Selection, select
from tests.support.cases import Case

HOUR = 3_600_000_000
Exported = Callable[..., dict[str, pd.DataFrame]]


def micros(text: str) -> int:
    return int(pd.Timestamp(text).value // 1000)


def make(session: Session, name: str, times: Any, values: Any, **properties: Any) -> Series:
    maker, tags = properties.pop("maker", "direct"), properties.pop("tags", None)
    series = store.create_series(
        session, organization_id="o", project_id="p", generator_kind=maker, generator_id=maker, name=name, **properties
    )
    store.append(session, series.number, times, values, tags)
    return series


@pytest.fixture
def guide(database: Database) -> list[tuple[Series, str, str]]:
    """The seven series of the guide: raw as delivered, cleaned and analysed in the standard time of Paris."""
    with database.write() as session:
        sources = []
        for number, name in enumerate("abc", 1):
            raw = micros("2012-01-01") + np.arange(24) * HOUR
            sources.append((make(session, name, raw, np.full(24, number), maker="importer"), "importer", "importer-a"))
            cleaned = make(
                session, f"{name}-cleaned", raw[1:23] - HOUR, np.full(22, number), maker="cleaner",
                clock="standard", timezone="Europe/Paris", step="1H",
            )  # fmt: skip
            sources.append((cleaned, "cleaner", "importer-a"))
        output = micros("2012-01-01 02:00") + np.arange(6) * 3 * HOUR
        analysed = make(
            session, "a-output", output, np.full(6, 1.5), maker="analysis",
            clock="standard", timezone="Europe/Paris", step="3H",
        )  # fmt: skip
        return [*sources, (analysed, "analysis", "analysis-a")]


@pytest.fixture
def exported(database: Database, tmp_path: Path) -> Exported:
    def run(sources: list[tuple[Series, str, str]], **request: Any) -> dict[str, pd.DataFrame]:
        target = tmp_path / "export.zip"
        with database.read() as session:
            files = export(session, sources, ExportRequest(**request), target)
        with zipfile.ZipFile(target) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == files
            dialect = {"sep": request.get("separator", ","), "decimal": request.get("decimal", ".")}
            return {
                name: pd.read_csv(io.BytesIO(archive.read(name)), index_col=0, parse_dates=True, **dialect)
                for name in archive.namelist()
            }

    return run


def test_guide_as_one_frame(guide: list[tuple[Series, str, str]], exported: Exported) -> None:
    files = exported(guide, layout="dataframe", step="1H", clock="standard")
    assert list(files) == ["export.csv"]
    frame = files["export.csv"]
    assert frame.shape == (18, 7)
    assert list(frame.columns) == [
        "a [importer=importer a]",
        "a cleaned [cleaner=importer a]",
        "a output [analysis=analysis a]",
        "b [importer=importer a]",
        "b cleaned [cleaner=importer a]",
        "c [importer=importer a]",
        "c cleaned [cleaner=importer a]",
    ]
    assert frame.index.equals(pd.date_range("2012-01-01 03:00", "2012-01-01 20:00", freq="h", name="time"))
    assert (frame == [1.0, 1.0, 1.5, 2.0, 2.0, 3.0, 3.0]).all(axis=None)


def test_guide_as_files(guide: list[tuple[Series, str, str]], exported: Exported) -> None:
    files = exported(guide)
    assert list(files) == sorted(files)
    assert len(files) == 7
    raw, cleaned = files["a [importer=importer a].csv"], files["a cleaned [cleaner=importer a].csv"]
    assert (len(raw), raw.index[0], raw.index[-1]) == (24, pd.Timestamp("2012-01-01"), pd.Timestamp("2012-01-01 23:00"))
    assert (len(cleaned), cleaned.index[0]) == (22, pd.Timestamp("2012-01-01 01:00"))
    assert cleaned.columns.tolist() == ["a cleaned [cleaner=importer a]"]


def test_modes_bounds_and_dialect(guide: list[tuple[Series, str, str]], exported: Exported) -> None:
    both = {"layout": "dataframe", "step": "1H", "in_start_mode": "left", "in_end_mode": "right"}
    frame = exported(guide, **both, separator=";", decimal=",")["export.csv"]
    assert frame.shape == (24, 7)
    assert frame.isna().sum().to_list() == [0, 2, 6, 0, 2, 0, 2]
    frame = exported(guide, **both, start=datetime(2012, 1, 1, 4), end=datetime(2012, 1, 1, 19))["export.csv"]
    assert frame.index.equals(pd.date_range("2012-01-01 04:00", "2012-01-01 19:00", freq="h", name="time"))
    assert not frame.isna().any(axis=None)
    frame = exported(guide, layout="dataframe", in_start_mode="left", in_end_mode="right")["export.csv"]
    assert frame.shape == (24, 7)
    assert frame["a output [analysis=analysis a]"].dropna().size == 6
    days = exported(guide, step="6H", time_grouper="12H")
    assert {name for name in days if name.startswith("a [")} == {
        "a [importer=importer a] 2012-01-01 00-00-00.csv",
        "a [importer=importer a] 2012-01-01 12-00-00.csv",
    }


@pytest.mark.parametrize("request_", [{}, {"step": "1D"}, {"layout": "dataframe", "step": "10min"}])
def test_pieces_make_no_difference(
    guide: list[tuple[Series, str, str]], exported: Exported, request_: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exported(guide, **request_)
    monkeypatch.setattr(table, "CELLS", 5)
    monkeypatch.setattr(selecting, "PAGE", 7)
    for name, frame in exported(guide, **request_).items():
        pd.testing.assert_frame_equal(frame, whole[name])
        assert len(frame)


def test_labels_are_fit_for_files() -> None:
    def label(*names: str) -> list[str]:
        return exporting.labels([(Series(name=name), "importer", "i-1") for name in names])

    assert label("a/b", "a:b", "A b") == ["a b [importer=i 1]", "a b [importer=i 1] (2)", "A b [importer=i 1] (3)"]
    assert len(label("é" * 300)[0].encode()) <= 200


def test_empty_series_and_awkward_names(database: Database, exported: Exported) -> None:
    with database.write() as session:
        sources = [
            (make(session, 'x, "y"', [], []), "direct", ""),
            (make(session, "fine", [500_000, 1_000_000], [0.1, 1e-7], tags=["t", None]), "direct", ""),
        ]
    files = exported(sources, tags=True)
    assert files["x,  y  [direct].csv"].empty
    fine = files["fine [direct].csv"]
    assert fine.index.tolist() == [pd.Timestamp(0, unit="s") + pd.Timedelta("500ms"), pd.Timestamp(1, unit="s")]
    assert fine["fine [direct]"].tolist() == [0.1, 1e-7]
    assert fine["fine [direct] tag"].isna().tolist() == [False, True]
    assert exported(sources[:1], layout="dataframe", step="1H")["export.csv"].empty


def test_delta_is_split_and_summed(database: Database, exported: Exported) -> None:
    with database.write() as session:
        delta = make(
            session, "kWh", np.arange(4) * 6 * HOUR, [6.0, 12.0, 18.0, 24.0],
            clock="utc", step="6H", kind="amount",
        )  # fmt: skip
    (fine,) = exported([(delta, "direct", "")], step="2H").values()
    assert fine.iloc[:, 0].tolist() == [2.0] * 3 + [4.0] * 3 + [6.0] * 3 + [8.0] * 3
    (day,) = exported([(delta, "direct", "")], step="1D").values()
    assert day.iloc[:, 0].tolist() == [60.0]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"separator": ",", "decimal": ","}, "decimal"),
        ({"separator": "ab"}, "separator"),
        ({"step": "soon"}, "step"),
        ({"time_grouper": "1"}, "time_grouper"),
        ({"layout": "xlsx"}, "layout"),
        ({"in_end_mode": "up"}, "in_end_mode"),
    ],
)
def test_bad_requests_name_the_field(bad: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        ExportRequest(**bad)
    assert list(error.value.fields) == [field]


def test_selecting_the_guide(database: Database, guide: list[tuple[Series, str, str]]) -> None:
    raw, cleaned = [s for s, m, _ in guide if m == "importer"], [s for s, m, _ in guide if m == "cleaner"]
    six_to_noon = Selection(start=datetime(2012, 1, 1, 6), end=datetime(2012, 1, 1, 12))
    with database.read() as session:
        found = select(session, raw, six_to_noon)
        assert [one.series.name for one in found] == ["a", "b", "c"]
        assert all(len(one.times) == 7 for one in found)
        assert found[0].times[0] == micros("2012-01-01 06:00")
        found = select(session, cleaned, Selection(end=datetime(2012, 1, 1, 4)))
        assert [t // HOUR % 24 for t in found[0].times.tolist()] == [1, 2, 3, 4]
        sizes: dict[Any, int] = {"left": 6, "right": 6, "neither": 5}
        for closed, size in sizes.items():
            bounds = Selection(start=datetime(2012, 1, 1, 6), end=datetime(2012, 1, 1, 12), closed=closed)
            assert len(select(session, raw[:1], bounds)[0].times) == size
        assert len(select(session, raw, Selection(cap=30))[2].times) == 10
        assert select(session, raw, Selection(max_rows=2))[0].times.tolist() == [
            micros("2012-01-01") + h * HOUR for h in (0, 1)
        ]
        shown = select(session, cleaned[:1], Selection(clock="utc"))[0]
        assert shown.times[0] == micros("2012-01-01 00:00")
        aware = Selection(start=datetime(2012, 1, 1, 10, tzinfo=timezone(timedelta(hours=5))))
        assert select(session, cleaned[:1], aware)[0].times[0] == micros("2012-01-01 06:00")


def test_selecting_resampled(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.concatenate([np.arange(0, 6), np.arange(24, 30)]) * HOUR
    with database.write() as session:
        series = make(session, "x", times, np.arange(12.0), clock="utc")
    for page in (selecting.PAGE, 4):
        monkeypatch.setattr(selecting, "PAGE", page)
        with database.read() as session:
            (found,) = select(session, [series], Selection(resample="6H"))
            assert (found.times // HOUR).tolist() == [0, 6, 12, 18, 24]
            np.testing.assert_equal(found.values, [2.5, np.nan, np.nan, np.nan, 8.5])
            (found,) = select(session, [series], Selection(resample="6H", dropna=True, rule="sum", convention="right"))
            assert (found.times // HOUR).tolist() == [6, 30]
            assert found.values.tolist() == [15.0, 51.0]
            (found,) = select(session, [series], Selection(resample="6H", max_rows=2))
            assert (found.times // HOUR).tolist() == [0, 6]
            (found,) = select(
                session, [series], Selection(resample="2H", start=datetime(1970, 1, 1, 1), end=datetime(1970, 1, 1, 4))
            )
            assert (found.times // HOUR).tolist() == [2, 4]
            assert found.values.tolist() == [2.5, 4.5]
    with pytest.raises(InvalidInput) as error, database.read() as session:
        select(session, [series], Selection(resample="1 fortnight"))
    assert list(error.value.fields) == ["resample"]


def test_when_clocks_are_put_back(database: Database, exported: Exported) -> None:
    """The night of 28 October 2012 in Paris: 02:00 to 03:00 comes twice."""
    start = micros("2012-10-27 22:00")
    with database.write() as session:
        mean = make(
            session,
            "m",
            start + np.arange(25) * HOUR,
            np.arange(25.0),
            clock="standard",
            timezone="Europe/Paris",
            step="1H",
        )
        delta = make(
            session, "d", start + np.arange(25) * HOUR, np.ones(25), clock="standard", timezone="Europe/Paris",
            step="1H", kind="amount", rule="sum",
        )  # fmt: skip
    with database.read() as session:
        one, two = select(session, [mean, delta], Selection(clock="local"))
        assert len(one.times) == 24
        assert one.values[:5].tolist() == [0.0, 1.0, 2.0, 4.0, 5.0]
        assert two.values[:5].tolist() == [1.0, 1.0, 2.0, 1.0, 1.0]
        (day,) = select(session, [delta], Selection(clock="local", resample="1D", rule="sum"))
        assert (day.times.tolist(), day.values.tolist()) == ([micros("2012-10-28")], [25.0])
        bounded = Selection(clock="local", start=datetime(2012, 10, 28, 2), end=datetime(2012, 10, 28, 2))
        assert select(session, [delta], bounded)[0].values.tolist() == [2.0]
    files = exported([(mean, "direct", ""), (delta, "direct", "")], clock="local", layout="dataframe", step="1H")
    assert files["export.csv"].shape == (25, 2)
    assert files["export.csv"]["d [direct]"].sum() == 25


CASE = Case("export-of-the-repeated-hour")
RIGHT = pd.read_csv(CASE.path / "expected.csv")
PUSHED = pd.read_csv(CASE.path / "points.csv", parse_dates=["time"])
VIENNA = PUSHED["time"].astype("datetime64[us, UTC]").astype("int64").to_numpy()


@pytest.mark.pairs
@pytest.mark.parametrize("cells", [1_000_000, 3])
@pytest.mark.parametrize("request_", [{}, {"layout": "dataframe", "step": "30T"}, {"layout": "dataframe"}])
def test_the_repeated_hour_is_exported_twice(
    database: Database, tmp_path: Path, request_: dict[str, Any], cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "CELLS", cells)
    values = PUSHED["value"].to_numpy()
    with database.write() as session:
        load = make(
            session, name="load", times=VIENNA, values=values, clock="local", timezone="Europe/Vienna", step="30T"
        )
    for options in ({}, {"offsets": True}, {"time_grouper": "1D"}):
        lines: list[list[str]] = []
        with database.read() as session:
            export(session, [(load, "direct", "")], ExportRequest(**request_, **options), tmp_path / "x.zip")
        with zipfile.ZipFile(tmp_path / "x.zip") as archive:
            for name in archive.namelist():
                lines += [line.split(",") for line in archive.read(name).decode().splitlines()[1:]]
        assert [line[0] for line in lines] == RIGHT["with_offset" if "offsets" in options else "wall"].tolist()
        assert [float(line[1]) for line in lines] == RIGHT["value"].tolist()


@pytest.mark.parametrize("cells", [1_000_000, 7])
def test_every_point_is_exported_though_series_are_on_several_clocks(
    database: Database, exported: Exported, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "CELLS", cells)
    with database.write() as session:
        sources = [
            (make(session, name, VIENNA, np.arange(16.0), clock=clock, timezone=zone), "direct", "")
            for name, clock, zone in (
                ("a", "local", "Europe/Vienna"), ("b", "utc", None), ("c", "local", "Europe/Paris"), ("d", None, None)
            )
        ]  # fmt: skip
    both = {"layout": "dataframe", "in_start_mode": "left", "in_end_mode": "right"}
    frame = exported(sources, **both)["export.csv"]
    assert frame.count().tolist() == [16] * 4
    assert frame.index.is_monotonic_increasing
    twice = frame.loc["2022-10-30 02:00":"2022-10-30 02:59"]
    assert twice["a [direct]"].tolist() == [5.0, 7.0, 6.0, 8.0]
    assert twice["b [direct]"].dropna().tolist() == [9.0, 10.0]
    with pytest.raises(InvalidInput) as raised:
        exporting.check_offsets([one for one, _, _ in sources], ExportRequest(layout="dataframe", offsets=True))
    assert list(raised.value.fields) == ["offsets"]


def test_a_byte_order_mark_by_option(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        series = make(session, "°C", np.arange(3) * HOUR, np.arange(3.0), clock="utc")
    for bom in (False, True):
        with database.read() as session:
            export(session, [(series, "direct", "")], ExportRequest(bom=bom), tmp_path / "x.zip")
        with zipfile.ZipFile(tmp_path / "x.zip") as archive:
            (content,) = map(archive.read, archive.namelist())
        assert content.startswith(b"\xef\xbb\xbftime," if bom else b"time,")
        assert content.count(b"\xef\xbb\xbf") == bom


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(rows=99, setting="export"), "export_max_rows"),
        (Budget(bytes=500, setting="export"), "export_max_bytes"),
        (Budget(seconds=0, setting="export"), "export_max_seconds"),
    ],
)
def test_an_export_has_an_end(database: Database, tmp_path: Path, budget: Budget, said: str) -> None:
    with database.write() as session:
        series = make(session, "x", np.arange(100) * HOUR, np.arange(100.0), clock="utc")
    with database.read() as session, pytest.raises(TooLarge, match=said):
        export(session, [(series, "direct", "")], ExportRequest(), tmp_path / "x.zip", budget=budget)


def test_pieces_follow_the_points_not_the_calendar(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stray stamp of 1970 does not put all else into one piece."""
    monkeypatch.setattr(table, "CELLS", 10_000)
    times = np.concatenate([[7_000_000], micros("2024-01-01") + np.arange(100_000) * 1_000_000])
    with database.write() as session:
        series = make(session, "x", times, np.zeros(times.size), clock="utc")
    sizes = []
    part = table.Column.part

    def watched(column: table.Column, *arguments: Any) -> Any:
        found = part(column, *arguments)
        sizes.append(found[0].size)
        return found

    monkeypatch.setattr(table.Column, "part", watched)
    with database.read() as session:
        export(session, [(series, "direct", "")], ExportRequest(), tmp_path / "x.zip")
    assert sum(sizes) == 2 * times.size
    assert max(sizes) < 40_000


def test_an_export_stops_between_two_pieces(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "CELLS", 1000)
    times = np.arange(300_000) * 1_000_000
    with database.write() as session:
        series = make(session, "x", times, np.zeros(times.size), clock="utc")
    read = 0
    part = table.Column.part

    class Cancelled(Exception):
        pass

    def stop() -> None:
        if read > 3:
            raise Cancelled

    def watched(*arguments: Any) -> Any:
        nonlocal read
        read += 1
        return part(*arguments)

    monkeypatch.setattr(table.Column, "part", watched)
    for request in (ExportRequest(), ExportRequest(step="1min")):
        read = 0
        with database.read() as session, pytest.raises(Cancelled):
            export(session, [(series, "direct", "")], request, tmp_path / "x.zip", budget=Budget(stop=stop))
        assert read == 4
