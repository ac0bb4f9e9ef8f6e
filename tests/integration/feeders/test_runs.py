"""Runs of feeders, on both databases: when they happen, what they leave behind, and whom they tell."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from entrepot import jobs, lineage
from entrepot.errors import InvalidInput
from entrepot.events import Event, Notification
from entrepot.jobs import Schedule, schedules
from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.feeders.arrivals import Arrivals, Ended, Staged
from entrepot.pipeline.generators.finding import series_by_name
from entrepot.pipeline.importing import configuration as importers
from tests.integration.feeders.conftest import OPTIONS, Servers, Site
from tests.support.sources import Place

ROWS = b"time,power\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n"


def notices(site: Site) -> list[tuple[str, bool]]:
    with site.world.database.read() as session:
        found = session.scalars(select(Notification).where(Notification.generator_id == site.feeder))
        return [(one.message, one.resolved) for one in found]


def actions(site: Site) -> list[str]:
    with site.world.database.read() as session:
        return list(session.scalars(select(Event.action).where(Event.object_id == site.feeder).order_by(Event.number)))


def test_from_a_source_to_series_with_lineage(any_site: Site, servers: Servers) -> None:
    world, place = any_site.world, servers.place("sftp")
    with world.database.write() as session:
        importers.update_importer(session, world.principal, world.importer, {"active": True, "folder": "/2024"})
    place.put("2024/01.csv", ROWS)
    any_site.connect(place).feed()
    with world.database.read() as session:
        assert list(series_by_name(session, world.importer)) == ["power"]
        series = series_by_name(session, world.importer)["power"]
        (imported,) = lineage.explain(session, "series", series.id)
        (read,) = imported["inputs"]
        (fed,) = read["made_by"]
    assert read["id"] == f"{world.gate}/2024/01.csv"
    assert fed["generator"] == {"kind": "feeder", "id": any_site.feeder}
    assert any_site.runs()[0].status == "finished"
    assert any_site.job.progress_done == any_site.job.progress_total == 1
    assert "2024/01.csv: 49 bytes." in any_site.job.output


def test_a_failed_run_is_told_until_one_is_well(any_site: Site, servers: Servers) -> None:
    place = servers.place("http json")
    url, place.url = place.url, place.url.replace(f":{servers.web['json']}/", ":1/")
    place.put("a.csv", b"one")
    report = any_site.connect(place, retries=2).feed("failed")
    assert any_site.job.output.count("Trying again") == 2
    assert [resolved for _, resolved in notices(any_site)] == [False]
    assert report["error"] in notices(any_site)[0][0]
    assert any_site.runs()[-1].status == "failed"
    any_site.change(url=url)
    any_site.feed()
    assert [resolved for _, resolved in notices(any_site)] == [True]
    assert actions(any_site) == ["failed", "run"]


def test_crontab_in_a_time_zone(any_site: Site, servers: Servers) -> None:
    world, place = any_site.world, servers.place("http json")
    place.put("a.csv", b"one")
    any_site.connect(place)
    fields = {"schedule": "30 5 6 * * *", "timezone": "Europe/Paris", "active": True}
    with world.database.write() as session:
        feeders.update_feeder(session, world.principal, any_site.feeder, fields)
        due = session.get(Schedule, f"feeder:{any_site.feeder}").next_at
        assert due.astimezone(UTC).strftime("%M:%S") == "05:30"
        assert due.hour in (4, 5)
        schedules.fire_due(session, due + timedelta(seconds=1))
    assert [job.status for job in world.work() if job.kind == "feeder.feed"] == ["finished"]
    assert any_site.files() == {"a.csv": b"one"}
    with world.database.write() as session:
        with pytest.raises(InvalidInput):
            feeders.update_feeder(session, world.principal, any_site.feeder, {"schedule": "* * * * *"})
        feeders.update_feeder(session, world.principal, any_site.feeder, {"active": False})
        assert session.get(Schedule, f"feeder:{any_site.feeder}") is None
        feeders.update_feeder(session, world.principal, any_site.feeder, {"active": True})
        feeders.delete_feeder(session, world.principal, any_site.feeder)
        assert session.get(Schedule, f"feeder:{any_site.feeder}") is None


def test_the_schedule_of_a_feeder_that_went_with_its_gate_goes(any_site: Site, servers: Servers) -> None:
    from entrepot.pipeline.gates import configuration as gates

    world = any_site.world
    any_site.connect(servers.place("http json"))
    with world.database.write() as session:
        feeders.update_feeder(session, world.principal, any_site.feeder, {"schedule": "0 0 0 * * *", "active": True})
        gates.delete_gate(session, world.principal, world.gate)
        schedules.fire_due(session, datetime(2100, 1, 1, tzinfo=UTC))
    world.work()
    with world.database.read() as session:
        assert session.get(Schedule, f"feeder:{any_site.feeder}") is None


def test_a_feeder_that_is_deleted_while_it_fetches(
    any_site: Site, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, place = any_site.world, servers.place("http json")
    place.put("a.csv", b"one")
    any_site.connect(place)
    real = Arrivals.deliver

    def deliver(self: Arrivals, batch: list[Staged]) -> list[Ended]:
        with world.database.write() as session:
            feeders.delete_feeder(session, world.principal, any_site.feeder)
        return real(self, batch)

    monkeypatch.setattr(Arrivals, "deliver", deliver)
    assert any_site.feed("refused")["error"] == "The feeder was deleted."
    assert any_site.files() == {}
    assert not list((world.settings.data_dir / "feeds").iterdir())


def test_one_address_by_name_and_time(any_site: Site, servers: Servers) -> None:
    place = servers.place("http json")
    place.put("now.csv", b"one")
    single = Place("http", f"{place.url}now.csv", place.folder)
    any_site.connect(single, name="meteo-%Y.csv")
    any_site.feed()
    year = datetime.now(UTC).year
    assert any_site.files() == {f"meteo-{year}.csv": b"one"}
    assert any_site.feed()["unchanged"] == 1
    place.put("now.csv", b"one, two")
    any_site.feed()
    assert any_site.files() == {f"meteo-{year}.csv": b"one, two"}


def test_what_the_gate_does_not_take(any_site: Site, servers: Servers) -> None:
    world, place = any_site.world, servers.place("http json")
    place.put("a.csv", b"a")
    place.put("quarantine/b.csv", b"b")
    place.put("x" * 200 + "/" + "y" * 200, b"c")
    place.put("d/e.csv", b"d")
    place.put("f.csv", b"f" * 1000)
    world.put("d", b"a file where a folder is wanted")
    with world.database.write() as session:
        any_site.connect(place)
    with world.database.write() as session:
        any_site.record(session).gate.quota_bytes = 500
    report = any_site.feed("failed")
    assert sorted(any_site.files()) == ["a.csv", "d"]
    assert len(report["skipped"]) == 3
    assert [one["path"] for one in report["failed"]] == ["f.csv"]
    assert "quota" in report["error"]
    with world.database.write() as session:
        any_site.record(session).gate.quota_bytes = None
    assert [one["path"] for one in any_site.feed()["fetched"]] == ["f.csv"]


def test_a_file_that_the_gate_has_is_not_replaced(any_site: Site, servers: Servers) -> None:
    place = servers.place("http json")
    place.put("a.csv", b"one")
    any_site.world.put("a.csv", b"one")
    before = (any_site.world.gate_dir / "a.csv").stat().st_mtime_ns
    report = any_site.connect(place).feed()
    assert [one["why"] for one in report["skipped"]] == ["The gate has it already."]
    assert (any_site.world.gate_dir / "a.csv").stat().st_mtime_ns == before
    assert any_site.feed()["unchanged"] == 1


SCRIPT = """
from pathlib import Path

