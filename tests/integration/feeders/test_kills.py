"""Workers killed at random moments of fetching: every file is imported once, and none is lost."""

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from entrepot import jobs
from entrepot.db import Database
from entrepot.lineage import Link, Run
from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.feeders.arrivals import Arrivals
from entrepot.pipeline.importing import configuration as importers
from tests.integration.feeders.conftest import Servers, Site, make_site
from tests.support import feeder_worker, forks
from tests.support.deadline import eventually
from tests.support.pipeline_worker import InPlaceScripts

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
KILLS = 150 if DEEP else 6
LEASE_SECONDS = 0.4
ROUNDS = 3 if DEEP else 2
KINDS = ("feeder.feed", "importer.run")


def content(number: int, version: int) -> bytes:
    """Return a file whose every point says which version of which file it is from."""
    rows = "".join(f"2024-01-{number % 28 + 1:02d} {hour:02d}:{version:02d},{version}\n" for hour in range(24))
    return f"time,f{number}\n{rows}".encode()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ftp", "sftp", "http json", "s3"] if DEEP else ["http json"])
def test_every_version_of_every_file_arrives_once(
    kind: str, database: Database, servers: Servers, tmp_path: Path
) -> None:
    site = make_site(database, tmp_path / "data", InPlaceScripts())
    place, world = servers.place(kind), site.world
    with database.write() as session:
        fields = {"active": True, "rereads": 10_000}
        importers.update_importer(session, world.principal, world.importer, fields)
    site.connect(place, retries=3)
    with database.write() as session:
        # What is imported is deleted at once: a file that came twice would be imported twice.
        site.record(session).gate.after_import = "delete"
    chance = random.Random(11)
    context = forks.context()
    url = database.engine.url.render_as_string(hide_password=False)
    arguments = (url, str(tmp_path / "data"), LEASE_SECONDS)
    expected: Counter[str] = Counter()

    def kill_after(seconds: float) -> None:
        worker = context.Process(target=feeder_worker.work, args=arguments)
        worker.start()
        time.sleep(seconds)  # the random moment, not a wait for something
        worker.kill()
        worker.join()

    for round_ in range(ROUNDS):
        for number in range(15):
            if round_ == 0 or chance.random() < 0.6:
                place.put(f"{number:03d}.csv", content(number, round_) + b"\n" * round_)
                expected[f"{number:03d}.csv"] += 1
        for _ in range(KILLS // ROUNDS):
            start(site)
            kill_after(chance.uniform(0.05, 2 * LEASE_SECONDS))
        start(site)
        worker = context.Process(target=feeder_worker.work, args=arguments)
        worker.start()
        try:
            eventually(lambda: idle(database), 60)
        finally:
            worker.kill()
            worker.join()
    with database.read() as session:
        ended = {job.status for kind in KINDS for job in jobs.list_(session, kind=kind, limit=10_000)}
        assert ended == {"finished"}
        fed = links(session, "feeder", "out")
        read = links(session, "importer", "in")
    assert fed == expected, "each version came onto the gate once"
    assert read == expected, "and was imported once"
    assert not list((tmp_path / "data").glob("feeds/*/*"))
    assert all(row.staged is None for row in site.memory().values())


def idle(database: Database) -> bool:
    with database.read() as session:
        waiting = [jobs.list_(session, kind=kind, statuses=["pending", "running"], limit=1) for kind in KINDS]
    return not any(waiting)


def start(site: Site) -> None:
    with site.world.database.write() as session:
        feeders.start(session, site.record(session))


def links(session: Any, kind: str, direction: str) -> Counter[str]:
    query = (
        select(Link.result_id)
        .join(Run, Run.id == Link.run_id)
        .where(Run.generator_kind == kind, Link.direction == direction, Link.kind == "gate file")
    )
    return Counter(result.partition("/")[2] for result in session.scalars(query))


STEPS = ("stage", "deliver", "_place", "_rename")


class Killed(BaseException):
    """As good as a kill: nothing of the run's own goes on."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_run_cut_at_each_step_goes_on(
    step: str, moment: str, any_site: Site, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = servers.place("http json")
    for number in range(3):
        place.put(f"{number}.csv", b"%d" % number)
    any_site.connect(place)
    real, calls = getattr(Arrivals, step), []

    def cut(self: Arrivals, *arguments: Any) -> Any:
        calls.append(step)
        if len(calls) != (2 if step in ("stage", "_rename") else 1 if step == "deliver" else 2):
            return real(self, *arguments)
        if moment == "after":
            real(self, *arguments)
        raise Killed

    monkeypatch.setattr(Arrivals, step, cut)
    with pytest.raises(Killed):
        any_site.feed()
    monkeypatch.undo()
    with any_site.world.database.write() as session:
        (job,) = jobs.list_(session, kind="feeder.feed")
        job.status, job.key = "cancelled", None
    # Whoever imports takes files away: none may come a second time.
    taken = any_site.files()
    for path in taken:
        (any_site.world.gate_dir / path).unlink()
    any_site.feed()
    assert {**any_site.files(), **taken} == {f"{number}.csv": b"%d" % number for number in range(3)}
    assert not set(taken) & set(any_site.files())
    with any_site.world.database.read() as session:
        assert set(links(session, "feeder", "out").values()) == {1}
        assert len(links(session, "feeder", "out")) == 3
