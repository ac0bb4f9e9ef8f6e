"""The native points API: every format in and out, on both databases, and what it refuses."""

import dataclasses
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.identity import ApiKey, Role, keys, users
from entrepot.identity.models import Project
from entrepot.jobs.models import Job
from entrepot.series import paging, store
from entrepot.series.models import Series
from entrepot.server.api import point_formats, points
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

ARROW = point_formats.ARROW
START = datetime(2024, 3, 30, tzinfo=UTC)
T0 = int(START.timestamp()) * 1_000_000
HOUR = 3_600_000_000
LIMIT = 200_000


@dataclass
class Api:
    """An application with two organizations; the client is a writer of the first one."""

    client: TestClient
    database: Database
    ids: dict[str, str]
    pks: dict[str, int]
    project: str
    tokens: dict[str, str]
    keys: dict[str, str]

    def write(self, content: Any, **options: Any) -> httpx.Response:
        return self.client.post("/api/v1/points", json=content, **options)

    def send(self, body: bytes, kind: str) -> httpx.Response:
        return self.client.post("/api/v1/points", content=body, headers={"content-type": kind})

    def arrow(self, series: Any, time: Any, value: Any) -> httpx.Response:
        return self.send(as_arrow(pa.table({"series": series, "time": time, "value": value})), ARROW)

    def read(self, name: str, **query: Any) -> httpx.Response:
        return self.client.get(f"/api/v1/series/{self.ids.get(name, name)}/points", params=query)

    def points(self, name: str, **query: Any) -> dict[int, float]:
        answer = self.read(name, **query)
        assert answer.status_code == 200, answer.text
        content = answer.json()
        return dict(zip(content["time"], content["value"], strict=True))

    def stored(self) -> dict[str, dict[int, float]]:
        with self.database.read() as session:
            found = store.read_many(session, list(self.pks.values()))
        return {
            name: dict(zip(found[pk].times.tolist(), found[pk].values.tolist(), strict=True))
            for name, pk in self.pks.items()
        }


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Iterator[Api]:
    ids, pks, tokens, key_ids = {}, {}, {}, {}
    with database.write() as session:
        own, other = (users.create_organization(session, name) for name in ("own", "other"))
        for login, organization, role in (("writer", own, Role.WRITER), ("reader", own, Role.READER)):
            user, _ = users.create_user(session, login)
            users.set_member(session, user, organization, role)
            key, tokens[login] = keys.create_key(session, user.id, organization.id)
            key_ids[login] = key.id
        projects = [Project(organization_id=organization.id, name="p") for organization in (own, other)]
        session.add_all(projects)
        session.flush()
        for name, project, kind in (
            ("a", projects[0], "direct"), ("b", projects[0], "direct"), ("c", projects[0], "direct"),
            ("made", projects[0], "importer"), ("foreign", projects[1], "direct"),
        ):  # fmt: skip
            row = store.create_series(
                session,
                organization_id=project.organization_id,
                project_id=project.id,
                generator_kind=kind,
                generator_id=None if kind == "direct" else "0" * 36,
                name=name,
            )
            ids[name], pks[name] = row.id, row.number
        store.append(session, pks["foreign"], [T0], [1.0])
        project_id = projects[0].id
    settings = Settings(data_dir=tmp_path, max_body_bytes=LIMIT)
    app = create_app(Services(settings, database))
    client = TestClient(app, headers={"authorization": f"Token {tokens['writer']}"}, raise_server_exceptions=False)
    yield Api(client, database, ids, pks, project_id, tokens, key_ids)
    client.close()


def as_arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches():
            writer.write_batch(batch)
    return sink.getvalue()


def table_of(answer: httpx.Response) -> pa.Table:
    assert answer.status_code == 200, answer.text
    return pa.ipc.open_stream(answer.content).read_all()


def refused(answer: httpx.Response, field: str | None, status: int | None = None) -> None:
    assert answer.status_code == (status or (400 if field is None else 422)), answer.text
    content = answer.json()
    assert set(content) <= {"type", "title", "status", "detail", "instance", "fields"}
    if field is not None:
        assert list(content["fields"]) == [field], content
        assert all(content["fields"].values())