def feed(state, credentials, **tools):
    print("the password is", credentials["password"])
    number = (state or {"next": 0})["next"]
    Path("deep").mkdir()
    Path(f"deep/{number}.csv").write_text(f"number {number}")
    Path("same.csv").write_text("same")
    Path(".cache").write_text("mine")
    Path("link.csv").symlink_to("/etc/passwd")
    return {"next": number + 1}
"""


def test_a_script_fetches_and_keeps_its_state(any_site: Site) -> None:
    any_site.script(SCRIPT, {"password": "very secret"})
    any_site.feed()
    report = any_site.feed()
    assert any_site.files() == {"deep/0.csv": b"number 0", "deep/1.csv": b"number 1", "same.csv": b"same"}
    assert [one["path"] for one in report["skipped"]] == ["same.csv"]
    assert "the password is ***" in any_site.job.output
    assert report["network"] is False
    assert any_site.runs()[-1].script_sha256


def test_a_script_that_fails_brings_nothing(any_site: Site) -> None:
    any_site.script(SCRIPT + "    raise ValueError('no ' + credentials['password'])\n", {"password": "very secret"})
    any_site.change(script=SCRIPT.replace("return", "raise ValueError('no ' + credentials['password'])\n    return"))
    report = any_site.feed("failed")
    assert report["error"].startswith("ValueError: no *** (line ")
    assert "line" in report["traceback"]
    assert "very secret" not in f"{report} {any_site.job.output}"
    ((told, _),) = notices(any_site)
    assert "ValueError: no ***" in told
    assert "very secret" not in told
    assert any_site.files() == {}
    any_site.change(script="def feed(state, credentials):\n    open('big', 'wb').write(b'x' * 5_000_000)\n")
    any_site.change(parameters={"bytes_per_file": 1_000_000})
    assert any_site.feed("failed")["error"]
    assert any_site.files() == {}


NETWORK = """
import urllib.request

