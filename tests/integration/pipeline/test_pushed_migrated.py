"""Series that were pushed before there were importers of them: they get one, and are cleaned."""

from pathlib import Path

import numpy as np
from alembic import command

from entrepot.db import Database, migrate
from entrepot.pipeline import pushed
from entrepot.pipeline.models import Cleaner, Importer, ImporterSeries
from entrepot.scripts import ScriptRunner
from entrepot.series import store
from entrepot.series.models import Series

from .conftest import build_world

REVISION = "3e8d5b07c1fa"
HOUR = 3_600_000_000
SUM = "def analyze(df, **tools):\n    return df[['p']].rename(columns={'p': 'total'})\n"


def test_what_was_pushed_to_an_older_version_gets_an_importer(
    database: Database, tmp_path: Path, script_runner: ScriptRunner
) -> None:
    world = build_world(database, tmp_path / "data", script_runner)
    with database.write() as session:
        organization = world.principal.organization_id
        for name, clock in (("kW", "gmt"), ("degC", None)):
            series = store.create_series(
                session,
                organization_id=organization,
                project_id=world.project,
                generator_kind="direct",
                generator_id=None,
                name=name,
                clock=clock,
            )
            store.append(session, series.pk, np.arange(24) * HOUR, np.arange(24.0))
        # Somebody has an importer of the usual name already.
        importers = [session.query(Importer).one(), Importer(name="pushed", project_id=world.project)]
        importers[1].organization_id, importers[1].cleaner = (
            organization,
            Cleaner(name="pushed", project_id=world.project, organization_id=organization),
        )
        session.add(importers[1])
    with migrate._exclusive(database) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, f"{REVISION}-1")
    migrate.upgrade(database)
    with database.read() as session:
        importer = session.query(Importer).filter(Importer.name == "pushed before").one()
        found = session.query(Series).filter(Series.generator_id == importer.id).order_by(Series.name).all()
        assert [(one.name, one.generator_kind, one.pushed, one.count) for one in found] == [
            ("degC", "importer", True, 24),
            ("kW", "importer", True, 24),
        ]
        labels = session.query(ImporterSeries).filter(ImporterSeries.importer_id == importer.id)
        assert sorted(one.external_name for one in labels) == ["degC", "kW"]
        assert (importer.cleaner.name, importer.gate_id, importer.read_changed) == ("pushed before", None, True)
        assert importer.repeated_hour == "order"
        importer_id, world.cleaner = importer.id, importer.cleaner.id
    # They are cleaned and analysed, and what is pushed from now on follows.
    world.unitcleaner("kW", name="kW by 2 hours", freq="2H", unit_type="instantaneous", clock="gmt", timezone="UTC")
    settings = {"input_freq": "2H", "output_freq": "2H", "script": SUM, "clock": "gmt", "output_timezone": "UTC"}
    analysis = world.analysis("sums", {"p": (world.cleaner, "kW by 2 hours")}, ["total"], **settings)
    world.act(world.cleaner)
    assert world.act(analysis).status == "finished"
    assert world.series(analysis)["total"].iloc[:2].tolist() == [2.5, 4.5]
    with database.write() as session:
        series = session.query(Series).filter(Series.generator_id == importer_id, Series.name == "kW").one()
        written = store.append(session, series.pk, np.arange(24, 28) * HOUR, np.ones(4))
        pushed.changed(session, {(importer_id, "kW"): written.changed})
    world.work()
    assert len(world.series(world.cleaner)["kW by 2 hours"]) == 12
