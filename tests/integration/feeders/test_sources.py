"""One suite for every kind of source: what is new, changed and complete comes onto the gate, once."""

import os
import time

import pytest

from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.feeders.arrivals import Staged
from entrepot.pipeline.feeders.feed_run import Transfer
from entrepot.pipeline.feeders.sources import Remote, Source
from tests.integration.feeders.conftest import ON_DISK, Servers, Site
from tests.support import sources
from tests.support.sources import Place


def test_new_and_changed_files_come_once(site: Site, place: Place) -> None:
    place.put("a.csv", b"one")
    place.put("deep/er/b c~1%.csv", b"two")
    place.put("notes.txt", b"not wanted")
    site.connect(place, include=["*.csv"])
    report = site.feed()
    assert site.files() == {"a.csv": b"one", "deep/er/b c~1%.csv": b"two"}
    assert [one["path"] for one in report["fetched"]] == ["a.csv", "deep/er/b c~1%.csv"]
    assert (report["seen"], report["unwanted"], report["fetched_files"], report["fetched_bytes"]) == (3, 1, 2, 6)
    times = {path.name: path.stat().st_mtime_ns for path in site.world.gate_dir.rglob("*.csv")}
    report = site.feed()
    assert (report["unchanged"], report["fetched"], report["skipped"]) == (2, [], [])
    place.put("a.csv", b"one and more")
    place.put("new.csv", b"three")
    assert [one["path"] for one in site.feed()["fetched"]] == ["a.csv", "new.csv"]
    assert site.files()["a.csv"] == b"one and more"
    assert (site.world.gate_dir / "deep/er/b c~1%.csv").stat().st_mtime_ns == times["b c~1%.csv"]
    assert not (site.world.settings.data_dir / "feeds" / site.feeder).exists()


def test_what_vanishes_stays_on_the_gate_and_does_not_come_again(site: Site, place: Place) -> None:
    place.put("a.csv", b"one")
    place.put("b.csv", b"two")
    site.connect(place).feed()
    place.remove("a.csv")
    (site.world.gate_dir / "b.csv").unlink()
    report = site.feed()
    assert (report["seen"], report["unchanged"]) == (1, 1)
    assert site.files() == {"a.csv": b"one"}


def test_limits_and_the_rest_in_the_next_run(site: Site, place: Place) -> None:
    for number in range(5):
        place.put(f"{number}.csv", b"x" * 100)
    place.put("huge.csv", b"x" * 5000)
    site.connect(place, files_per_run=3, bytes_per_file=1000)
    report = site.feed()
    assert sorted(site.files()) == ["0.csv", "1.csv", "2.csv"]
    assert {one["path"] for one in report["skipped"]} == {"3.csv", "4.csv", "huge.csv"}
    assert "5000 bytes" in next(one["why"] for one in report["skipped"] if one["path"] == "huge.csv")
    site.feed()
    assert sorted(site.files()) == [f"{number}.csv" for number in range(5)]
    site.change(parameters={**place.parameters, "bytes_per_run": 150})
    place.put("6.csv", b"y" * 100)
    place.put("7.csv", b"y" * 100)
    site.feed()
    assert "6.csv" in site.files()
    assert "7.csv" not in site.files()


def test_the_same_content_does_not_come_twice_under_one_name(site: Site, place: Place) -> None:
    place.put("a.csv", b"one")
    site.connect(place).feed()
    if place.folder is not None:
        later = time.time() + 90
        os.utime(place.folder / "a.csv", (later, later))
    before = (site.world.gate_dir / "a.csv").stat().st_mtime_ns
    report = site.feed()
    if place.kind != "s3":
        assert [one["why"] for one in report["skipped"]] == ["Its content came before."]
    assert (site.world.gate_dir / "a.csv").stat().st_mtime_ns == before
    assert site.feed()["unchanged"] == 1


def test_a_test_lists_and_fetches_nothing(site: Site, place: Place) -> None:
    place.put("a.csv", b"one")
    place.put("b.txt", b"two")
    report = site.connect(place, include=["*.csv"]).feed(kind=feeders.start_test)
    assert {one["path"]: one["fetch"] for one in report["files"]} == {"a.csv": True, "b.txt": False}
    assert report["to_fetch"] == 1
    assert site.files() == {}


def test_wrong_credentials_fail_and_are_not_told(site: Site, place: Place, servers: Servers) -> None:
    wrong = dict(place.credentials)
    if place.kind.startswith("http"):
        place.url = place.url.replace(f"/{place.folder.name}/", "/secret/")
        (servers.served.root / "secret").mkdir(exist_ok=True)
        wrong = {"login": "x", "password": "a wrong secret"}
    elif place.kind == "sftp":
        wrong["private_key"] = sources.make_private_key()
    elif place.kind == "s3":
        place.url = "s3://no-such-bucket/x"
    else:
        wrong["password"] = "a wrong secret"
    place.credentials = wrong
    report = site.connect(place, retries=3).feed("failed")
    assert any(word in report["error"] for word in ("refuses", "401", "store says", "403")), report["error"]
    assert "a wrong secret" not in f"{report} {site.job.output} {site.job.error}"
    assert report["error"] in site.runs()[-1].report["error"]


