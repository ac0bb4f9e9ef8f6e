"""What runs and exports publish: one file each, whoever dies, with its lineage."""

import io
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select, update

from entrepot import jobs, lineage
from entrepot.db import now
from entrepot.errors import Forbidden, InvalidInput
from entrepot.files import storages
from entrepot.files.models import PublishedFile, Storage
from entrepot.jobs import Job, queue
from entrepot.pipeline.analyses import configuration as analyses
from entrepot.pipeline.generators import publication
from entrepot.pipeline.generators.finding import find_generator, series_by_name
from entrepot.pipeline.runs import exports

from .conftest import World, hours
from .test_analysis import activate, make

jobs.load(["entrepot.pipeline.runs.exports"])


def _set(world: World, analysis: str, **fields: Any) -> None:
    with world.database.write() as session:
        publication.set_publishing(session, world.principal, analysis, fields)


def _files(world: World) -> list[PublishedFile]:
    with world.database.read() as session:
        return list(session.scalars(select(PublishedFile).order_by(PublishedFile.number)))


def _content(world: World, file: PublishedFile) -> bytes:
    return (world.settings.files_dir / file.organization_id / file.path).read_bytes()


def _lose(world: World) -> None:
    """Take the job of a worker that died from it."""
    with world.database.write() as session:
        session.execute(update(Job).where(Job.status == "running").values(lease_until=now() - timedelta(seconds=1)))
        queue.recover(session)
        session.execute(update(Job).where(Job.status == "pending").values(ready_at=now()))


def test_each_run_of_an_analysis_publishes_what_it_computed(world: World) -> None:
    analysis = make(world)
    _set(world, analysis)
    activate(world, analysis)
    (file,) = _files(world)
    assert (file.identifier, file.type, file.project_id) == ("mean", "parquet", world.project)
    assert file.name == "mean 2024-01-01T03-00-00.parquet"
    table = pl.read_parquet(io.BytesIO(_content(world, file)))
    mean = world.series(analysis)["mean"]
    assert table["mean"].to_list() == mean.to_list()
    assert table["time"].dt.replace_time_zone(None).to_list() == [stamp.to_pydatetime() for stamp in mean.index]
    with world.database.read() as session:
        (run,) = lineage.explain(session, "file", file.id)
    assert run["generator"] == {"kind": "analysis", "id": analysis}
    assert {one["kind"] for one in run["inputs"]} == {"series"}
    assert world.report(analysis)["file"] == file.id
    world.act(analysis)
    assert len(_files(world)) == 1, "a run that computes nothing publishes nothing"
    _set(world, analysis, format="csv", identifier="weekly mean")
    world.put("2024-01-02.csv", hours("2024-01-02", 24, a=3, b=4))
    world.act(world.importer)
    second = _files(world)[1]
    assert (second.identifier, second.type) == ("weekly mean", "csv")
    lines = _content(world, second).decode().splitlines()
    assert lines[:2] == ["time,mean", "2024-01-01T21:00:00Z,1.5"]
    assert len(lines) == 9, "its own interval and nothing else"
    with world.database.write() as session:
        publication.set_publishing(session, world.principal, analysis, None)
    world.put("2024-01-03.csv", hours("2024-01-03", 24, a=3, b=4))
    world.act(world.importer)
    assert len(_files(world)) == 2


def test_a_worker_that_dies_leaves_no_second_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = make(world)
    _set(world, analysis)

    class Killed(BaseException):
        pass

    def die(*_arguments: Any, **_options: Any) -> None:
        raise Killed

    for target in ("entrepot.jobs.JobContext.finish", "entrepot.files.publish.Stored.record"):
        with monkeypatch.context() as patched:
            patched.setattr(target, die)
            with pytest.raises(Killed):
                world.act(analysis)
        assert _files(world) == []
        assert "mean" not in world.series(analysis), "the results and the file are one transaction"
        _lose(world)
    world.work()
    (file,) = _files(world)
    kept = [path for path in world.settings.files_dir.rglob("*") if path.is_file()]
    assert kept == [world.settings.files_dir / file.organization_id / file.path]


def test_a_storage_that_was_taken_away_fails_the_run_and_says_so(world: World, tmp_path: Path) -> None:
    analysis = make(world)
    settings = world.settings.model_copy(update={"file_local_roots": [tmp_path]})
    with world.database.write() as session:
        place = f"local://{tmp_path}/out"
        config = storages.create_storage(session, world.principal, settings, world.vault, url=place)
    _set(world, analysis, storage=config.id)
    with world.database.write() as session:
        session.execute(update(Storage).values(status="deactivated"))
    job = world.act(analysis)
    assert job.status == "failed"
    assert "cannot be published" in (job.error or "")
    assert "cannot be published" in world.report(analysis)["error"]
    for wrong in ({"format": "xlsx"}, {"nothing": "x"}, {"storage": "nothing"}, {"identifier": 3}):
        with pytest.raises(InvalidInput) as raised:
            _set(world, analysis, **wrong)
        assert set(raised.value.fields) == set(wrong)


def test_exports_publish_their_archive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = make(world)
    world.act(analysis)

    def start(publish: Any) -> str:
        with world.database.write() as session:
            generator = find_generator(session, analysis)
            assert generator is not None
            series = list(series_by_name(session, generator.id).values())
            return exports.start(session, world.principal, series, {}, publish).id

    job_id = start({"identifier": "weekly"})

    def die(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("entrepot.jobs.JobContext.finish", die)
        with pytest.raises(KeyboardInterrupt):
            world.work()
    assert _files(world) == []
    _lose(world)
    world.work()
    (file,) = _files(world)
    assert (file.identifier, file.type, file.project_id) == ("weekly", "zip", world.project)
    with zipfile.ZipFile(io.BytesIO(_content(world, file))) as archive:
        assert archive.namelist() == ["mean [analysis=mean].csv"]
    with world.database.read() as session:
        assert jobs.get(session, job_id).result["file"] == file.id
        (run,) = lineage.explain(session, "file", file.id)
        assert (run["run"], run["generator"]["kind"]) == (job_id, "export")
        (read,) = run["inputs"]
        assert read["made_by"][0]["generator"] == {"kind": "analysis", "id": analysis}
    for wrong in ("x", {"request": "nothing"}, {"nothing": "x"}, {"storage": "nothing"}):
        with pytest.raises(InvalidInput) as raised:
            start(wrong)
        assert set(raised.value.fields) == {"publish"}
    monkeypatch.setattr(world, "principal", world.principal.__class__("x", "x", world.principal.organization_id, {}))
    with pytest.raises(Forbidden):
        start({})


def test_outputs_may_be_called_as_the_column_of_times(world: World) -> None:
    script = "import pandas as pd\ndef analyze(df, **tools):\n    return pd.DataFrame({'time': df.sum(axis=1)})\n"
    analysis = make(world, script=script)
    with world.database.write() as session:
        (output,) = find_generator(session, analysis).outputs  # type: ignore[union-attr]
        analyses.update_output(session, world.principal, output.id, {"name": "time"})
    _set(world, analysis)
    world.act(analysis)
    (file,) = _files(world)
    assert pl.read_parquet(io.BytesIO(_content(world, file))).columns == ["time_utc", "time"]
