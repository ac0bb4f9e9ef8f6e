"""Behind a PgBouncer that pools by transactions: the next one may have another connection, and misses nothing of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from entrepot.db import Database, migrate
from entrepot.errors import Unavailable
from entrepot.identity.models import Organization
from entrepot.settings import Settings
from tests.support.deadline import eventually
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Cluster
from tests.support.server import ServerProcess

PARSE = """
import pandas as pd
def parse(content, path, **tools):
    return pd.read_csv(content, index_col=0, parse_dates=True)
"""


@pytest.fixture
def pooled(postgres: Cluster) -> Iterator[tuple[PgBouncer, str]]:
    name = postgres.create()
    with PgBouncer(postgres, name) as pooler:
        yield pooler, postgres.url(name)


def behind(pooler: PgBouncer) -> str:
    """Return the URL of a database as the settings spell it."""
    return Settings(data_dir=Path("data"), database_url=pooler.url, database_pooler="transaction").url


def test_many_share_few_connections(pooled: tuple[PgBouncer, str]) -> None:
    pooler, _ = pooled
    database = Database(behind(pooler), patience=20)
    migrate.upgrade(database)

    def add(number: int) -> int:
        for turn in range(10):  # as often as would have a driver prepare the statement
            with database.write() as session:
                session.add(Organization(name=f"{number}/{turn}"))
            with database.read() as session:
                session.scalars(select(Organization).where(Organization.name == f"{number}/{turn}")).one()
        return number

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(add, range(8))) == [*range(8)]
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Organization)) == 80
    database.close()


def test_nobody_waits_longer_for_a_lock_than_they_may(pooled: tuple[PgBouncer, str]) -> None:
    pooler, direct = pooled
    holds, waits = Database(direct), Database(behind(pooler), patience=0.3)
    patient = Database(behind(pooler), patience=30)
    migrate.upgrade(holds)
    with holds.write() as session:
        session.execute(text("LOCK TABLE organization IN EXCLUSIVE MODE"))
        with pytest.raises(Unavailable), waits.write() as other:
            other.add(Organization(name="late"))
    with ThreadPoolExecutor(1) as pool:
        with holds.write() as session:
            session.execute(text("LOCK TABLE organization IN EXCLUSIVE MODE"))
            waiting = pool.submit(_add, patient)
            eventually(lambda: _waits(holds), 10)
        assert waiting.result(30) == "patient"
    for database in (holds, waits, patient):
        database.close()


def _add(database: Database) -> str:
    with database.write() as session:
        session.add(Organization(name="patient"))
    return "patient"


def _waits(database: Database) -> bool:
    with database.read() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_a_server_does_its_work(pooled: tuple[PgBouncer, str], tmp_path: Path) -> None:
    pooler, direct = pooled
    server = ServerProcess(
        tmp_path / "data",
        direct,
        environment={"ENTREPOT_DATABASE_URL": pooler.url, "ENTREPOT_DATABASE_POOLER": "transaction"},
    )
    with server, server.http(base_url=f"{server.url}/api/v1") as http:
        project = http.post("/projects", json={"name": "Farm"}).json()["id"]
        gate = http.post("/gates", json={"project": project, "name": "scada"}).json()["id"]
        importer = http.post(
            "/importers", json={"project": project, "name": "scada", "gate": gate, "parse": PARSE, "clock": "UTC"}
        ).json()["id"]
        http.put(f"/gates/{gate}/files/a.csv", content=b"t,wind\n2024-03-01T00:00,5\n2024-03-01T01:00,6\n")
        run = http.post(f"/importers/{importer}/runs", json={}).json()["id"]
        eventually(lambda: http.get(f"/runs/{run}").json()["ended_at"], 60)
        assert http.get(f"/runs/{run}").json()["status"] == "finished"
        series = http.get("/series", params={"project": project}).json()["items"]
        assert [one["count"] for one in series] == [2]
        for _ in range(30):  # each may come by another connection
            answer = http.get(f"/series/{series[0]['id']}/points", params={"format": "json"})
            assert answer.status_code == 200, answer.text
        assert http.get(f"{server.url}/health/ready").status_code == 200