# -- in ---------------------------------------------------------------------------------------------------------------


def test_json_in_every_spelling_of_time(api: Api) -> None:
    for number, times in enumerate(
        (
            [T0, T0 + HOUR],
            ["2024-03-30T00:00:00Z", "2024-03-30T01:00:00Z"],
            ["2024-03-30T00:00:00", "2024-03-30 01:00"],
            ["2024-03-30T01:00:00+01:00", "2024-03-30T03:00:00+02:00"],
            ["2024-03-30T00:00:00.000000Z", "2024-03-30T01:00:00.000000Z"],
        )
    ):
        answer = api.write({api.ids["a"]: {"time": times, "value": [number, number + 0.5]}})
        assert answer.json() == {"added": 0 if number else 2, "replaced": 2 if number else 0, "unchanged": 0}, times
        assert api.points("a") == {T0: number, T0 + HOUR: number + 0.5}
    fractions = ["2024-03-30T00:00:00.25Z", "2024-03-30T00:00:00.000001Z"]
    assert api.write({api.ids["b"]: {"time": fractions, "value": [1, 2]}}).status_code == 200
    assert api.points("b") == {T0 + 1: 2.0, T0 + 250_000: 1.0}


def test_last_write_of_a_time_wins_and_null_is_no_point(api: Api) -> None:
    series = api.ids["a"]
    assert api.write({series: {"time": [T0, T0 + 1, T0], "value": [1, 2, 3]}}).json()["added"] == 2
    again = api.write({series: {"time": [T0 + 1, T0, T0 + 2], "value": [None, 3, None]}})
    assert again.json() == {"added": 0, "replaced": 0, "unchanged": 1}
    assert api.points("a") == {T0: 3.0, T0 + 1: 2.0}
    assert api.write({series: {"time": [], "value": []}}).json() == {"added": 0, "replaced": 0, "unchanged": 0}
    assert api.write({}).json() == {"added": 0, "replaced": 0, "unchanged": 0}


def test_csv_in(api: Api) -> None:
    a, b = api.ids["a"], api.ids["b"]
    body = f"value,series,time\n1.5,{a},{T0}\n2,{b},{T0}\n,{a},{T0 + 1}\n-3e2,{a},{T0 + 2}\n"
    assert api.send(body.encode(), "text/csv; charset=utf-8").json()["added"] == 3
    assert api.points("a") == {T0: 1.5, T0 + 2: -300.0}
    assert api.points("b") == {T0: 2.0}
    body = f"series,time,value\n{a},2024-03-30T00:00:00Z,7\n{a},2024-03-30T01:00:00.5+01:00,8\n"
    assert api.send(body.encode(), "text/csv").json() == {"added": 1, "replaced": 1, "unchanged": 0}
    assert api.points("a") == {T0: 7.0, T0 + 2: -300.0, T0 + 500_000: 8.0}


def test_arrow_in_of_every_unit_and_zone(api: Api) -> None:
    cases = itertools.product(("s", "ms", "us", "ns"), (None, "UTC", "Europe/Paris"))
    for number, (unit, zone) in enumerate(cases):
        times = pa.array([START, START + timedelta(hours=1)], pa.timestamp(unit, zone or "UTC"))
        if zone is None:
            times = times.cast(pa.timestamp(unit))
        assert api.arrow([api.ids["a"]] * 2, times, [number, 2.0]).status_code == 200
        assert api.points("a") == {T0: number, T0 + HOUR: 2.0}, (unit, zone)


