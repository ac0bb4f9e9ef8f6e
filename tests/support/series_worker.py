"""What processes do that write, fold or read a test's series.

Writer number w writes, in round k, the point (k x WRITERS + w) seconds of each series, worth its own time, and then
notes in the file of acknowledgements that it has. A reader takes these notes first and then expects every point they
tell of.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np

from entrepot.db import Database
from entrepot.series import store

WRITERS = 4
SECOND = 1_000_000
DONE = WRITERS  # where the test says that all writers have ended


def main(said: Path, url: str, role: str, number: int, rounds: int, acks: Path, pks: list[int]) -> None:
    """Play a role; what it says goes into a file."""
    with said.open("wb") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    database = Database(url)
    notes = np.memmap(acks, np.int64, "r+")
    if role == "write":
        write(database, pks, number, rounds, notes)
    while role != "write":
        done = bool(notes[DONE])
        fold(database) if role == "fold" else read(database, pks, notes[:WRITERS].copy())
        if done:
            break
    database.close()


def write(database: Database, pks: list[int], number: int, rounds: int, notes: np.memmap) -> None:
    for k in range(rounds):
        time = (k * WRITERS + number) * SECOND
        with database.write() as session:
            if k % 7 == 3:
                for pk in pks:
                    store.replace_range(session, pk, time, time + 1, [time], [float(time)])
            else:
                store.append_many(session, {pk: ([time], [float(time)]) for pk in reversed(pks)})
        notes[number] = k + 1


def fold(database: Database) -> None:
    with database.write() as session:
        store.fold_due(session, idle=timedelta(0))


def read(database: Database, pks: list[int], notes: np.ndarray) -> None:
    with database.read() as session:
        found = store.read_many(session, pks)
    expected = np.concatenate([np.arange(n) * WRITERS + w for w, n in enumerate(notes)]) * SECOND
    for points in found.values():
        missing = np.setdiff1d(expected, points.times)
        assert not missing.size, f"{missing.size} acknowledged points are missing: {missing[:5]}"
        assert (np.diff(points.times) > 0).all()
        assert (points.values == points.times).all()