def feed(state, credentials):
    with urllib.request.urlopen(URL, timeout=5) as answer:
        open("a.csv", "wb").write(answer.read())
"""


def test_scripts_have_the_network_where_operator_and_feeder_allow_it(any_site: Site, servers: Servers) -> None:
    place = servers.place("http json")
    place.put("a.csv", b"one")
    any_site.script(f"URL = '{place.url}a.csv'\n{NETWORK}")
    if any_site.world.runner.sandboxed:
        assert "URLError" in any_site.feed("failed")["error"]
    any_site.world.settings = any_site.world.settings.model_copy(update={"script_network": True})
    assert any_site.feed()["network"] is True
    assert any_site.files() == {"a.csv": b"one"}
    any_site.change(parameters={"network": False})
    if any_site.world.runner.sandboxed:
        assert "URLError" in any_site.feed("failed")["error"]


def test_wrong_settings_name_their_field(any_site: Site, servers: Servers) -> None:
    any_site.connect(servers.place("http json"))
    wrong = [
        ("parameters", {"unknown": 1}),
        ("parameters", {"include": "*.csv"}),
        ("parameters", {"files_per_run": 0}),
        ("parameters", {"to": "/../x"}),
        ("parameters", {"host_key": "MD5:00"}),
        ("parameters", {"certificate": "no PEM"}),
        ("parameters", {"endpoint": "http://10.0.0.1/"}),
        ("parameters", {"region": "x@elsewhere.org/"}),
        ("parameters", [1]),
        ("credentials", {"unknown": "x"}),
        ("credentials", "x"),
        ("url", "http://169.254.169.254/latest"),
    ]
    for field, value in wrong:
        with pytest.raises(InvalidInput) as caught:
            any_site.replace(**{field: value})
        assert list(caught.value.fields) == [field], value
    assert any_site.feed()["seen"] == 0
    assert OPTIONS["retries"] == 0


def test_a_scheduled_run_that_fetched_nothing_new_leaves_a_count(any_site: Site, servers: Servers) -> None:
    world, place = any_site.world, servers.place("http json")
    place.put("a.csv", b"one")
    any_site.connect(place, bytes_per_file=10)
    with world.database.write() as session:
        feeders.update_feeder(session, world.principal, any_site.feeder, {"schedule": "0 * * * * *", "active": True})

    def tick() -> None:
        with world.database.write() as session:
            schedules.fire_due(session, session.get(Schedule, f"feeder:{any_site.feeder}").next_at)
        world.work()

    def counted() -> list[int]:
        with world.database.read() as session:
            return [one.count for one in jobs.idle.list_(session) if one.key == f"feeder:{any_site.feeder}"]

    for _ in range(3):
        tick()
    assert (len(any_site.runs()), counted(), len(actions(any_site))) == (1, [2], 1)
    place.put("b.csv", b"much more than is taken of a file")
    for _ in range(3):
        tick()
    assert [len(run.report["skipped"]) for run in any_site.runs()] == [0, 1]
    assert counted() == [2], "what is passed over is told once"
    any_site.feed()
    assert (len(any_site.runs()), counted()) == (3, [])