def test_arrow_in_however_the_series_are_spelled_and_mixed(api: Api) -> None:
    names = [api.ids[name] for name in "abab"]
    times, values = [T0, T0, T0 + 1, T0 + 1], [1.0, 2.0, 3.0, 4.0]
    expected = {"a": {T0: 1.0, T0 + 1: 3.0}, "b": {T0: 2.0, T0 + 1: 4.0}}
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 1]), pa.array([names[0], names[1], names[0]]))
    for column in (
        pa.array(names),
        pa.array(names, pa.large_string()),
        pa.array(names, pa.string_view()),
        pa.array(names).dictionary_encode(),
        pa.array(names[::-1]).dictionary_encode()[::-1],
        pa.chunked_array([pa.array(names[:1]).dictionary_encode(), pa.array(names[1:]).dictionary_encode()]),
        twice,
    ):
        table = pa.table({"series": column, "time": times, "value": values})
        if column.type == pa.string_view() or not isinstance(column, pa.ChunkedArray):
            body = as_arrow(table)
        else:  # each batch comes with a dictionary of its own
            body = as_arrow(pa.Table.from_batches(table.to_batches()))
        assert api.send(body, ARROW).status_code == 200, column.type
        found = api.stored()
        assert {name: found[name] for name in "ab"} == expected, column.type
        with api.database.write() as session:
            for name in "ab":
                store.delete_after(session, api.pks[name], T0)


def test_arrow_in_takes_numbers_of_every_type(api: Api) -> None:
    for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.decimal128(5, 2), pa.float64()):
        answer = api.arrow([api.ids["a"]] * 2, [T0, T0 + 1], pa.array([4, None], kind))
        assert answer.status_code == 200, answer.text
        assert api.points("a") == {T0: 4.0}
    nothing = api.arrow([api.ids["b"]], pa.array([T0], pa.int64()), pa.array([None], pa.null()))
    assert nothing.json() == {"added": 0, "replaced": 0, "unchanged": 0}


def test_long_and_short_writes_meet(api: Api) -> None:
    """Whether points go through the tail or not, they can be read at once, and a fold is asked for once."""
    times = np.arange(3 * store.LONG, dtype=np.int64) * 60_000_000 + T0
    expected = dict(zip(times.tolist(), np.cos(times).tolist(), strict=True))
    for at, size in ((0, 1), (1, 5), (6, store.LONG), (6 + store.LONG, store.LONG - 1), (5 + 2 * store.LONG, 99)):
        part = times[at : at + size]
        content = {api.ids["a"]: {"time": part.tolist(), "value": np.cos(part).tolist()}}
        assert api.write(content).json()["added"] == size
        assert api.points("a") == dict(list(expected.items())[: at + size])
    with api.database.read() as session:
        assert session.query(Job).filter_by(kind="series.fold").count() == 1


# -- what is refused --------------------------------------------------------------------------------------------------


NO_POINTS: list[tuple[Any, str]] = [
    ([1, 2], ""),
    ({"time": [T0]}, ""),
    ({"time": [T0], "value": [1], "colour": ["x"]}, ""),
    ({"time": [T0], "value": [1], "tag": [1]}, ".tag"),
    ({"time": [T0], "value": [1], "tag": ["x", "y"]}, ".tag"),
    ({"time": [T0], "value": [1], "tag": ["x" * 256]}, ".tag"),
    ({"time": [T0], "value": [1], "tag": ["second pass"]}, ".tag"),
    ({"time": T0, "value": [1]}, ".time"),
    ({"time": [T0], "value": 1}, ".value"),
    ({"time": [T0, T0 + 1], "value": [1]}, ".value"),
    ({"time": [T0], "value": ["1"]}, ".value"),
    ({"time": [T0], "value": [True]}, ".value"),
    ({"time": [T0], "value": [[1]]}, ".value"),
    ({"time": [None], "value": [1]}, ".time"),
    ({"time": [True], "value": [1]}, ".time"),
    ({"time": [1.5], "value": [1]}, ".time"),
    ({"time": [T0, "2024-01-01"], "value": [1, 1]}, ".time"),
    ({"time": ["soon"], "value": [1]}, ".time"),
    ({"time": ["01/02/2024"], "value": [1]}, ".time"),
    ({"time": ["2024-02-30T00:00:00Z"], "value": [1]}, ".time"),
    ({"time": [2**63], "value": [1]}, ".time"),
]


def test_json_that_is_no_points_is_refused_and_named(api: Api) -> None:
    for part, field in NO_POINTS:
        answer = api.write({api.ids["b"]: {"time": [T0], "value": [1.0]}, api.ids["a"]: part})
        refused(answer, f"{api.ids['a']}{field}")
    assert api.points("b") == {}


