"""One tenant's thousand jobs, endless scripts and slow receivers do not keep another tenant waiting.

By the order of claims, in process: nothing here depends on how fast anything is.
"""

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from sqlalchemy import event, insert

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.jobs import queue, registry, turns
from entrepot.jobs.context import JobContext
from entrepot.jobs.models import Job
from entrepot.jobs.worker import Worker
from entrepot.settings import Settings
from tests.support.deadline import eventually

pytestmark = pytest.mark.flaky(reruns=1)  # turns are timed, and others may load the machine


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """One kind a pool."""
    monkeypatch.setattr(registry, "_tasks", {})
    for kind, pool in (("import", "runs"), ("clean", "runs"), ("webhook", "deliveries"), ("fold", "upkeep")):
        jobs.task(kind, pool=pool)(lambda context: None)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def flood(database: Database, kind: str, count: int, organization: str, project: str, key: str | None = None) -> None:
    """Have many jobs wait, as so many calls of `enqueue` would."""
    common = {
        "kind": kind,
        "organization_id": organization,
        "project_id": project,
        "tenant": turns.tenant_of(organization, project),
        "run_at": now(),
        "ready_at": now(),
    }
    rows = [{**common, "key": key or f"{project}:{number}", "place": number if key else 0} for number in range(count)]
    with database.write() as session:
        session.execute(insert(Job), rows)


def add(database: Database, kind: str, organization: str, project: str, **options: object) -> Job:
    with database.write() as session:
        return jobs.enqueue(session, kind, organization_id=organization, project_id=project, **options)  # type: ignore[arg-type]


def claim(database: Database, pool: str = "runs", full: tuple[str, ...] = ()) -> Job | None:
    with database.write() as session:
        return next(iter(queue.claim(session, "w", 60, pool=pool, full=full)), None)


def end(database: Database, job: Job | None) -> None:
    assert job is not None
    with database.write() as session:
        assert queue.end(session, job, "finished")


def test_a_thousand_jobs_of_one_organization_do_not_delay_another(database: Database) -> None:
    flood(database, "import", 1000, "greedy", "g")
    end(database, claim(database))
    other = add(database, "import", "modest", "m")
    found = claim(database)
    assert found is not None
    assert found.id == other.id


def test_two_who_flood_take_turns_however_many_projects_one_has(database: Database) -> None:
    for project in range(20):
        flood(database, "import", 5, "greedy", f"g{project}")
    flood(database, "clean", 50, "modest", "m")
    claimed = []
    for _ in range(20):
        job = claim(database)
        claimed.append(job.organization_id if job else None)
        end(database, job)
    assert claimed.count("modest") == 10
    assert not any(one == two for one, two in itertools.pairwise(claimed))


def test_projects_of_an_organization_take_turns(database: Database) -> None:
    flood(database, "import", 300, "o", "loud")
    first = claim(database)
    other = add(database, "import", "o", "quiet")
    found = claim(database)
    assert found is not None
    assert found.id == other.id
    end(database, first)
    end(database, found)


def test_a_generator_with_many_jobs_does_not_delay_another_of_its_project(database: Database) -> None:
    for _ in range(50):
        add(database, "import", "o", "p", key="greedy")
    other = add(database, "import", "o", "p", key="modest")
    end(database, claim(database))
    found = claim(database)
    assert found is not None
    assert found.id == other.id


def test_who_holds_fewer_slots_comes_first_though_it_had_its_turn_last(database: Database) -> None:
    flood(database, "import", 10, "endless", "e")
    claim(database), claim(database)
    flood(database, "import", 10, "short", "s")
    for _ in range(3):
        found = claim(database)
        assert found is not None
        assert found.organization_id == "short"
        end(database, found)


def test_slow_receivers_hold_none_of_the_slots_of_runs(database: Database) -> None:
    flood(database, "webhook", 100, "o", "p")
    other = add(database, "import", "o", "p")
    found = claim(database)
    assert found is not None
    assert found.id == other.id
    assert claim(database) is None


def test_endless_scripts_of_a_project_never_hold_the_last_slot(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nor do those of housekeeping: another project's import starts while all of them go on."""
    let_go, running = threading.Event(), []

    def endless(context: JobContext) -> None:
        running.append(context.job.tenant)
        while not context.cancelled() and not let_go.is_set():
            let_go.wait(0.05)

    registry._tasks.clear()
    for kind, pool in (("import", "runs"), ("fold", "upkeep")):
        jobs.task(kind, pool=pool)(endless)
    flood(database, "import", 20, "o", "greedy")
    flood(database, "fold", 20, "", "")
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    stop = threading.Event()
    worker = Worker(database, settings, slots={"runs": 3, "upkeep": 1})
    thread = threading.Thread(target=worker.run, args=(stop, 0.1))
    thread.start()
    try:
        eventually(lambda: len(running) == 3)
        add(database, "import", "o", "modest")
        eventually(lambda: "o/modest" in running)
        assert running.count("o/greedy") == 2
    finally:
        let_go.set()
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize("waiting", [200, 20_000])
def test_a_claim_looks_at_tenants_and_not_at_all_who_wait(database: Database, waiting: int) -> None:
    for organization in range(4):
        flood(database, "import", waiting // 4, f"o{organization}", f"p{organization}")
    if database.dialect == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE job")
    cost = _steps(database)
    assert cost < 1000, f"{cost} steps or rows for one claim among {waiting}"


def _steps(database: Database) -> float:
    """Return how many rows PostgreSQL reads for a claim, or how many hundreds of steps SQLite takes."""
    given = {"instant": now(), "pool": "runs", "full": []}
    query = turns.candidates(registry.kinds("runs"), database.dialect).limit(1)
    with database.read() as session:
        if database.dialect == "postgresql":
            plans = []

            def explain(
                _c: object, _cursor: object, statement: str, parameters: object, *_: object
            ) -> tuple[str, object]:
                return f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters

            event.listen(database.engine, "before_cursor_execute", explain, retval=True)
            try:
                plans = session.connection().execute(query, given).scalar_one()
            finally:
                event.remove(database.engine, "before_cursor_execute", explain)
            return _rows(plans[0]["Plan"])
        raw = session.connection().connection.driver_connection
        hundreds = [0]

        def count() -> int:
            hundreds[0] += 1
            return 0

        raw.set_progress_handler(count, 100)
        try:
            session.execute(query, given).all()
        finally:
            raw.set_progress_handler(None, 100)
        return hundreds[0]


def _rows(plan: dict[str, Any]) -> float:
    own = plan["Actual Rows"] * plan["Actual Loops"]
    own += plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
    return own + sum(_rows(child) for child in plan.get("Plans", []))
