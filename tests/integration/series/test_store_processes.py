"""Several processes write, fold and read the same series at once: nothing is lost, nothing acknowledged is missed."""

from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from entrepot.db import Database
from entrepot.series import store
from tests.support import forks, series_worker
from tests.support.series_worker import DONE, SECOND, WRITERS

ROUNDS = 25


def test_eight_processes(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        pks = [
            store.create_series(
                session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name=name
            ).number
            for name in ("one", "two")
        ]
    acks = tmp_path / "acks"
    notes = np.memmap(acks, np.int64, "w+", shape=WRITERS + 1)
    url = database.engine.url.render_as_string(hide_password=False)

    context = forks.context()

    def start(role: str, number: int) -> BaseProcess:
        said = tmp_path / f"{role}-{number}.txt"
        process = context.Process(target=series_worker.main, args=(said, url, role, number, ROUNDS, acks, pks))
        process.start()
        return process

    writers = [start("write", number) for number in range(WRITERS)]
    others = [start(role, number) for role in ("fold", "read") for number in range(2)]
    for process in writers:
        process.join(120)
    notes[DONE] = 1
    for process in others:
        process.join(120)
    assert [said.read_text() for said in tmp_path.glob("*.txt")] == [""] * 8
    assert [process.exitcode for process in writers + others] == [0] * 8
    with database.read() as session:
        assert store.check(session) == []
        for points in store.read_many(session, pks).values():
            assert points.times.tolist() == [number * SECOND for number in range(ROUNDS * WRITERS)]


def test_transactions_that_fail_leave_nothing(database: Database) -> None:
    with database.write() as session:
        series = store.create_series(
            session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name="one"
        )
        store.append(session, series.number, np.arange(100), np.arange(100.0))
    try:
        with database.write() as session:
            store.append(session, series.number, np.arange(50, 300), np.zeros(250))
            store.delete_after(session, series.number, 20)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    with database.read() as session:
        assert store.check(session) == []
        assert store.read(session, series.number).values.tolist() == list(range(100))
