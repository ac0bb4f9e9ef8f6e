"""Points that were damaged, dropped by `entrepot check --repair` and made again of what they came of, with a record."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select, update

from entrepot.db import Database
from entrepot.events import Notification
from entrepot.events.models import Event
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import series_by_name
from entrepot.pipeline.models import Gate, ImportedFile
from entrepot.series import repair
from entrepot.series.models import SeriesChunk
from entrepot.server.run import check
from entrepot.server.services import Services
from tests.integration.pipeline.conftest import World, analysis_of, build_world, hours
from tests.support.pipeline_worker import InPlaceScripts

SCRIPT = "import pandas as pd\ndef analyze(df, **tools):\n    return pd.DataFrame({'mean': df.mean(axis=1)})\n"


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Files of which a later one corrects a day of the one before; cleaned, and analysed."""
    monkeypatch.setattr(check, "require_unused", lambda _: None)  # the test's own connections use it
    made = build_world(database, tmp_path / "data", InPlaceScripts())
    made.put("1.csv", hours("2024-01-01", 24 * 40, a=1.0))
    made.put("2.csv", hours("2024-01-20", 24, a=2.0))
    made.put("3.csv", hours("2025-03-01", 24 * 10, a=3.0))
    return made


@pytest.fixture
def services(world: World) -> Iterator[Services]:
    settings = world.settings.model_copy(update={"database_url": world.database.url})
    opened = Services.open(settings)
    yield opened
    opened.close()


def damage_first(world: World, generator: str, name: str) -> None:
    with world.database.write() as session:
        pk = series_by_name(session, generator)[name].number
        first = session.scalars(
            select(SeriesChunk.bucket).where(SeriesChunk.series == pk).order_by(SeriesChunk.bucket)
        ).first()
        assert first is not None
        chunk = update(SeriesChunk).where(SeriesChunk.series == pk, SeriesChunk.bucket == first)
        session.execute(chunk.values(data=b"\1broken"))


def records(world: World) -> tuple[str, dict[str, object]]:
    with world.database.read() as session:
        message = session.scalars(select(Notification.message).where(Notification.name == repair.NOTICE)).one()
        return message, session.scalars(select(Event.data).where(Event.action == "repaired")).one()


@pytest.mark.parametrize("after_import", ["keep", "move"])
def test_a_damaged_chunk_is_imported_again_where_its_files_are_at_hand(
    world: World, services: Services, after_import: str
) -> None:
    with world.database.write() as session:
        gate = session.scalars(select(Gate).where(Gate.id == world.gate)).one()
        gate.after_import = after_import
    world.act(world.importer)
    before = world.series(world.importer)["a"]
    assert before["2024-01-20"].eq(2.0).all()
    damage_first(world, world.importer, "a")
    (done,) = check.repair(services)
    assert "importer scada reads 1.csv and 1 more of gate gate again" in done
    assert len(world.series(world.importer)["a"]) < len(before)
    world.work()
    pd.testing.assert_series_equal(world.series(world.importer)["a"], before)
    message, data = records(world)
    assert message.endswith("were damaged and are dropped: importer scada reads 1.csv and 1 more of gate gate again.")
    assert data["again"] is True
    read = {file["path"] for file in world.report(world.importer)["files"]}
    assert read == {"1.csv", "2.csv"}, "what did not touch the damage is not read again"


def test_what_its_files_are_gone_of_is_told(world: World, services: Services) -> None:
    world.act(world.importer)
    (world.gate_dir / "2.csv").write_text("time,a\n")
    damage_first(world, world.importer, "a")
    (done,) = check.repair(services)
    assert "2.csv is no longer on gate gate as it was read: import them again" in done
    assert records(world)[1]["again"] is False
    with world.database.read() as session:
        known = session.scalars(select(ImportedFile.path).where(ImportedFile.importer_id == world.importer))
        assert set(known) == {"1.csv", "2.csv", "3.csv"}, "they are not taken for new"


@pytest.mark.parametrize("which", ["cleaner", "analysis"])
def test_what_was_computed_is_computed_again(world: World, services: Services, which: str) -> None:
    world.channel("a", step="1H")
    inputs = {"a": (world.cleaner, "a-cleaned")}
    analysis = world.analysis("mean", inputs, ["mean"], input_step="1H", step="3H", script=SCRIPT)
    with world.database.write() as session:
        actions.set_active(session, analysis_of(session, analysis), value=True)
    world.act(world.importer)
    generator, name = (world.cleaner, "a-cleaned") if which == "cleaner" else (analysis, "mean")
    before = world.series(generator)[name]
    assert len(before) > 100
    damage_first(world, generator, name)
    (done,) = check.repair(services)
    assert ("makes them again" if which == "cleaner" else "analysis mean computes them again") in done
    assert len(world.series(generator)[name]) < len(before)
    world.work()
    pd.testing.assert_series_equal(world.series(generator)[name], before)