@pytest.mark.parametrize("kind", ON_DISK)
def test_half_written_files_wait_until_they_stay_as_they_are(kind: str, site: Site, servers: Servers) -> None:
    place = servers.place(kind)
    place.put("growing.csv", b"half")
    place.put("still.csv.part", b"half")
    site.connect(place, settle_seconds=3600)
    report = site.feed()
    assert site.files() == {}
    assert {one["path"]: one["why"] for one in report["skipped"]} == {
        "growing.csv": "It may still grow.",
        "still.csv.part": "Its name says that it is still coming in.",
    }
    seen = site.memory()["growing.csv"].seen_since
    place.put("growing.csv", b"half and the other half")
    site.feed()
    assert site.memory()["growing.csv"].seen_since > seen
    site.change(parameters={**place.parameters, "settle_seconds": 0.2})
    assert [one["path"] for one in site.feed()["fetched"]] == ["growing.csv"]
    assert site.files() == {"growing.csv": b"half and the other half"}


@pytest.mark.parametrize("kind", ON_DISK)
def test_unreadable_files_fail_and_the_others_come(kind: str, site: Site, servers: Servers) -> None:
    place = servers.place(kind)
    place.put("a.csv", b"one")
    place.put("b.csv", b"secret")
    (place.folder / "b.csv").chmod(0)
    place.put("c.csv", b"three")
    report = site.connect(place).feed("failed")
    assert site.files() == {"a.csv": b"one", "c.csv": b"three"}
    assert [one["path"] for one in report["failed"]] == ["b.csv"]
    assert report["error"].startswith("b.csv: ")
    (place.folder / "b.csv").chmod(0o644)
    assert site.feed()["fetched_files"] == 1


def test_a_connection_that_breaks_is_opened_anew(site: Site, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        place.put(f"{number}.csv", b"x" * 300_000)
    site.connect(place, retries=2)
    real = Transfer._staged
    breaks = ["within", "between"]

    def staged(self: Transfer, remote: Remote, source: Source) -> Staged:
        if remote.path == "1.csv" and "within" in breaks:
            breaks.remove("within")
            next(blocks := source.read(remote))
            source.abort()
            list(blocks)
        done = real(self, remote, source)
        if remote.path == "2.csv" and "between" in breaks:
            breaks.remove("between")
            source.abort()
        return done

    monkeypatch.setattr(Transfer, "_staged", staged)
    report = site.feed()
    assert (report["fetched_files"], breaks) == (4, [])
    assert all(content == b"x" * 300_000 for content in site.files().values())


def test_a_server_that_stalls_amid_a_file_is_given_up(site: Site) -> None:
    half = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\netag: x\r\n\r\n" + b"x" * 500
    with sources.silent_server(half) as port:
        place = Place("http", f"http://127.0.0.1:{port}/a.csv")
        report = site.connect(place, stall_seconds=0.4, retries=1).feed("failed")
    assert report["error"] == "a.csv: The server has fallen silent."
    assert site.files() == {}


@pytest.mark.parametrize("limit", ["stall_seconds", "seconds_per_run"])
@pytest.mark.parametrize("scheme", ["ftp", "ftps", "sftp", "http", "s3"])
def test_a_silent_server_is_given_up(scheme: str, limit: str, site: Site) -> None:
    with sources.silent_server() as port:
        place = Place(scheme, f"{scheme}://127.0.0.1:{port}/x/")
        if scheme == "s3":
            place.url, place.parameters = "s3://bucket/x", {"endpoint": f"http://127.0.0.1:{port}"}
        began = time.monotonic()
        site.connect(place, **{"stall_seconds": 60, "retries": 1, limit: 0.4}).feed("failed")
        assert time.monotonic() - began < 20
    assert ("Trying again" in site.job.output) == (limit == "stall_seconds")


@pytest.fixture(scope="session")
def ten_thousand(servers: Servers) -> str:
    name = servers.served.folder()
    for number in range(10_000):
        (servers.served.root / name / f"{number:05d}.csv").write_bytes(b"%d" % number)
    return name


@pytest.mark.parametrize("kind", ON_DISK)
def test_ten_thousand_files(kind: str, site: Site, servers: Servers, ten_thousand: str) -> None:
    place = servers.place(kind, ten_thousand)
    site.connect(place, files_per_run=20, settle_seconds=0)
    report = site.feed()
    assert (report["seen"], report["fetched_files"], report["skipped_files"]) == (10_000, 20, 9980)
    assert len(report["skipped"]) == 1000
    report = site.feed()
    assert (report["unchanged"], report["fetched_files"]) == (20, 20)
    assert sorted(site.files()) == [f"{number:05d}.csv" for number in range(40)]


def test_many_objects_are_listed_page_by_page(site: Site, servers: Servers) -> None:
    place = servers.place("s3")
    for number in range(1010):
        place.put(f"{number:05d}.csv", b"x")
    report = site.connect(place, files_per_run=5).feed()
    assert (report["seen"], report["fetched_files"], report["skipped_files"]) == (1010, 5, 1005)
