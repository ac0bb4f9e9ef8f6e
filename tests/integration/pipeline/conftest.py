"""A project with a gate, an importer and its cleaner, whose jobs run in the test itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import Database
from entrepot.identity import Principal, Role, Vault, projects, users
from entrepot.jobs import testing
from entrepot.pipeline.analyses import configuration as analyses
from entrepot.pipeline.cleaning import configuration as cleaners
from entrepot.pipeline.gates import configuration as gates
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import find_generator, series_by_name
from entrepot.pipeline.importing import configuration as importers
from entrepot.pipeline.models import Analysis
from entrepot.scripts import ScriptRunner
from entrepot.series import store
from entrepot.settings import Settings

_RUNS = ("importing.run", "cleaning.run", "analyses.run", "runs.clearing")
HANDLERS = tuple(f"entrepot.pipeline.{each}" for each in _RUNS)

CSV_SCRIPT = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""


@dataclass
class World:
    """What a test of the pipeline works with."""

    database: Database
    settings: Settings
    vault: Vault
    runner: Any
    principal: Principal
    project: str
    gate: str
    importer: str
    cleaner: str

    @property
    def gate_dir(self) -> Path:
        return self.settings.data_dir / "gates" / self.gate

    def put(self, path: str, content: str | bytes | pd.DataFrame) -> None:
        if isinstance(content, pd.DataFrame):
            content = content.to_csv()
        target = self.gate_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def work(self) -> list[jobs.Job]:
        return testing.run_pending(self.database, self.settings, {"scripts": self.runner, "vault": self.vault})

    def act(self, generator_id: str, action: str = "run", instant_us: int | None = None) -> jobs.Job:
        """Run, clear or reset, with all that follows; return the job itself as it ended."""
        with self.database.write() as session:
            generator = find_generator(session, generator_id)
            assert generator is not None
            job = actions.start(session, generator, action, instant_us=instant_us)
        return next(done for done in self.work() if done.id == job.id)

    def configure(self, **fields: Any) -> None:
        with self.database.write() as session:
            importers.update_importer(session, self.principal, self.importer, fields)

    def channel(self, raw: str, **fields: Any) -> str:
        with self.database.write() as session:
            fields = {
                "cleaner": self.cleaner,
                "raw": raw,
                "name": f"{raw}-cleaned",
                **fields,
            }
            return cleaners.create_channel(session, self.principal, fields).id

    def analysis(self, name: str, inputs: dict[str, tuple[str, str]], outputs: list[str], **config: Any) -> str:
        """Make an analysis whose inputs are columns named to (generator, series name)."""
        with self.database.write() as session:
            analysis = analyses.create_analysis(session, self.principal, {"project": self.project, "name": name})
            for column, (generator, series) in inputs.items():
                fields = {
                    "analysis": analysis.id,
                    "generator_id": generator,
                    "series_name": series,
                    "column": column,
                }
                analyses.create_input(session, self.principal, fields)
            for output in outputs:
                analyses.create_output(session, self.principal, {"analysis": analysis.id, "name": output})
            analyses.create_config(session, self.principal, {"analysis": analysis.id, **config})
            return analysis.id

    def series(self, generator_id: str) -> dict[str, pd.Series]:
        """Return the series of a generator, their stamps in UTC (or as delivered)."""
        with self.database.read() as session:
            found = {}
            for name, series in series_by_name(session, generator_id).items():
                points = store.read(session, series.number)
                index = pd.DatetimeIndex(points.times.astype("datetime64[us]"))
                found[name] = pd.Series(points.values, index, name=name)
            assert not store.check(session)
            return found

    def report(self, generator_id: str) -> dict[str, Any]:
        """Return the report of the generator's last run."""
        with self.database.read() as session:
            query = lineage.Run.generator_id == generator_id
            run = session.query(lineage.Run).filter(query).order_by(lineage.Run.started_at.desc()).first()
            assert run is not None
            return run.report


@pytest.fixture(scope="session")
def script_runner() -> Iterator[ScriptRunner]:
    with ScriptRunner() as runner:
        yield runner


def build_world(database: Database, data_dir: Path, runner: Any, name: str = "Openergy") -> World:
    """Make an organization with a project, a gate, an importer and its cleaner."""
    jobs.load(HANDLERS)
    settings = Settings(data_dir=data_dir)
    settings.data_dir.mkdir(exist_ok=True)
    Vault.create(settings.secret_key_file)
    vault = Vault.open(settings.secret_key_file)
    with database.write() as session:
        organization = users.create_organization(session, name)
        user, _ = users.create_user(session, f"ada of {name}")
        users.set_member(session, user, organization, Role.ADMIN)
        principal = Principal(user.id, user.login, organization.id, {organization.id: Role.ADMIN})
        project = projects.create_project(session, principal, organization.id, "farm")
        gate = gates.create_gate(session, principal, vault, project.id, "gate")
        importer = importers.create_importer(
            session, principal, {"project": project.id, "name": "scada", "gate": gate.id, "parse": CSV_SCRIPT}
        )
        ids = (project.id, gate.id, importer.id, importer.cleaner.id)
    return World(database, settings, vault, runner, principal, *ids)


@pytest.fixture
def world(database: Database, tmp_path: Path, script_runner: ScriptRunner) -> World:
    return build_world(database, tmp_path / "data", script_runner)


def hours(start: str, count: int, **columns: float) -> pd.DataFrame:
    """Return a frame of hourly rows, every column constant."""
    index = pd.date_range(start, periods=count, freq="h")
    return pd.DataFrame({name: np.full(count, value) for name, value in columns.items()}, index)


def analysis_of(session: Session, id_: str) -> Analysis:
    """Return the analysis of an id."""
    found = find_generator(session, id_, "analysis")
    assert isinstance(found, Analysis)
    return found