def test_times_and_values_out_of_bounds_are_refused(api: Api) -> None:
    refused(api.write({api.ids["a"]: {"time": [2**62], "value": [1]}}), "times")
    refused(api.arrow([api.ids["a"]], [T0], [np.inf]), "values")
    refused(api.send(f"series,time,value\n{api.ids['a']},{T0},-inf\n".encode(), "text/csv"), "values")
    assert api.arrow([api.ids["a"]], [T0], [np.nan]).json()["added"] == 0
    assert api.points("a") == {}


def test_tables_with_wrong_columns_are_refused_and_named(api: Api) -> None:
    a = api.ids["a"]
    one = {"series": [a], "time": [T0], "value": [1.0]}
    for change, field in (
        ({"value": None}, "value"),
        ({"time": None, "value": None}, "time, value"),
        ({"extra": [1]}, "extra"),
        ({"series": [1]}, "series"),
        ({"series": pa.array([None], pa.string())}, "series"),
        ({"series": pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([None], pa.string()))}, "series"),
        ({"series": pa.DictionaryArray.from_arrays(pa.array([None], pa.int32()), pa.array([a]))}, "series"),
        ({"time": [1.5]}, "time"),
        ({"time": pa.array([None], pa.int64())}, "time"),
        ({"time": pa.array([2**64 - 1], pa.uint64())}, "time"),
        ({"time": ["yesterday"]}, "time"),
        ({"time": [True]}, "time"),
        ({"value": ["1.5"]}, "value"),
        ({"value": [True]}, "value"),
        ({"value": [[1.0]]}, "value"),
    ):
        columns = {name: column for name, column in {**one, **change}.items() if column is not None}
        refused(api.send(as_arrow(pa.table(columns)), ARROW), field)
    doubled = pa.Table.from_arrays([pa.array([a]), pa.array([T0]), pa.array([1.0])] * 2, names=[*one, *one])
    refused(api.send(as_arrow(doubled), ARROW), "columns")
    refused(api.send(f"series,time\n{a},{T0}\n".encode(), "text/csv"), "value")
    refused(api.send(f"series,time,value\n{a},,1\n".encode(), "text/csv"), "time")
    assert api.points("a") == {}


def test_bodies_that_are_not_what_they_say_are_refused(api: Api) -> None:
    whole = as_arrow(pa.table({"series": [api.ids["a"]] * 99, "time": list(range(99)), "value": [1.0] * 99}))
    for kind in ("application/json", "text/csv", ARROW):
        for body in (b"", b"\xff\xfe\x00", b"{", b"[1]", whole[:-300]):
            answer = api.send(body, kind)
            assert answer.status_code in (400, 422), (kind, body, answer.text)
    assert api.points("a") == {}


def test_other_content_types_are_refused(api: Api) -> None:
    refused(api.send(b"x", "application/xml"), "content-type")


def test_huge_bodies_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "_MOST", 2)
    refused(api.write({name: {"time": [], "value": []} for name in "xyz"}), "series")
    body = b" " * (LIMIT + 1)
    refused(api.send(body, "application/json"), None, 413)
    chunked = api.client.post("/api/v1/points", content=iter([body[:LIMIT], b"  "]))
    refused(chunked, None, 413)


def test_unknown_and_foreign_series_do_not_exist(api: Api) -> None:
    good = {"time": [T0 + 1], "value": [1.0]}
    for strange in (api.ids["foreign"], "nothing", "x" * 5000, str(api.pks["a"])):
        refused(api.write({api.ids["a"]: good, strange: good}), None, 404)
        if len(strange) < 100:
            refused(api.read(strange), None, 404)
            refused(api.client.get("/api/v1/points", params={"series": [api.ids["a"], strange]}), None, 404)
    assert api.stored() == {"a": {}, "b": {}, "c": {}, "made": {}, "foreign": {T0: 1.0}}


