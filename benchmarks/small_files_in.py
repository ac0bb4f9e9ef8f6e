"""How many tiny files a second get from lying on a gate to raw series: `python benchmarks/small_files_in.py [FILES]`.

In one process with SQLite, as a worker does it, scripts in their sandbox. Beside it the least that has to be done: the
same files read by pandas in a loop, and their rows inserted into SQLite, a commit a second. Files a second are of the
clock, and of the processors: those of all processes, which do not depend on what else the machine does.
"""

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from entrepot import jobs
from entrepot.db import Database, migrate
from entrepot.identity import Principal, Role, Vault, projects, users
from entrepot.jobs import testing
from entrepot.pipeline.gates import configuration as gates
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import find_generator
from entrepot.pipeline.importing import configuration as importers
from entrepot.scripts import ScriptRunner
from entrepot.settings import Settings

AIM = 150.0
ROWS, COLUMNS, LOGGERS, ONE_IN = 10, 3, 20, 50
SCRIPT = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""


@dataclass
class Importer:
    """An importer with a gate of its own."""

    database: Database
    settings: Settings
    gate: Path
    id: str

    def run(self, files: dict[str, str]) -> dict[str, float]:
        """Put files on the gate, import them, and return the seconds that took, of the clock and of processors."""
        for path, content in files.items():
            (self.gate / path).parent.mkdir(parents=True, exist_ok=True)
            (self.gate / path).write_text(content)
        with self.database.write() as session:
            generator = find_generator(session, self.id)
            assert generator is not None
            job = actions.start(session, generator, "run")
        with ScriptRunner() as runner:
            runner.start()
            services = {"scripts": runner}

            def work() -> None:
                testing.run_pending(self.database, self.settings, services)
                runner.close()

            took = measured(work)
        with self.database.read() as session:
            done = jobs.get(session, job.id)
            assert done.status == "finished", done.error
            assert done.result is not None
            assert done.result["read"] + len(done.result["quarantined"]) == len(files)
        return took


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Return how many seconds something took, of the clock and of all processes that ended with it."""
    began, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return {"clock": time.perf_counter() - began, "processors": sum(after[:4]) - sum(before[:4])}


def make(folder: Path, number: int, **settings: object) -> Importer:
    """Make an importer in a database of its own."""
    home = folder / str(number)
    home.mkdir()
    configured = Settings(data_dir=home)
    database = Database(configured.url)
    migrate.upgrade(database)
    Vault.create(configured.secret_key_file)
    vault = Vault.open(configured.secret_key_file)
    with database.write() as session:
        organization = users.create_organization(session, "farm")
        user, _ = users.create_user(session, "ada")
        users.set_member(session, user, organization, Role.ADMIN)
        principal = Principal(user.id, user.login, organization.id, {organization.id: Role.ADMIN})
        project = projects.create_project(session, principal, organization.id, "farm")
        gate = gates.create_gate(session, principal, vault, project.id, "gate")
        gates.update_gate(session, principal, gate.id, {"quarantine": True})
        fields = {"project": project.id, "name": "scada", "gate": gate.id, "parse": SCRIPT, **settings}
        importer = importers.create_importer(session, principal, fields).id
        return Importer(database, configured, home / gates.gate_home(gate.id), importer)


def tiny(number: int, columns: list[str], seed: int = 0) -> str:
    """Return a file of ten minutes."""
    index = pd.date_range("2024-01-01", periods=ROWS, freq="1min") + pd.Timedelta(minutes=ROWS) * number
    values = np.random.default_rng([number, seed]).normal(size=(ROWS, len(columns))).round(3)
    return pd.DataFrame(values, index, columns).to_csv()


def by_hand(folder: Path, files: dict[str, str]) -> dict[str, float]:
    """Do the least that has to be done, and return what it took."""
    for path, content in files.items():
        (folder / "by-hand" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "by-hand" / path).write_text(content)
    connection = sqlite3.connect(folder / "by-hand.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE point (name TEXT, at INTEGER, value REAL, PRIMARY KEY (name, at)) WITHOUT ROWID")

    def work() -> None:
        until = 0.0
        for path in sorted(files):
            if time.monotonic() > until:
                if connection.in_transaction:
                    connection.execute("COMMIT")
                connection.execute("BEGIN")
                until = time.monotonic() + 1
            frame = pd.read_csv(folder / "by-hand" / path, index_col=0, parse_dates=True)
            stamps = frame.index.to_numpy().astype(np.int64).tolist()
            for name in frame.columns:
                rows = zip([name] * len(stamps), stamps, frame[name].tolist(), strict=True)
                connection.executemany("INSERT OR REPLACE INTO point VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")

    return measured(work)


def main(count: int) -> None:
    jobs.load([f"entrepot.pipeline.{each}" for each in ("importing.run", "cleaning.run")])
    columns = [f"c{number}" for number in range(COLUMNS)]
    new = {f"{number:05}.csv": tiny(number, columns) for number in range(count)}
    loggers = {
        f"logger-{number % LOGGERS}/{number:05}.csv": tiny(
            number // LOGGERS, [f"{number % LOGGERS} {c}" for c in columns]
        )
        for number in range(count)
    }
    changed = {path: tiny(number, columns, 1) for number, path in enumerate(new)}
    some_bad = {
        path: "this,is\nno,frame\n" if not number % ONE_IN else text for number, (path, text) in enumerate(new.items())
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        least = by_hand(folder, new)
        first = make(folder, 1)
        lines = {
            "new files of a logger": first.run(new),
            "the same files, changed": first.run(changed),
            f"new files of {LOGGERS} loggers, a folder each": make(folder, 2).run(loggers),
            f"new files, one in {ONE_IN} of them refused and set aside": make(folder, 3).run(some_bad),
        }
    print(f"{count} files of {ROWS} rows and {COLUMNS} columns; by hand: {count / least['processors']:.0f} a second\n")
    print(
        "| work | files/s, by the clock | by the processors | aim (150/s) | by hand |\n| --- | --- | --- | --- | --- |"
    )
    for line, took in sorted(lines.items(), key=lambda each: -each[1]["processors"]):
        rate = count / took["processors"]
        ratios = f"{rate / AIM:.2g}x | {least['processors'] / took['processors']:.2g}x"
        print(f"| {line} | {count / took['clock']:.0f} | {rate:.0f} | {ratios} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
