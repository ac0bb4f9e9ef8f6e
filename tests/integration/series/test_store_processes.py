"""Several processes write, fold and read the same series at once: nothing is lost, nothing acknowledged is missed."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from entrepot.db import Database
from entrepot.series import store
from tests.support import series_worker
from tests.support.series_worker import DONE, SECOND, WRITERS

ROUNDS = 25


def test_eight_processes(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        pks = [
            store.create_series(
                session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name=name
            ).pk
            for name in ("one", "two")
        ]
    acks = tmp_path / "acks"
    notes = np.memmap(acks, np.int64, "w+", shape=WRITERS + 1)
    url = database.engine.url.render_as_string(hide_password=False)

    def start(role: str, number: int = 0) -> subprocess.Popen[str]:
        arguments = [url, role, str(number), str(ROUNDS), str(acks), *map(str, pks)]
        command = [sys.executable, series_worker.__file__, *arguments]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    writers = [start("write", number) for number in range(WRITERS)]
    others = [start("fold"), start("fold"), start("read"), start("read")]
    errors = [process.communicate(timeout=120)[1] for process in writers]
    notes[DONE] = 1
    errors += [process.communicate(timeout=120)[1] for process in others]
    assert errors == [""] * 8
    assert [process.returncode for process in writers + others] == [0] * 8
    with database.read() as session:
        assert store.check(session) == []
        for points in store.read_many(session, pks).values():
            assert points.times.tolist() == [number * SECOND for number in range(ROUNDS * WRITERS)]


def test_transactions_that_fail_leave_nothing(database: Database) -> None:
    with database.write() as session:
        series = store.create_series(
            session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name="one"
        )
        store.append(session, series.pk, np.arange(100), np.arange(100.0))
    try:
        with database.write() as session:
            store.append(session, series.pk, np.arange(50, 300), np.zeros(250))
            store.delete_after(session, series.pk, 20)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    with database.read() as session:
        assert store.check(session) == []
        assert store.read(session, series.pk).values.tolist() == list(range(100))