def test_generated_and_locked_series_are_refused_and_nothing_of_the_request_is_kept(api: Api) -> None:
    good = {"time": [T0], "value": [1.0]}
    refused(api.write({api.ids["a"]: good, api.ids["made"]: good}), None, 409)
    with api.database.write() as session:
        session.get_one(Series, api.pks["b"]).locked = True
    answer = api.write({api.ids["a"]: good, api.ids["b"]: good})
    refused(answer, None, 409)
    assert answer.json()["type"] == "/docs#problem-locked"
    refused(api.write({api.ids["a"]: good, api.ids["c"]: {"time": [2**62], "value": [1]}}), "times")
    assert api.stored() == {"a": {}, "b": {}, "c": {}, "made": {}, "foreign": {T0: 1.0}}


def test_readers_read_and_a_revoked_key_ends_at_once(api: Api) -> None:
    good = {api.ids["a"]: {"time": [T0], "value": [1.0]}}
    reader = {"authorization": f"Token {api.tokens['reader']}"}
    refused(api.write(good, headers=reader), None, 403)
    assert api.write(good).status_code == 200
    path = f"/api/v1/series/{api.ids['a']}/points"
    assert api.client.get(path, headers=reader).json()["value"] == [1.0]
    with api.database.write() as session:
        keys.revoke_key(session, session.get_one(ApiKey, api.keys["reader"]))
    refused(api.client.get(path, headers=reader), None, 401)
    refused(api.client.get(path, headers={"authorization": ""}), None, 401)
    refused(api.client.post("/api/v1/points", json=good, headers={"authorization": "Token nonsense"}), None, 401)


# -- out --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(api: Api) -> Api:
    """Ten minutes over three days, with Paris' change of time on the second one; in the tail and in chunks."""
    times = np.arange(3 * 144, dtype=np.int64) * (HOUR // 6) + T0
    for part in (times[: store.LONG], times[store.LONG :]):
        assert api.write({api.ids["a"]: {"time": part.tolist(), "value": _wave(part).tolist()}}).status_code == 200
    return api


def _wave(times: Any) -> Any:
    return np.round(20 + 5 * np.sin(times / HOUR), 3)


def test_one_series_out_in_every_format(filled: Api) -> None:
    points = filled.points("a")
    times, values = list(points), list(points.values())
    assert len(times) == 432
    assert values == _wave(np.array(times)).tolist()
    arrow = table_of(filled.read("a", format="arrow"))
    assert arrow.schema == pa.schema([("time", pa.timestamp("us", "UTC")), ("value", pa.float64())])
    parquet = pq.read_table(io.BytesIO(filled.read("a", format="parquet").content))
    csv = pl.read_csv(filled.read("a", format="csv").content, try_parse_dates=True)
    for table in (arrow, parquet, csv.to_arrow()):
        assert table["time"].cast(pa.timestamp("us")).cast(pa.int64()).to_pylist() == times
        assert table["value"].to_pylist() == values
    for form, media in point_formats.MEDIA.items():
        accepted = filled.client.get(f"/api/v1/series/{filled.ids['a']}/points", headers={"accept": media})
        assert accepted.headers["content-type"].partition(";")[0] == media, form
        assert accepted.content == filled.read("a", format=form).content or form == "parquet"


def test_what_came_out_goes_in_again(filled: Api) -> None:
    before = filled.points("a")
    for form, kind in (("csv", "text/csv"), ("arrow", ARROW)):
        exported = filled.client.get("/api/v1/points", params={"project": filled.project, "format": form}).content
        with filled.database.write() as session:
            store.delete_after(session, filled.pks["a"], 0)
        assert filled.send(exported, kind).json()["added"] == len(before)
        assert filled.points("a") == before


def test_empty_series_have_their_columns(api: Api) -> None:
    assert api.read("a").json() == {"id": api.ids["a"], "name": "a", "time": [], "value": []}
    assert table_of(api.read("a", format="arrow")).num_rows == 0
    assert api.read("a", format="csv").text == "time,value\n"
    assert pq.read_table(io.BytesIO(api.read("a", format="parquet").content)).column_names == ["time", "value"]
    assert table_of(api.client.get("/api/v1/points", params={"series": api.ids["a"]})).num_rows == 0


def test_windows_and_limits(filled: Api) -> None:
    everything = list(filled.points("a").items())
    first, last = everything[10][0], everything[20][0]
    assert list(filled.points("a", **{"from": first, "to": last}).items()) == everything[10:20]
    iso = [datetime.fromtimestamp(time / 1e6, UTC).isoformat() for time in (first, last)]
    assert list(filled.points("a", **{"from": iso[0], "to": iso[1]}).items()) == everything[10:20]
    naive = iso[0].removesuffix("+00:00")
    assert list(filled.points("a", limit=3, **{"from": naive}).items()) == everything[10:13]
    assert list(filled.points("a", limit=7).items()) == everything[:7]
    assert filled.points("a", limit=0) == filled.points("a", **{"from": last, "to": first}) == {}
    assert filled.points("a", to=-(10**17)) == {}
    assert len(filled.points("a", to=10**17, **{"from": -(10**17)})) == len(everything)


@pytest.mark.parametrize("form", ["json", "arrow"])
def test_resampling_follows_the_zone(filled: Api, form: str) -> None:
    points = filled.points("a")
    frame = pl.DataFrame({"time": list(points), "value": list(points.values())})
    frame = frame.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("Europe/Paris"))
    for freq, every in (("1D", "1d"), ("1h", "1h"), ("H", "1h"), ("MS", "1mo")):
        expected = frame.group_by_dynamic("time", every=every).agg(pl.col("value").mean())
        answer = filled.read("a", step=freq, clock="Europe/Paris", format=form)
        if form == "json":
            times, values = answer.json()["time"], answer.json()["value"]
        else:
            table = table_of(answer)
            times, values = table["time"].cast(pa.int64()).to_pylist(), table["value"].to_pylist()
        assert times == expected["time"].dt.timestamp("us").to_list()
        assert np.allclose(values, expected["value"], rtol=1e-12)
    days = filled.points("a", step="1D", clock="Europe/Paris", aggregate="count")
    assert list(days.values()) == [138, 138, 144, 12]  # the second day had 23 hours
    assert list(filled.points("a", step="1D", aggregate="count").values()) == [144] * 3
    assert filled.points("a", step="1D", aggregate="max", limit=144) == {T0: max(list(points.values())[:144])}


