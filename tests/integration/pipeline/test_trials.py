"""Scripts that are tried before they count: told column by column, and nothing is written."""

import base64
import os
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from entrepot import jobs
from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import Principal, Role
from entrepot.pipeline.models import ImportedFile
from entrepot.pipeline.runs import trials
from entrepot.series.models import Series

from .conftest import CSV_SCRIPT, World, hours

ANALYZE = "def analyze(df, **tools):\n    return df.rename(columns={'p': 'out'}) * 2\n"


@pytest.fixture
def database_kind() -> str:
    """What a script makes has nothing to do with the database."""
    return "sqlite"


@pytest.fixture(autouse=True)
def handlers() -> None:
    jobs.load(["entrepot.pipeline.runs.trials"])


def trial(world: World, **fields: Any) -> dict[str, Any]:
    fields = {"importer_id": world.importer, **fields}
    with world.database.write() as session:
        job = trials.start_importer_trial(session, world.principal, world.settings, **fields)
    done = next(each for each in world.work() if each.id == job.id)
    assert done.status == "finished", done.error
    (found,) = done.result["files"]
    return dict(found)


def sent(content: str) -> list[dict[str, str]]:
    return [{"path": "sent/a.csv", "content": base64.b64encode(content.encode()).decode()}]


def count(world: World) -> tuple[int, int]:
    with world.database.read() as session:
        return session.query(Series).count(), session.query(ImportedFile).count()


def test_a_file_of_the_gate_is_told_column_by_column_and_nothing_is_written(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    world.act(world.importer)
    frame = hours("2024-02-01", 6, p=2, q=3).drop(pd.Timestamp("2024-02-01 03:00"))
    frame.iloc[1, 0] = np.nan
    world.put("b.csv", pd.concat([frame, frame.iloc[-1:]]))
    before = count(world)
    told = trial(world, paths=["b.csv"])
    assert (told["rows"], told["duplicates"], told["gaps"], told["step_seconds"]) == (6, 1, 1, 3600)
    assert (told["first"], told["last"], told["zone"]) == ("2024-02-01T00:00:00", "2024-02-01T05:00:00", None)
    assert told["first_rows"][0] == ["2024-02-01 00:00", "2.0", "3"]
    p, q = told["columns"]
    assert (p["name"], p["type"], p["count"], p["empty"], p["new_series"], p["refused"]) == (
        "p", "float", 5, 1, False, None,
    )  # fmt: skip
    assert (q["min"], q["max"], q["new_series"]) == (3.0, 3.0, True)
    assert count(world) == before
    assert world.act(world.importer).result["read"] == 1


def test_a_file_that_is_sent_along_is_told_of_and_gone(world: World) -> None:
    text = "time,p,Note\n2024-01-01 00:00,1,ok\n2024-01-01 01:00,x,\n"
    told = trial(world, files=sent(text), script=CSV_SCRIPT)
    p, note = told["columns"]
    assert p["refused"].startswith("column 'p': 'x' at 2024-01-01 01:00 (line 3) is no number")
    assert "'ok'" in note["refused"]
    assert list((world.settings.data_dir / "trials").iterdir()) == []


def test_files_of_a_trial_stay_until_it_has_ended_whatever_the_clock_says(world: World) -> None:
    folder = world.settings.data_dir / "trials"

    def start() -> str:
        with world.database.write() as session:
            return trials.start_importer_trial(
                session,
                world.principal,
                world.settings,
                importer_id=world.importer,
                files=sent("time,p\n2024-01-01,1\n"),
            ).id

    first = start()
    os.utime(folder / first / "0", (0, 0))  # the clock leapt ahead
    os.utime(folder / first, (0, 0))
    second, cancelled = start(), start()
    with world.database.write() as session:
        jobs.cancel(session, cancelled)
    (folder / "of a request that was undone").mkdir()
    last = start()
    assert {path.name for path in folder.iterdir()} == {first, second, last}
    ended = {job.id: job for job in world.work()}
    for each in (first, second, last):
        (told,) = ended[each].result["files"]
        assert (told["rows"], told["error"]) == (1, None)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "body", "where", "said"),
    [
        ("time;p\n1;2\n", "pd.read_csv(content_bytes, index_col=0)", "refused", "no column"),
        ("time,p\n1,2\n", "pd.read_csv(content_bytes)", "refused", "index_col='time'"),
        ("time,p\n1,2\n", "7", "refused", "not an int"),
        ("time,p\n1,2\n", "pd.read_csv(content_bytes).iloc[:0]", "refused", "made no row"),
        ("time,p\n1,2\n", "1 / 0", "error", "ZeroDivisionError"),
        ("", "None", "error", "0 bytes"),
    ],
)
def test_what_a_run_would_refuse_is_said(world: World, content: str, body: str, where: str, said: str) -> None:
    script = f"import pandas as pd\ndef parse(content_bytes, rel_path, **tools):\n    return {body}\n"
    assert said in str(trial(world, files=sent(content), script=script)[where])


