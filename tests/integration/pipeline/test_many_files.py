"""Many small files at once: they share processes and statements, and come to the same as one after the other."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from entrepot.db import Database
from entrepot.lineage import Link, Run
from entrepot.pipeline.importing import write
from entrepot.pipeline.importing.parsing import ParsedFile
from entrepot.pipeline.models import ImportedFile
from entrepot.scripts import ScriptError, ScriptRunner, Several
from tests.support.pipeline_worker import InPlaceScripts

from .conftest import CSV_SCRIPT, World, build_world, hours


class Counting(InPlaceScripts):
    """Counts the processes that there would be."""

    def __init__(self) -> None:
        self.alone: list[str] = []
        self.together: list[int] = []

    def parse(self, source: str, content: bytes, rel_path: str, *_: Any, **__: Any) -> Any:
        self.alone.append(rel_path)
        try:
            return super().parse(source, content, rel_path)
        except AssertionError as error:
            raise ScriptError("raised", "AssertionError") from error

    def parse_several(self, source: str, files: list[tuple[bytes, str]], *_: Any, **__: Any) -> Several[pd.DataFrame]:
        before = len(self.alone)
        done = super().parse_several(source, files)
        del self.alone[before:]
        self.together.append(len(done.values))
        return done


def test_tiny_files_share_processes_and_statements(database: Database, tmp_path: Path) -> None:
    world = build_world(database, tmp_path / "data", scripts := Counting())
    for number in range(300):
        world.put(f"{number:03}.csv", hours(str(pd.Timestamp("2024-01-01") + pd.Timedelta(hours=number)), 1, p=number))
    assert world.act(world.importer).result["added"] == 300
    assert (sum(scripts.together), scripts.alone) == (300, [])
    assert len(scripts.together) < 6


def test_a_refused_file_is_named_though_others_were_read_with_it(database: Database, tmp_path: Path) -> None:
    world = build_world(database, tmp_path / "data", scripts := Counting())
    for number in range(9):
        world.put(f"{number}.csv", "x" if number == 4 else hours(f"2024-01-0{number + 1}", 1, p=1))
    world.configure(parse=CSV_SCRIPT.replace("return", "assert len(content_bytes) > 1\n    return"))
    job = world.act(world.importer)
    assert (job.status, job.error[:6]) == ("failed", "4.csv:")
    assert scripts.alone == ["4.csv"]


def test_a_script_that_fails_in_company_alone_is_no_file_s_fault(
    database: Database, tmp_path: Path, script_runner: ScriptRunner
) -> None:
    world = build_world(database, tmp_path / "data", script_runner)
    counting = "pd.files = getattr(pd, 'files', 0) + 1\n    assert pd.files < 3\n    return"
    world.configure(parse=CSV_SCRIPT.replace("return", counting))
    for number in range(5):
        world.put(f"{number}.csv", hours(f"2024-01-0{number + 1}", 1, p=1))
    job = world.act(world.importer)
    assert (job.status, job.result["read"]) == ("finished", 5)


def singly(_importer: Any, batch: Sequence[ParsedFile]) -> Iterator[list[ParsedFile]]:
    """Yield each file by itself."""
    for parsed in batch:
        yield [parsed]


def random_files(chance: random.Random) -> dict[str, str]:
    """Return files whose points follow, precede, touch and repeat each other's."""
    files = {}
    for number in range(30):
        names = chance.sample("abc", chance.randint(1, 3))
        begin = pd.Timestamp("2024-03-30") + pd.Timedelta(hours=chance.choice([number, number, chance.randint(0, 40)]))
        frame = hours(str(begin), chance.randint(1, 4), **dict.fromkeys(names, float(chance.randint(1, 3))))
        if chance.random() < 0.2:
            frame.iloc[0] = float("nan")
        files[f"{number:02}.csv"] = frame.to_csv()
    return files


def told(world: World) -> Any:
    """Return all that is known after a run: points, files, report and lineage."""
    with world.database.read() as session:
        run = session.query(Run).filter(Run.generator_id == world.importer).order_by(Run.started_at.desc()).first()
        assert run is not None
        files = session.query(ImportedFile).filter(ImportedFile.importer_id == world.importer)
        known = [(one.path, one.size, one.sha256, one.rows, one.first, one.last, one.open_hours) for one in files]
        links = session.query(Link).filter(Link.run_id == run.id).order_by(Link.number)
        recorded = [(one.direction, one.kind, one.start, one.stop, one.detail) for one in links]
    series = {name: list(found.items()) for name, found in world.series(world.importer).items()}
    return series, sorted(known), run.report, recorded


@pytest.mark.parametrize("settings", [{}, {"replaces": True}, {"clock": "local", "timezone": "Europe/Paris"}])
@pytest.mark.parametrize("seed", range(2))
def test_files_that_are_written_together_come_to_the_same_as_one_after_the_other(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], seed: int
) -> None:
    chance, together = random.Random(seed), write._groups
    worlds = [build_world(database, tmp_path / name, InPlaceScripts(), name) for name in ("one", "many")]
    files = random_files(chance)
    corrected = {path: random_files(chance)[path] for path in chance.sample(sorted(files), 8)}
    for world in worlds:
        world.configure(**settings)
    for round_ in (files, corrected):
        for world, groups in zip(worlds, (singly, together), strict=True):
            monkeypatch.setattr(write, "_groups", groups)
            for path, content in round_.items():
                world.put(path, content)
            assert world.act(world.importer).status == "finished"
        assert told(worlds[0]) == told(worlds[1])


class Printing(Counting):
    """Prints each file's path, as a script would."""

    def parse(self, source: str, content: bytes, rel_path: str, *_: Any, **__: Any) -> Any:
        try:
            return replace(super().parse(source, content, rel_path), output=f"{rel_path}\n")
        except ScriptError as error:
            error.output = f"{rel_path}\n"
            raise

    def parse_several(self, source: str, files: list[tuple[bytes, str]], *_: Any, **__: Any) -> Several[pd.DataFrame]:
        done = super().parse_several(source, files)
        begun = files[: len(done.values) + done.alone]
        return replace(done, output="".join(f"{path}\n" for _, path in begun))


def test_a_run_keeps_what_each_file_printed_once(database: Database, tmp_path: Path) -> None:
    world = build_world(database, tmp_path / "data", Printing())
    names = [f"{number}.csv" for number in range(9)]
    for number, name in enumerate(names):
        world.put(name, "x" if number == 4 else hours(f"2024-01-0{number + 1}", 1, p=1))
    world.configure(parse=CSV_SCRIPT.replace("return", "assert len(content_bytes) > 1\n    return"))
    assert world.act(world.importer).output.split() == names[:5]
    world.put("4.csv", hours("2024-01-05", 1, p=1))
    assert world.act(world.importer).output.split() == names[4:]