BAD_QUESTIONS = [
    ({"step": "1fortnight"}, "step"),
    ({"step": ""}, "step"),
    ({"step": "0h"}, "step"),
    ({"step": "1h", "clock": "sundial"}, "clock"),
    ({"step": "1h", "clock": "Mars/Olympus"}, "clock"),
    ({"step": "1h", "clock": "../../etc/passwd"}, "clock"),
    ({"step": "1h", "timezone": "UTC"}, "timezone"),
    ({"step": "1h", "aggregate": "mode"}, "aggregate"),
    ({"step": "1h", "columns": "tag"}, "columns"),
    ({"columns": "completeness"}, "columns"),
    ({"columns": "colour"}, "columns"),
    ({"unit": "furlong per fortnight"}, "unit"),
    ({"from": "soon"}, "from"),
    ({"to": "2024-02-30"}, "to"),
    ({"to": "9" * 40}, "to"),
    ({"limit": "-1"}, "limit"),
    ({"limit": "many"}, "limit"),
    ({"limit": "\u0663"}, "limit"),
    ({"from": "\u0663"}, "from"),
    ({"from": "--5"}, "from"),
    ({"format": "xlsx"}, "format"),
]


def test_bad_questions_are_named(api: Api) -> None:
    for query, field in BAD_QUESTIONS:
        refused(api.read("a", **query), field)
        refused(api.client.get("/api/v1/points", params={"series": api.ids["a"], **query}), field)


