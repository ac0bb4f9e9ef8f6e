"""Files that a script refuses, files that were imported, and quotas: nothing lost, nothing read twice."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from entrepot import jobs
from entrepot.errors import Conflict, InvalidInput, TooLarge
from entrepot.events import notifications
from entrepot.pipeline.gates import configuration as gates
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import quarantine
from entrepot.pipeline.gates.folder_home import FolderHome
from entrepot.pipeline.gates.folders import list_files
from entrepot.pipeline.importing import configuration as importers
from entrepot.pipeline.importing import disposal
from entrepot.scripts import ScriptRunner

from .conftest import CSV_SCRIPT, World, build_world, hours

BAD = "this,is\nno,frame\n"


def lies(world: World) -> set[str]:
    return {entry.path for entry in list_files(world.gate_dir)}


def gate(world: World, **fields: Any) -> None:
    with world.database.write() as session:
        gates.update_gate(session, world.principal, world.gate, fields)


def home(world: World) -> FolderHome:
    return FolderHome(world.gate_dir)


def in_quarantine(world: World) -> list[str]:
    with world.database.read() as session:
        return [one.path for one in quarantine.list_files(session, world.principal, home(world), world.gate)]


def retry(world: World, remove: bool = False) -> None:
    verb = quarantine.remove if remove else quarantine.retry
    with world.database.write() as session:
        verb(session, world.principal, home(world), world.gate)


def told(world: World) -> list[str]:
    with world.database.read() as session:
        found = notifications.list_notifications(session, world.principal, project_id=world.project, resolved=False)
        return [one.name for one in found]


@pytest.fixture
def refused(world: World) -> World:
    """A gate whose second file of three was refused."""
    gate(world, quarantine=True)
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    world.put("in/b.csv", BAD)
    world.put("z.csv", hours("2024-01-02", 3, p=1))
    job = world.act(world.importer)
    assert job.status == "finished"
    assert [(file["path"], file["stored"]) for file in job.result["quarantined"]] == [
        ("in/b.csv", "quarantine/in/b.csv")
    ]
    return world


def test_a_refused_file_is_set_aside_with_the_reason_and_the_run_goes_on(refused: World) -> None:
    assert lies(refused) == {"a.csv", "z.csv", "quarantine/in/b.csv", "quarantine/in/b.csv.reason.txt"}
    reason = (refused.gate_dir / "quarantine/in/b.csv.reason.txt").read_text()
    assert reason.startswith("in/b.csv\n")
    assert "DatetimeIndex" in reason
    assert len(refused.series(refused.importer)["p"]) == 6
    assert told(refused) == ["Files in quarantine"]
    # It is not read again until somebody says so.
    assert refused.act(refused.importer).result["read"] == 0
    assert in_quarantine(refused) == ["in/b.csv"]


def test_once_the_script_is_mended_a_retried_file_is_imported(refused: World) -> None:
    refused.configure(
        parse=f"{CSV_SCRIPT}\nstrict = parse\n\ndef parse(content_bytes, rel_path, **tools):\n"
        "    if b'no,frame' in bytes(content_bytes):\n"
        "        return pd.DataFrame({'p': [7.0]}, index=pd.DatetimeIndex(['2024-02-01']))\n"
        "    return strict(content_bytes, rel_path)\n"
    )
    refused.work()
    retry(refused)
    refused.work()
    assert lies(refused) == {"a.csv", "in/b.csv", "z.csv"}
    assert refused.series(refused.importer)["p"].iloc[-1] == 7.0
    assert (in_quarantine(refused), told(refused)) == ([], [])
    assert refused.act(refused.importer).result["read"] == 0


def test_a_retried_file_that_is_refused_again_comes_back_and_one_sent_anew_is_kept_apart(refused: World) -> None:
    retry(refused)
    assert in_quarantine(refused) == []
    refused.work()
    assert in_quarantine(refused) == ["in/b.csv"]
    assert told(refused) == ["Files in quarantine"]
    refused.put("in/b.csv", "worse,one\nno,frame\n")
    refused.act(refused.importer)
    assert in_quarantine(refused) == ["in/b.csv", "in/b.csv"]
    assert (refused.gate_dir / "quarantine/in/b.csv").read_text() == BAD
    assert (refused.gate_dir / "quarantine/in/b~2.csv").read_text() == "worse,one\nno,frame\n"
    retry(refused, remove=True)
    assert lies(refused) == {"a.csv", "z.csv"}
    assert not (refused.gate_dir / "quarantine").exists()
    assert told(refused) == []


def test_a_name_that_is_taken_is_not_retried(refused: World) -> None:
    refused.put("in/b.csv", hours("2024-01-01 12:00", 3, p=2))
    with pytest.raises(Conflict, match="sent again"):
        retry(refused)
    assert in_quarantine(refused) == ["in/b.csv"]


@pytest.mark.parametrize("removed", [True, False])
def test_a_file_that_was_mended_and_sent_again_is_read_once(refused: World, removed: bool) -> None:
    if removed:
        retry(refused, remove=True)
    refused.put("in/b.csv", hours("2024-01-01 12:00", 3, p=2))
    assert refused.act(refused.importer).result["read"] == 1
    assert refused.act(refused.importer).result["read"] == 0
    assert len(refused.series(refused.importer)["p"]) == 9
    assert in_quarantine(refused) == ([] if removed else ["in/b.csv"])


def test_what_was_deleted_by_ftp_is_in_quarantine_no_more(refused: World) -> None:
    shutil.rmtree(refused.gate_dir / "quarantine")
    assert in_quarantine(refused) == []
    retry(refused)
    assert refused.act(refused.importer).status == "finished"
    assert told(refused) == []


def test_a_script_that_does_not_compile_refuses_no_file(world: World) -> None:
    gate(world, quarantine=True)
    world.configure(parse="def parse(:\n")
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    assert world.act(world.importer).status == "failed"
    assert lies(world) == {"a.csv"}
    assert told(world) == ["Run failed"]


@pytest.mark.parametrize("first", ["refused it", "never saw it"])
def test_another_importer_of_the_gate_reads_a_retried_file_too(refused: World, first: str) -> None:
    with refused.database.write() as session:
        other = importers.create_importer(
            session,
            refused.principal,
            {"project": refused.project, "name": "other", "gate": refused.gate, "parse": CSV_SCRIPT},
        ).id
    assert refused.act(other).result["read"] == 2  # it never saw the file, and has passed its name
    (refused.gate_dir / "quarantine/in/b.csv").write_text(hours("2024-03-01", 2, p=9).to_csv())
    retry(refused)
    last = other if first == "refused it" else refused.importer
    with refused.database.write() as session:  # runs of two importers have no order of their own
        waiting = session.scalars(select(jobs.Job).where(jobs.Job.status == "pending"))
        (later,) = (job for job in waiting if last in job.payload.values())
        session.delete(later)
    (ran,) = (done for done in refused.work() if done.kind == "importer.run")
    assert ran.result["read"] == 1
    assert refused.act(last).result["read"] == 1
    for importer in (refused.importer, other):
        assert refused.series(importer)["p"].iloc[-1] == 9.0
        assert refused.act(importer).result["read"] == 0


# Imported files


@pytest.mark.parametrize(("after", "left"), [("keep", {"a.csv", "b.csv"}), ("delete", set())])
def test_imported_files_stay_or_go(world: World, after: str, left: set[str]) -> None:
    gate(world, after_import=after)
    for name in ("a.csv", "b.csv"):
        world.put(name, hours("2024-01-01", 3, p=1))
    assert world.act(world.importer).result["read"] == 2
    assert lies(world) == left
    assert world.act(world.importer).result["read"] == 0


def test_imported_files_are_moved_and_none_replaces_another(world: World) -> None:
    gate(world, after_import="move")
    world.configure(rereads=10)
    for value in (1, 2):
        world.put("in/a.csv", hours("2024-01-01", 3, p=value))
        world.put(f"b{value}.part", "half of a file")
        world.act(world.importer)
    assert lies(world) == {"imported/in/a.csv", "imported/in/a~2.csv", "b1.part", "b2.part"}
    assert list(world.series(world.importer)["p"]) == [2.0, 2.0, 2.0]


def test_moved_files_come_back_for_a_reset_and_series_of_deleted_ones_outlive_a_new_script(world: World) -> None:
    gate(world, after_import="move")
    for name in ("in/a.csv", "b.csv"):
        world.put(name, hours("2024-01-01", 3, p=1))
    world.act(world.importer)
    world.act(world.importer, "reset")
    assert world.report(world.importer)["read"] == 2
    assert lies(world) == {"imported/in/a.csv", "imported/b.csv"}
    gate(world, after_import="delete")
    world.configure(parse=f"{CSV_SCRIPT}\n# new\n")
    world.work()
    assert len(world.series(world.importer)["p"]) == 3


def test_a_file_goes_when_all_who_read_it_have(world: World) -> None:
    gate(world, after_import="delete")
    with world.database.write() as session:
        other = importers.create_importer(
            session,
            world.principal,
            {"project": world.project, "name": "o", "gate": world.gate, "parse": CSV_SCRIPT,
             "folder": "/in/"},
        ).id  # fmt: skip
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    world.put("in/b.csv", hours("2024-01-01", 3, p=1))
    world.act(world.importer)
    assert lies(world) == {"in/b.csv"}
    assert world.act(other).result["read"] == 1
    assert lies(world) == set()


class Killed(BaseException):
    """What a kill looks like from inside."""


@pytest.mark.parametrize("moment", [(gate_files, "move"), (disposal, "dispose")], ids=["quarantine", "dispose"])
def test_a_kill_between_commit_and_file_is_made_good(
    world: World, moment: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate(world, quarantine=True, after_import="move")
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    world.put("b.csv", BAD)

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(*moment, die)
        with pytest.raises(Killed):
            world.act(world.importer)
    assert "a.csv" in lies(world)
    with world.database.write() as session:  # its worker is dead
        for job in jobs.list_(session, statuses=["running"]):
            job.status = "pending"
    world.work()
    assert lies(world) == {"imported/a.csv", "quarantine/b.csv", "quarantine/b.csv.reason.txt"}
    assert in_quarantine(world) == ["b.csv"]
    assert len(world.series(world.importer)["p"]) == 3


def test_a_file_that_changed_since_it_was_read_stays(world: World, tmp_path: Path) -> None:
    world.put("a.csv", "old")
    entry = gate_files.importable(home(world), "/")[0]
    world.put("a.csv", "newer")
    assert disposal.dispose(home(world), "delete", [entry]) == 0
    assert lies(world) == {"a.csv"}


# Settings and quotas


def test_folders_of_the_server_are_nobody_elses(world: World) -> None:
    for folder in ("quarantine", "/imported/x", "./quarantine/"):
        with pytest.raises(InvalidInput):
            world.configure(folder=folder)
    for fields in ({"quota_bytes": -1}, {"quota_files": 2**31}, {"after_import": "burn"}):
        with pytest.raises(InvalidInput):
            gate(world, **fields)


def test_quotas(tmp_path: Path) -> None:
    home = FolderHome(tmp_path / "gate")
    home.make()
    (home.root / "a").write_bytes(b"12345")
    quota = gate_files.Quota(bytes=8, files=2)
    assert gate_files.room(home, quota, "b") == 3
    assert gate_files.room(home, quota, "a") == 8
    new = tmp_path / "new"
    new.write_bytes(b"1234")
    with pytest.raises(TooLarge, match="room for 3"):
        gate_files.place(home, new, "b", quota)
    (home.root / "a").write_bytes(b"123")
    gate_files.place(home, new, "deep/b", quota)
    with pytest.raises(TooLarge, match="2 files"):
        gate_files.room(home, quota, "c")


def test_the_reference_behaviour_is_the_default(database: Any, tmp_path: Path, script_runner: ScriptRunner) -> None:
    world = build_world(database, tmp_path / "data", script_runner)
    world.put("a.csv", BAD)
    assert world.act(world.importer).status == "failed"
    assert lies(world) == {"a.csv"}