def test_a_file_that_a_script_passes_over_is_told_apart_from_a_forgotten_return(world: World) -> None:
    passes = "def parse(content_bytes, rel_path, **tools):\n    return None\n"
    told = trial(world, files=sent("x"), script=passes)
    assert (told["passed_over"], told["error"]) == (True, None)
    assert "return df" in trial(world, files=sent("x"), script=passes.replace("return None", "pass"))["error"]


def test_an_analysis_script_is_tried_on_a_window(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 48, p=2))
    world.act(world.importer)
    world.channel("p", step="1H", clock="utc", timezone="UTC")
    world.work()
    analysis = world.analysis(
        "twice", {"p": (world.cleaner, "p-cleaned")}, ["out"], input_step="1H", step="1H", clock="utc",
        timezone="UTC", script=ANALYZE,
    )  # fmt: skip

    def tried(**fields: Any) -> jobs.Job:
        with world.database.write() as session:
            job = trials.start_analysis_trial(session, world.principal, analysis, **fields)
        return next(each for each in world.work() if each.id == job.id)

    start, end = (int(datetime(2024, 1, 1, hour, tzinfo=UTC).timestamp() * 1e6) for hour in (6, 12))
    told = tried(start=start, end=end).result
    assert (told["window"], told["rows_in"]) == (["2024-01-01T06:00:00Z", "2024-01-01T12:00:00Z"], 6)
    (out,) = told["columns"]
    assert (out["name"], out["count"], out["min"], out["new_series"], told["refused"]) == ("out", 6, 4.0, True, [])
    wrong = tried(script="def analyze(df, **tools):\n    return df\n").result
    assert wrong["refused"] == ["the script returned no column out"]
    assert wrong["rows_in"] > 40
    assert tried(start=end * 2).status == "refused"
    assert world.series(analysis) == {}


def test_who_may_not_write_tries_nothing(world: World) -> None:
    reader = Principal(
        world.principal.user_id, "r", world.principal.organization_id, {world.principal.organization_id: Role.READER}
    )
    stranger = Principal("x", "x", "other", {"other": Role.ADMIN})
    with world.database.write() as session:
        for who in (reader, stranger):
            with pytest.raises(Exception, match=r"right|not found|may not|allowed") as caught:
                trials.start_importer_trial(session, who, world.settings, importer_id=world.importer, paths=["a.csv"])
            assert getattr(caught.value, "status", 0) in (403, 404)
        with pytest.raises(NotFound):
            trials.start_importer_trial(
                session, stranger, world.settings, project_id=world.project, files=sent("x"), script="x"
            )


@pytest.mark.parametrize("path", ["../../secret.key", "/etc/passwd", "nowhere.csv"])
def test_a_path_does_not_leave_the_gate(world: World, path: str) -> None:
    world.put("a.csv", "x")
    with world.database.write() as session, pytest.raises((InvalidInput, NotFound)):
        trials.start_importer_trial(session, world.principal, world.settings, importer_id=world.importer, paths=[path])


def test_what_is_asked_for_wrongly_is_named(world: World) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "importer_id"),
        ({"project_id": world.project}, "script"),
        ({"importer_id": world.importer}, "paths"),
        ({"importer_id": world.importer, "files": [{"path": "a", "content": "%"}]}, "files"),
        ({"project_id": world.project, "script": "x", "paths": ["a"]}, "gate_id"),
    ]
    for fields, name in wrong:
        with world.database.write() as session, pytest.raises(InvalidInput) as caught:
            trials.start_importer_trial(session, world.principal, world.settings, **fields)
        assert name in caught.value.fields