def test_many_series_come_one_after_the_other(filled: Api) -> None:
    assert filled.write({filled.ids["c"]: {"time": [T0, T0 + 1], "value": [1, 2]}}).status_code == 200
    whole = filled.points("a")
    rows = [(filled.ids["a"], *point) for point in whole.items()]
    rows += [(filled.ids["c"], T0, 1.0), (filled.ids["c"], T0 + 1, 2.0)]
    for query in ({"project": filled.project}, {"series": [filled.ids[name] for name in "cba"]}):
        table = table_of(filled.client.get("/api/v1/points", params=query))
        assert table.column_names == ["series", "time", "value"]
        columns = [table["series"].to_pylist(), table["time"].cast(pa.int64()).to_pylist(), table["value"].to_pylist()]
        assert list(zip(*columns, strict=True)) == rows
        answer = filled.client.get("/api/v1/points", params={**query, "format": "csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        frame = pl.read_csv(answer.content, try_parse_dates=True).with_columns(pl.col("time").dt.timestamp("us"))
        assert frame.rows() == rows
    means = filled.client.get("/api/v1/points", params={"project": filled.project, "step": "1D", "aggregate": "count"})
    assert table_of(means)["value"].to_pylist() == [144.0, 144.0, 144.0, 2.0]
    ends = filled.client.get("/api/v1/points", params={"project": filled.project, "limit": 1})
    assert table_of(ends)["series"].to_pylist() == [filled.ids["a"], filled.ids["c"]]


def test_many_series_need_names_and_a_table(filled: Api) -> None:
    refused(filled.client.get("/api/v1/points"), "series")
    refused(filled.client.get("/api/v1/points", params={"series": filled.ids["a"], "format": "parquet"}), "format")
    refused(filled.client.get("/api/v1/points", params={"project": "nothing"}), None, 404)
    refused(filled.client.get("/api/v1/points", params={"series": []}), "series")


@pytest.fixture
def long(api: Api, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Points of series a that take several pages."""
    monkeypatch.setattr(paging, "PAGE", 700)
    times, values = T0 + np.arange(3001) * HOUR, np.random.default_rng(1).normal(size=3001)
    with api.database.write() as session:
        store.append(session, api.pks["a"], times, values)
    return times, values


def test_what_takes_many_pages_comes_as_one(api: Api, long: Any) -> None:
    times, values = long
    assert list(api.points("a").items()) == list(zip(times.tolist(), values.tolist(), strict=True))
    assert list(api.points("a", limit=1500)) == times[:1500].tolist()
    assert list(api.points("a", to=int(times[2000]), **{"from": int(times[5])})) == times[5:2000].tolist()
    for form in ("csv", "arrow", "parquet"):
        content = api.read("a", format=form).content
        table = {
            "csv": lambda body: pl.read_csv(body, try_parse_dates=True).to_arrow(),
            "arrow": lambda body: pa.ipc.open_stream(body).read_all(),
            "parquet": lambda body: pq.read_table(io.BytesIO(body)),
        }[form](content)
        assert table.column_names == ["time", "value"]
        assert table["value"].to_pylist() == values.tolist()
        assert table["time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist() == times.tolist()
    both = api.client.get("/api/v1/points", params={"series": [api.ids["a"], api.ids["b"]], "format": "arrow"})
    table = pa.ipc.open_stream(both.content).read_all()
    assert table["value"].to_pylist() == values.tolist()
    assert set(table["series"].to_pylist()) == {api.ids["a"]}


@pytest.mark.parametrize("query", [{"step": "1D"}, {"step": "1D", "clock": "Europe/Paris"}])
def test_means_of_many_pages_are_those_of_the_whole(
    api: Api, long: Any, query: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = api.points("a", **query)
    monkeypatch.setattr(paging, "PAGE", 1_000_000)
    assert api.points("a", **query) == found
    assert len(found) in (126, 127)


def test_a_read_has_an_end(api: Api, long: Any) -> None:
    services = api.client.app.state.services  # type: ignore[attr-defined]
    services_ = dataclasses.replace(services, settings=services.settings.model_copy(update={"read_max_rows": 3000}))
    api.client.app.state.services = services_  # type: ignore[attr-defined]
    assert api.read("a").status_code == 413
    assert "read_max_rows" in api.read("a").text
    with pytest.raises(ValueError, match=r"JSON|Expecting"):  # it breaks off, so that nobody takes it for whole
        api.read("a", **{"from": T0}).json()
    assert api.read("a", limit=2000).status_code == 200
