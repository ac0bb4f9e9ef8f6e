"""Which files an importer reads: every one that it has not, in order, and what it says of the others."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from entrepot import jobs, lineage
from entrepot.db import Database
from entrepot.events import notifications
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.importing import choice as file_choice
from entrepot.pipeline.importing import configuration as importers
from entrepot.pipeline.models import ImportedFile, Importer
from tests.support.cases import Case

from .conftest import CSV_SCRIPT, World, hours


def told(world: World) -> dict[str, str]:
    """Return the open notifications: their messages by name."""
    with world.database.read() as session:
        found = notifications.list_notifications(session, world.principal, project_id=world.project, resolved=False)
        return {one.name: one.message for one in found}


def points(world: World, generator: str) -> dict[str, dict[str, float]]:
    """Return series as the cases write them."""
    return {
        name: {f"{stamp:%Y-%m-%d %H:%M}": value for stamp, value in series.items()}
        for name, series in world.series(generator).items()
    }


def play(world: World, name: str) -> tuple[Case, list[jobs.Job]]:
    """Put the rounds of a case on the gate, one after the other, and run the importer after each."""
    case = Case(name)
    world.configure(parse=case.text("parse.py"))
    done = []
    for files in case.rounds():
        for path, content in files.items():
            world.put(path, content)
        done.append(world.act(world.importer))
    return case, done


# The cases


@pytest.mark.pairs
@pytest.mark.parametrize("name", ["folder-a-turbine", "numbers-in-names", "stray-file", "empty-file-between"])
def test_every_file_is_read_whatever_its_name(world: World, name: str) -> None:
    case, done = play(world, name)
    right = {
        series: {pd.Timestamp(at).strftime("%Y-%m-%d %H:%M"): value for at, value in values.items()}
        for series, values in case.points("raw").items()
    }
    assert {job.status for job in done} == {"finished"}
    assert points(world, world.importer) == right
    again = world.act(world.importer)
    assert (again.status, again.result["read"]) == ("finished", 0)


def test_an_empty_file_is_reported_and_read_once_it_has_something(world: World) -> None:
    _, (job,) = play(world, "empty-file-between")
    assert job.result["empty"] == ["2024-04-02.csv"]
    world.put("2024-04-02.csv", "time,p\n2024-04-02 00:00,1\n")
    job = world.act(world.importer)
    assert (job.result["empty"], [file["path"] for file in job.result["files"]]) == ([], ["2024-04-02.csv"])


@pytest.mark.pairs
@pytest.mark.parametrize(
    ("settings", "right"),
    [({}, "read_again"), ({"replaces": True}, "read_again_and_replaced"), ({"reads_changed": False}, "not_read_again")],
)
def test_a_corrected_file_is_read_again_or_told_of(world: World, settings: dict[str, Any], right: str) -> None:
    world.configure(**settings)
    case, (_, job) = play(world, "file-corrected")
    expected = case.json("expected.json")[right]
    count = expected.pop("changed_files_told_of", 0)
    assert points(world, world.importer) == expected
    assert (job.status, job.result["changed_unread"]) == ("finished", count)
    assert ("2024-03-01.csv" in told(world).get("Files changed", "")) == bool(count)
    with world.database.read() as session:
        assert file_choice.count_unread(session, [world.gate]).get(world.gate, 0) == count
    # It is told of until it is read.
    assert world.act(world.importer).result["changed_unread"] == count
    world.configure(reads_changed=True)
    assert world.act(world.importer).result["read"] == count
    assert told(world) == {}


def test_rows_without_a_column_are_no_success(world: World) -> None:
    case, (job,) = play(world, "wrong-separator")
    assert job.status == "failed"
    assert all(word in job.error for word in case.json("expected.json")["told"])
    assert "sep='\\t'" in job.error
    assert world.series(world.importer) == {}


def test_an_input_that_is_misspelt_is_named_and_leaves_no_run_behind(world: World) -> None:
    case, _ = play(world, "misspelt-input")
    for fields in case.channels():
        world.channel(**fields)
    world.work()
    inputs, outputs, settings = case.analysis()
    analysis = world.analysis(
        "factor",
        {column: (world.cleaner, series) for column, series in inputs.items()},
        outputs,
        script=case.text("analyze.py"),
        **settings,
    )
    job = world.act(analysis)
    assert job.status == "refused"
    assert "pwoer (there is power)" in job.error
    with world.database.read() as session:
        runs = session.query(lineage.Run).filter(lineage.Run.generator_id == analysis).all()
        assert [(run.status, run.report["error"]) for run in runs] == [("refused", job.error)]
    assert job.error in told(world)["Run failed"]


@pytest.mark.parametrize(
    ("name", "line", "advice"),
    [
        ("decimal-comma-in-one-cell", "(line 93) and 2 more are not numbers", ".str.replace(',', '.')"),
        ("midnight-as-24", "(line 25) is no date and time", "00:00 of the next day"),
    ],
)
def test_a_message_says_where_and_what_to_do(world: World, name: str, line: str, advice: str) -> None:
    case, (job,) = play(world, name)
    assert job.status == "failed"
    assert all(word in job.error for word in [*case.json("expected.json")["told"], line, advice]), job.error


# Which files, and in which order


def test_files_are_read_in_the_order_of_numbers_or_of_arrival(world: World) -> None:
    for number, name in enumerate(["log_100.csv", "log_9.csv", "log_10.csv"]):
        world.put(name, hours("2024-01-01", 1, p=number))
        at = 1_700_000_000 + number
        os.utime(world.gate_dir / name, (at, at))
    job = world.act(world.importer)
    assert [file["path"] for file in job.result["files"]] == ["log_9.csv", "log_10.csv", "log_100.csv"]
    world.configure(file_order="arrival")
    world.act(world.importer, "reset")
    assert [file["path"] for file in world.report(world.importer)["files"]] == [
        "log_100.csv", "log_9.csv", "log_10.csv",
    ]  # fmt: skip


def test_a_file_whose_time_alone_changed_is_not_read_again(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    world.act(world.importer)
    os.utime(world.gate_dir / "a.csv", (1_800_000_000, 1_800_000_000))
    job = world.act(world.importer)
    assert (job.result["read"], job.result["changed_unread"]) == (0, 0)
    with world.database.read() as session:
        (row,) = session.query(ImportedFile).all()
        assert row.modified_at == datetime.fromtimestamp(1_800_000_000, UTC)
        assert (row.rows, row.first) == (3, pd.Timestamp("2024-01-01").value // 1000)


def test_only_files_whose_size_or_time_changed_are_looked_into(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        world.put(f"{number}.csv", hours(f"2024-01-0{number + 1}", 2, p=1))
    world.configure(reads_changed=False)
    world.act(world.importer)
    world.put("3.csv", hours("2024-02-01", 2, p=1))
    seen = []
    real = gate_files.sha256_of
    monkeypatch.setattr(file_choice, "sha256_of", lambda home, path: (seen.append(path), real(home, path))[1])
    for _ in range(3):
        assert world.act(world.importer).result["changed"] == ["3.csv"]
    assert seen == ["3.csv"]


def test_a_known_file_is_found_among_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_choice, "_FEW", 2)
    monkeypatch.setattr(file_choice, "_AT_ONCE", 2)
    for number in range(5):
        world.put(f"{number}.csv", hours(f"2024-01-0{number + 1}", 2, p=1))
        assert world.act(world.importer).result["read"] == 1
    world.act(world.importer, "reset")
    assert world.report(world.importer)["read"] == 5


def test_what_only_the_old_version_of_a_file_brought_goes_and_what_others_brought_stays(world: World) -> None:
    world.configure(replaces=True)
    world.channel("p", step="1H", clock="utc", timezone="UTC")
    world.put("a.csv", hours("2024-01-01 00:00", 6, p=1, q=1))
    world.put("b.csv", hours("2024-01-01 04:00", 6, p=2))
    world.act(world.importer)
    world.put("a.csv", hours("2024-01-01 00:00", 2, p=3))
    job = world.act(world.importer)
    raw = world.series(world.importer)
    # 02:00 and 03:00 of p go, 04:00 and 05:00 are b's too; q had nothing else.
    assert [stamp.hour for stamp in raw["p"].index] == [0, 1, 4, 5, 6, 7, 8, 9]
    assert list(raw["p"]) == [3, 3, 2, 2, 2, 2, 2, 2]
    assert raw["q"].empty
    assert (job.result["deleted"], job.result["replaced"]) == (2 + 6, 2)
    assert [stamp.hour for stamp in world.series(world.cleaner)["p-cleaned"].index] == [1, 4, 5, 6, 7, 8]


# What the published client's settings say


@pytest.fixture
def theirs(world: World) -> World:
    """An importer as the published client makes it, with three files imported."""
    world.configure(reads_changed=False)
    for number in range(3):
        world.put(f"{number}.csv", hours(f"2024-01-0{number + 1}", 2, p=1))
    world.act(world.importer)
    return world


def read(world: World) -> list[str]:
    return [file["path"] for file in world.act(world.importer).result["files"]]


def test_the_last_file_is_read_again_where_it_is_to_be(theirs: World) -> None:
    theirs.configure(rereads_last=True)
    assert read(theirs) == ["2.csv"]
    theirs.put("1z.csv", hours("2024-02-01", 2, p=1))
    assert read(theirs) == ["1z.csv", "2.csv"]
    assert read(theirs) == ["2.csv"]


def test_changed_files_among_the_last_ones_are_read_again(theirs: World) -> None:
    theirs.configure(rereads=2)
    for number in range(2):
        theirs.put(f"{number}.csv", hours(f"2024-03-0{number + 1}", 2, p=1))
    job = theirs.act(theirs.importer)
    assert ([file["path"] for file in job.result["files"]], job.result["changed"]) == (["1.csv"], ["0.csv"])


def test_a_cursor_that_is_set_has_later_files_read_again_and_earlier_ones_passed(theirs: World) -> None:
    theirs.put("0z.csv", hours("2024-02-01", 2, p=1))
    theirs.configure(last_path="1.csv")
    assert read(theirs) == ["2.csv"]
    assert theirs.report(theirs.importer)["passed"] == ["0z.csv"]
    theirs.put("0y.csv", hours("2024-02-02", 2, p=1))
    assert read(theirs) == ["0y.csv"]
    theirs.configure(last_path=None)
    assert read(theirs) == ["0.csv", "0y.csv", "0z.csv", "1.csv", "2.csv"]


def test_what_an_old_cursor_had_passed_counts_as_imported(world: World) -> None:
    world.put("stray.csv", hours("2024-01-01", 2, p=1))
    with world.database.write() as session:
        importer = session.query(Importer).filter(Importer.id == world.importer).one()
        importer.last_path = importer.passed_path = "z.csv"
        importer.passed_at = datetime.now(UTC) + timedelta(hours=1)
    assert read(world) == []
    world.put("new.csv", hours("2024-01-01", 2, p=1))
    assert read(world) == ["new.csv"]


# A run that read nothing of what was there


def test_a_file_of_which_nothing_came_is_no_success(world: World) -> None:
    world.configure(parse=CSV_SCRIPT.replace("parse_dates=True)", "parse_dates=True).iloc[:0]"))
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    job = world.act(world.importer)
    assert job.status == "failed"
    assert job.error == "a.csv: nothing came of it: the script made no row of it."
    assert job.error in told(world)["Nothing read"]
    world.configure(parse=CSV_SCRIPT)
    world.act(world.importer)
    assert told(world) == {}


def test_cells_that_are_all_empty_are_told_of_beside_good_files(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    world.put("b.csv", hours("2024-01-02", 3, p=float("nan")))
    job = world.act(world.importer)
    assert job.status == "finished"
    assert job.result["nothing"] == [{"path": "b.csv", "why": "every cell of its 3 rows is empty"}]
    assert "b.csv" in told(world)["Nothing read"]


def test_a_forgotten_return_is_no_success(world: World) -> None:
    world.configure(parse="import pandas as pd\ndef parse(content_bytes, rel_path, **tools):\n    pd.DataFrame()\n")
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    job = world.act(world.importer)
    assert (job.status, "return df" in job.error) == ("failed", True)


def test_a_folder_that_is_missing_is_refused(world: World) -> None:
    world.configure(folder="/dta")
    job = world.act(world.importer)
    assert (job.status, job.error) == ("refused", "folder: the gate gate has no folder 'dta/'.")
    assert job.error in told(world)["Run failed"]
    world.put("dta/a.csv", hours("2024-01-01", 3, p=1))
    assert world.act(world.importer).status == "finished"
    assert told(world) == {}


def test_a_unit_cleaner_without_a_series_is_told_of_and_fails_the_run_that_was_asked_for(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 3, power=1))
    world.act(world.importer)
    world.channel("pwoer")
    world.channel("power")
    world.work()
    said = "pwoer-cleaned: the importer has no series pwoer (there is power)"
    assert said in told(world)["Series missing"]
    assert world.report(world.cleaner)["missing"] == {"pwoer-cleaned": said}
    job = world.act(world.cleaner)
    assert (job.status, job.error) == ("failed", said)
    world.put("b.csv", hours("2024-01-01", 3, pwoer=1))
    world.act(world.importer)
    assert "Series missing" not in told(world)


def test_a_run_that_is_cancelled_is_not_left_running(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put("a.csv", hours("2024-01-01", 3, p=1))

    def cancel(*_: Any, **__: Any) -> None:
        raise jobs.JobCancelled("Somebody cancelled it.")

    monkeypatch.setattr("entrepot.pipeline.importing.run.parse_all", cancel)
    world.act(world.importer)
    with world.database.read() as session:
        (run,) = session.query(lineage.Run).filter(lineage.Run.generator_id == world.importer)
        assert (run.status, run.report["error"]) == ("cancelled", "Somebody cancelled it.")


def test_settings_that_are_none_are_refused_by_name(database: Database, world: World) -> None:
    with pytest.raises(Exception, match="file_order"), database.write() as session:
        importers.update_importer(session, world.principal, world.importer, {"file_order": "size"})
