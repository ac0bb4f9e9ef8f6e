"""The SDK against a server: one suite, both faces."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import entrepot
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

INDEX = pd.date_range("2024-03-01", periods=144, freq="10min", tz="UTC")
FACTOR = 2.0


class Face:
    """A client of one of the two faces, as a test calls it."""

    def __init__(self, connect: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.port = self.done(connect())
        self.asked: list[str] = []
        client = self.port.connection._client

        def note(request: httpx.Request) -> None:
            self.asked.append(request.method)

        async def note_async(request: httpx.Request) -> None:
            note(request)

        client.event_hooks = {"request": [note_async if isinstance(client, httpx.AsyncClient) else note]}

    def done(self, value: Any) -> Any:
        return self._loop.run_until_complete(value) if inspect.isawaitable(value) else value

    def all(self, items: Any) -> list[Any]:
        async def collected() -> list[Any]:
            return [each async for each in items]

        return self._loop.run_until_complete(collected()) if hasattr(items, "__aiter__") else list(items)

    def written(self) -> int:
        """Return how many requests wrote since it was last asked."""
        count = sum(method != "GET" for method in self.asked)
        self.asked.clear()
        return count


@pytest.fixture(scope="module")
def server(
    make_server: Callable[..., ServerProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    with make_server("sqlite", tmp_path_factory.mktemp("faces") / "data") as server:
        yield server


@pytest.fixture(params=["connect", "connect_async"])
def face(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Face]:
    loop = asyncio.new_event_loop()
    face = Face(lambda: getattr(entrepot, request.param)(server.url, server.token), loop)
    yield face
    face.done(face.port.close())
    loop.close()


@pytest.fixture
def project(face: Face, request: pytest.FixtureRequest) -> Any:
    return face.done(face.port.projects.create(request.node.name))


def parse(content: Any, path: str, **tools: Any) -> pd.DataFrame:
    return pd.read_csv(content, index_col=0, parse_dates=True)


def rows(frame: pd.DataFrame, **tools: Any) -> Iterator[dict[str, Any]]:
    means = (frame["wind"] * FACTOR).groupby(pd.DatetimeIndex(frame.index).hour).mean()
    yield {"name": "T1", "hour": (means.index, ""), "wind": (means, "m/s")}


def test_files_become_series_and_rows_and_a_second_time_does_nothing(face: Face, project: Any, tmp_path: Path) -> None:
    (tmp_path / "T1").mkdir()
    pd.DataFrame({"raw": np.arange(144.0)}, INDEX.rename("t")).to_csv(tmp_path / "T1" / "day.csv")
    done, name = face.done, project.name

    def made() -> tuple[Any, ...]:
        site = done(project.sites.ensure(name, description="hill"))
        done(site.locations.ensure("T1", northing=48.5, easting=5.5))
        gate = done(project.gates.ensure("scada", quarantine=True))
        importer = done(gate.importers.ensure("scada", parse=parse))
        done(importer.channels.ensure("raw", name="wind", unit="m/s", kind="mean", clock="UTC"))
        sets = done(project.result_sets.ensure(name, site=site, model="as-built", description="of hours"))
        given = {"inputs": importer.channels, "rows": rows, "into": sets}
        return gate, importer, sets, done(project.analyses.ensure("By hour", **given))

    made()
    assert face.written() > 8
    gate, importer, sets, analysis = made()
    assert face.written() == 0
    told: list[tuple[int, int | None]] = []
    assert done(gate.upload(tmp_path, progress=lambda *how_far: told.append(how_far))) == 1
    size = (tmp_path / "T1" / "day.csv").stat().st_size
    assert told == [(size, size)]
    run = done(analysis.run(upstream=True))
    assert (run.status, run.of["name"], done(run.log())) == ("finished", "By hour", "")
    assert repr(run) == "Run('analysis By hour', finished)"
    wind = done(project.series["wind"])
    assert done(wind.read()).tolist() == [6 * hour + 2.5 for hour in range(1, 23)]
    (row,) = face.all(sets.rows)
    explained = done(row.explain())
    assert [(file.path, len(file.sha256)) for file in explained.files] == [("T1/day.csv", 64)]
    assert [file["path"] for file in face.all(importer.files())] == ["T1/day.csv"]
    done(sets.plot(unit="km/h").save(tmp_path / "rows.png"))
    done(wind.plot("2024-03-01").save(tmp_path / "wind.html"))
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (tmp_path / "wind.html").read_text()
    (tried,) = done(importer.try_script(files={"T1/x.csv": b"t,raw\n2024-03-02T00:00Z,oops\n"}))
    assert "oops" in tried["columns"][0]["refused"]
    changed = done(project.result_sets.ensure(name, site=name, model="as-built", description="of the hours"))
    assert (changed.id, changed.description) == (sets.id, "of the hours")


def test_points_go_in_and_come_out_as_every_kind_of_frame(face: Face, project: Any) -> None:
    values = pd.Series(np.arange(144.0), INDEX.rename("time"), name="v")
    table = pa.table({"time": pa.array(INDEX.to_pydatetime()), "value": values.to_numpy()})
    frame = values.rename("value").reset_index()
    series = face.done(project.series.create("v", unit="m/s"))
    for given in (values, values.tz_convert("Asia/Tokyo"), values.tz_localize(None), frame, frame.set_index("time"),
                  table, pl.from_pandas(frame)):  # fmt: skip
        assert face.done(series.write(given))["added"] == 144, type(given)
        back = face.done(series.read())
        pd.testing.assert_series_equal(back, values, check_freq=False, check_index_type=False)
        assert face.done(series.delete_points("2024-03-01", "2024-03-02")) == 144
    for wrong in ([1.0], pd.Series([1.0]), frame[["time"]]):
        with pytest.raises(TypeError):
            face.done(series.write(wrong))
    face.done(series.write(values))
    assert face.done(series.read(frame="arrow", limit=2)).column_names == ["time", "value"]
    polars = face.done(series.read("2024-03-01", step="1 day", frame="polars"))
    assert polars.rows() == [(INDEX[0].to_pydatetime(), 71.5)]
    in_tokyo = face.done(series.read("2024-03-01", clock="Asia/Tokyo"))
    assert str(in_tokyo.index[-1]) == "2024-03-01 14:50:00+00:00"
    assert len(face.done(series.read("2024-03"))) == 144
    assert len(face.done(series.read("2024-03-01 23:00"))) == 6
    assert face.done(series.read("2024-04")).empty
    with pytest.raises(ValueError, match="no frame"):
        face.done(series.read(frame="dask"))


def test_results_are_locked_and_series_watched(face: Face, project: Any) -> None:
    series = face.done(project.series.create("v"))
    points = pd.Series([1.0], INDEX[:1])
    lock = face.done(series.lock("checked"))
    assert (lock["kind"], lock["why"], lock["of"]["name"]) == ("series", "checked", "v")
    with pytest.raises(entrepot.Conflict, match="locked"):
        face.done(series.write(points))
    face.done(series.unlock())
    assert face.done(series.write(points))["added"] == 1
    assert face.all(project.notifications) == []
    (importer,) = face.all(project.importers)
    for silent_for in ("6h", "2 days"):
        watch = face.done(project.watches.ensure(importer, series="v", silent_for=silent_for))
        assert (watch.name, watch.silent_for) == ("v", silent_for)
    assert len(face.all(project.watches)) == 1


def test_what_is_refused_is_said_in_the_servers_words(face: Face, project: Any) -> None:
    with pytest.raises(entrepot.Invalid) as caught:
        face.done(project.importers.create("", clock="Mars"))
    assert isinstance(caught.value, entrepot.Error)
    assert "name" in caught.value.fields
    gate = face.done(project.gates.create("scada"))
    late = face.done(project.gates["scada"])
    face.done(gate.change(description="first"))
    with pytest.raises(entrepot.Changed):
        face.done(late.change(description="second"))
    face.done(late.refresh())
    assert late.description == "first"
    with pytest.raises(KeyError, match="there is scada"):
        face.done(project.gates["scda"])
    assert face.done(project.gates.get("scda")) is None
    face.done(gate.delete())
    with pytest.raises(entrepot.NotFound):
        face.done(project.gates.by_id(gate.id))
    with pytest.raises(AttributeError, match="Gate has no colour"):
        _ = gate.colour
    assert repr(gate) == "Gate('scada')"
    assert "<td>first</td>" in late._repr_html_()
    assert "quota_files" in dir(gate)


def test_a_run_that_fails_is_an_error_that_has_the_run(face: Face, project: Any, tmp_path: Path) -> None:
    gate = face.done(project.gates.ensure("scada"))
    importer = face.done(gate.importers.ensure("scada", parse="def parse(content, path, **tools):\n    1 / 0\n"))
    (tmp_path / "a.csv").write_text("x")
    face.done(gate.upload(tmp_path / "a.csv", to="/deep/er"))
    with pytest.raises(entrepot.Failed, match=r"The run of importer scada failed: .*division by zero") as caught:
        face.done(importer.run())
    assert caught.value.job["status"] == "failed"


def test_the_caller_is_known_or_told_so(face: Face, server: ServerProcess) -> None:
    assert face.done(face.port.me())["organizations"]
    connect = entrepot.connect if not inspect.iscoroutinefunction(face.port.me) else entrepot.connect_async
    with pytest.raises(entrepot.Unauthenticated):
        face.done(connect(server.url, "nobody's"))
    with pytest.raises(entrepot.NoAnswer):
        face.done(connect("http://127.0.0.1:1", "anybody's"))


def test_an_async_block_closes_its_connection(server: ServerProcess) -> None:
    async def block() -> Any:
        async with entrepot.connect_async(server.url, server.token) as port:
            await port.me()
        return port

    port = asyncio.run(block())
    assert port.connection._client.is_closed
    with entrepot.connect(server.url, server.token) as synchronous:
        synchronous.me()
    assert synchronous.connection._client.is_closed


def test_works_are_deposited_withdrawn_reported_and_archived(face: Face, request: pytest.FixtureRequest) -> None:
    done, port, pipeline = face.done, face.port, "async" if "async" in request.node.name else "sync"
    work = {"pipeline": pipeline, "site": "local", "user": "ada", "parameters": {"turbine": "T1"}}
    (id_,) = done(port.works.deposit([work]))
    (taken,) = done(port.works.withdraw({"pipeline": pipeline}, lease_seconds=60))
    assert (taken["id"], taken["parameters"]) == (id_, {"turbine": "T1"})
    assert done(port.works.withdraw({"pipeline": pipeline})) == []
    ended = taken | {"status": "success", "stop": taken["start"] + 1, "results": {"factor": 0.5}}
    assert done(port.works.report([ended])) is True
    assert done(port.archive.deposit([ended])) == [id_]
    assert [
        one["id"] for one in face.all(port.archive.walk({"results.factor": {"$gt": 0.4}, "pipeline": pipeline}))
    ] == [id_]
    here = {"pipeline": pipeline}
    (standing,) = [one for one in done(port.works.board()) if one["pipeline"] == pipeline]
    assert (standing["success"], standing["ended_last_hour"]) == (1, 1)
    (waiting,) = done(port.works.deposit([work]))
    assert (done(port.works.cancel([waiting])), done(port.works.cancel([waiting]))) == (1, 0)
    assert [one["count"] for one in done(port.works.failures(here))] == [1]
    assert done(port.works.facets(here))["fields"]["pipeline"] == [{"value": pipeline, "count": 2}]
    assert done(port.works.retry([waiting])) == 1
    assert len(done(port.works.change("delete", here))) == 36
    eventually(lambda: done(port.works.count(here)) == 0)
    assert done(port.archive.count(here)) == 1


def test_parts_have_files(face: Face, tmp_path: Path) -> None:
    done, materials = face.done, face.port.parts("materials")
    steel = done(materials.ensure("Steel", density=7850))
    assert done(materials.ensure("Steel", density=7850)).id == steel.id
    (tmp_path / "sheet.txt").write_bytes(b"S355")
    done(steel.attach(tmp_path / "sheet.txt", "sheet"))
    assert done(steel.fetch(tmp_path / "fetched", "sheet")).read_bytes() == b"S355"
    done(steel.detach("sheet"))
    with pytest.raises(entrepot.NotFound):
        done(steel.fetch(tmp_path / "none", "sheet"))
    done(steel.delete())
    assert done(materials.get("Steel")) is None


def test_members_accounts_keys_and_plans(face: Face, project: Any, request: pytest.FixtureRequest) -> None:
    done, port = face.done, face.port
    member = done(port.members.create(request.node.name, role="reader"))
    done(member.change(role="writer"))
    assert (member.name, done(port.members[request.node.name]).role) == (request.node.name, "writer")
    done(member.delete())
    account = done(done(project.gates.create("scada")).account(password=True))
    assert set(account) == {"protocol", "host", "port", "login", "password"}
    key = done(port.keys.create("a"))
    assert done(port.keys.change(key["id"], "b"))["name"] == "b"
    file = done(project.export()) | {"gates": {}}
    told = done(project.plan(file))
    assert [(one["action"], one["kind"]) for one in told["changes"]] == [("removed", "gate")]
    assert done(project.apply(file))["changes"] == told["changes"]
    with pytest.raises(ValueError, match="not of"):
        done(project.plan({"project": "another"}))
