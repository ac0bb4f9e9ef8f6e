"""A live server whose clock is set: ahead by an hour and by ten years, and back; what is due is done all the while."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from entrepot.db import Database
from entrepot.jobs.models import Schedule
from tests.conftest import MakeServer
from tests.faults.conftest import length, logged, metrics, warned, well
from tests.support.alerts import require_called
from tests.support.another_day import MovableClock
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

HOUR, TEN_YEARS = 3600, 3653 * 86_400
SCRIPT = "def parse(content_bytes, rel_path, **tools):\n    return None\n"


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> MovableClock:
    return MovableClock(tmp_path_factory.mktemp("clock") / "clock")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest,
    make_server: MakeServer,
    clock: MovableClock,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    clock.set(0)
    folder = tmp_path_factory.mktemp("set") / "data"
    with make_server(request.param, folder, environment=clock.environment) as server:
        yield server


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as client:
        yield client


@pytest.fixture(scope="module")
def importer(server: ServerProcess) -> str:
    """An importer that runs every second, by its schedule."""
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as http:

        def post(path: str, body: object) -> dict[str, str]:
            made: dict[str, str] = http.post(path, json=body).raise_for_status().json()
            return made

        project = post("/api/v1/projects", {"name": "farm"})["id"]
        gate = post("/ovbp/api/v2/odata/gates/", {"project": project, "name": "gate", "comment": ""})["id"]
        fields = {"project": project, "name": "often", "comment": "", "gate": gate, "parse_script": SCRIPT,
                  "crontab": "* * * * * *"}  # fmt: skip
        made = post("/ovbp/api/v2/odata/importers/", fields)["id"]
        http.patch(f"/ovbp/api/v2/odata/importers/{made}/active/", json={"value": True}).raise_for_status()
    return made


def fired(server: ServerProcess, importer: str) -> datetime | None:
    database = Database(server.database_url)
    with database.read() as session:
        at = session.get_one(Schedule, f"importer:{importer}").last_at
    database.close()
    return at


def goes_on(server: ServerProcess, http: httpx.Client, importer: str, ahead: int) -> None:
    """Wait until the schedule fires by the clock as it is now, and a run that is asked for ends."""

    def fires() -> bool:
        at = fired(server, importer)
        return at is not None and abs(at - datetime.now(UTC) - timedelta(seconds=ahead)) < timedelta(minutes=1)

    eventually(fires, 15, every=0.3, message="the schedule is silent")
    job = http.post(f"/ovbp/api/v2/odata/importers/{importer}/action/", json={"name": "run"}).json()["id"]
    at = f"/api/v1/jobs/{job}"
    eventually(lambda: http.get(at).json()["ended_at"], 30, every=0.3, message=lambda: f"no end: {http.get(at).text}")


def calls_for_clocks_alone(server: ServerProcess) -> bool:
    """Tell whether that the clocks differ is all there is; parts see a clock that is set one after another."""
    with contextlib.suppress(AssertionError):
        require_called({"EntrepotClocksDiffer"}, metrics(server))
        return True
    return False


@pytest.mark.flaky(reruns=2)  # processes see a clock that is set a second apart
@pytest.mark.pairs
@pytest.mark.parametrize("ahead", [HOUR, TEN_YEARS], ids=["an hour", "ten years"])
def test_a_clock_set_ahead_and_back_is_told_and_silences_nothing(
    server: ServerProcess, http: httpx.Client, importer: str, clock: MovableClock, ahead: int
) -> None:
    kept = http.post("/api/v1/files", files={"file": ("kept", b"precious")}).json()["id"]
    goes_on(server, http, importer, 0)
    since = length(server)
    clock.set(ahead)
    try:
        goes_on(server, http, importer, ahead)
        well(server)
        if server.database_url.startswith("postgresql"):
            eventually(lambda: warned(server, "clock"), 15, every=0.3, message="not among the warnings")
            eventually(lambda: calls_for_clocks_alone(server), 15, every=0.3, message="others are called, too")
            eventually(
                lambda: "the clocks of this machine and the database differ" in logged(server, since), 15, every=0.3
            )
        if ahead == TEN_YEARS:
            eventually(lambda: "nothing is deleted for its age today" in logged(server, since), 15, every=0.3)
    finally:
        clock.set(0)
    eventually(lambda: "computed anew what lay too far ahead" in logged(server, since), 15, every=0.3)
    goes_on(server, http, importer, 0)
    well(server)
    eventually(lambda: not warned(server, "clock"), 15, every=0.3, message="the clocks are said to differ still")
    assert http.get(f"/api/v1/files/{kept}/download").content == b"precious", "nothing was deleted for its age"


def test_a_start_in_2036_is_over_when_the_clock_is_right(
    server: ServerProcess, http: httpx.Client, importer: str, clock: MovableClock
) -> None:
    kept = http.post("/api/v1/files", files={"file": ("kept", b"precious")}).json()["id"]
    clock.set(TEN_YEARS)
    server.restart()
    since = length(server)
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as there:
        goes_on(server, there, importer, TEN_YEARS)
        clock.set(0)
        eventually(lambda: "computed anew what lay too far ahead" in logged(server, since), 15, every=0.3)
        goes_on(server, there, importer, 0)
        well(server)
        assert there.get(f"/api/v1/files/{kept}/download").content == b"precious"
