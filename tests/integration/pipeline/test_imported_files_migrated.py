"""Importers of an older version: what their cursor had passed counts as imported, and no run stays running."""

from pathlib import Path

from alembic import command

from entrepot import lineage
from entrepot.db import Database, migrate
from entrepot.pipeline.models import Importer
from entrepot.scripts import ScriptRunner

from .conftest import build_world, hours

REVISION = "5e0b8a7c4d19"


def test_what_an_older_version_had_passed_is_not_read_by_a_newer_one(
    database: Database, tmp_path: Path, script_runner: ScriptRunner
) -> None:
    world = build_world(database, tmp_path / "data", script_runner)
    for name in ("b.csv", "m.csv"):
        world.put(name, hours("2024-01-01", 3, p=1))
    world.act(world.importer)
    world.put("a.csv", hours("2024-01-02", 3, p=1))
    with database.write() as session:
        run = session.query(lineage.Run).filter(lineage.Run.generator_id == world.importer).one()
        run.status, run.ended = "running", None
    with migrate._exclusive(database) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, f"{REVISION}-1")
    migrate.upgrade(database)
    with database.read() as session:
        importer = session.query(Importer).one()
        assert (importer.passed_path, importer.read_changed, importer.file_order) == ("m.csv", False, "name")
        (run,) = session.query(lineage.Run).filter(lineage.Run.generator_id == world.importer)
        assert (run.status, run.ended is not None) == ("finished", True)
    world.put("c.csv", hours("2024-01-03", 3, p=1))
    job = world.act(world.importer)
    # a.csv lay there when the new version came, passed by the cursor; what comes after is read whatever its name.
    assert (job.status, [file["path"] for file in job.result["files"]]) == ("finished", ["c.csv"])
    world.put("a2.csv", hours("2024-01-03", 3, p=1))
    assert [file["path"] for file in world.act(world.importer).result["files"]] == ["a2.csv"]
