"""What docs/scaling.md says: parts on empty folders, nginx in front, a standby."""

import ftplib
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from entrepot.db import Database
from entrepot.jobs.models import Lease
from entrepot.jobs.scheduler import LEASE
from tests.support import s3, warm
from tests.support.deadline import eventually
from tests.support.interface import PARSE
from tests.support.postgres import Cluster
from tests.support.site import Site


@pytest.fixture(scope="module")
def site(postgres: Cluster) -> Iterator[Site]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entrepot-scaling-")))
        folder.chmod(0o755)
        store = stack.enter_context(s3.running())
        yield Site(folder, postgres, store, stack)


@pytest.fixture(scope="module")
def front(site: Site) -> Iterator[Callable[[], httpx.Client]]:
    """Clients that reach the web servers through nginx."""
    with site.behind_nginx() as client:
        yield client


def test_a_file_by_ftp_is_imported_by_a_worker_that_was_killed_meanwhile_and_is_had_everywhere(
    site: Site, front: Callable[[], httpx.Client]
) -> None:
    site.start("ftp-1", "ftp-2", "worker-1", *(() if site.parts["web-1"]._process else ("web-1",)))
    with front() as client:

        def ask(method: str, path: str, **given: Any) -> Any:
            return client.request(method, f"/api/v1{path}", **given).raise_for_status().json()

        ask("POST", "/projects", json={"name": "Farm"})
        gate = ask("POST", "/gates", json={"project": "Farm", "name": "scada"})
        given = {"project": "Farm", "name": "scada", "gate": "scada", "parse": PARSE, "clock": "UTC"}
        importer = ask("POST", "/importers", json=given)
        login = ask("GET", f"/gates/{gate['id']}/account")["login"], ask("GET", f"/gates/{gate['id']}/account/password")
        with ftplib.FTP(timeout=30) as one:
            one.connect("127.0.0.1", site.ports["ftp-1"])
            one.login(login[0], login[1]["password"])
            for number in range(20):
                one.storbinary(f"STOR {number}.csv", io.BytesIO(f"t,p\n2024-03-{number + 1:02}T00:00Z,1\n".encode()))
        run = ask("POST", f"/importers/{importer['id']}/runs", json={})
        eventually(lambda: ask("GET", f"/runs/{run['id']}")["status"] == "running", 60, every=0.02)
        site.parts["worker-1"].kill9()
        site.parts["worker-1"].start()
        eventually(lambda: ask("GET", f"/runs/{run['id']}")["status"] == "finished", 120)
        assert len(ask("GET", f"/importers/{importer['id']}/files")["items"]) == 20
        with ftplib.FTP(timeout=30) as two:
            two.connect("127.0.0.1", site.ports["ftp-2"])
            two.login(login[0], login[1]["password"])
            assert len(two.nlst()) == 20
    for name in ("ftp-1", "ftp-2", "worker-1"):
        assert not list((site.folder / "parts" / name).rglob("*.csv"))
        site.parts[name].stop()


def test_a_scheduler_that_is_killed_is_followed_by_the_standby_within_15_seconds(site: Site) -> None:
    database = Database(site.database_url.replace("postgresql://", "postgresql+psycopg://"))

    def holder() -> str | None:
        with database.read() as session:
            return session.scalar(select(Lease.holder).where(Lease.name == LEASE))

    site.start("scheduler-1")
    eventually(lambda: holder() is not None, 30)
    first = holder()
    site.start("scheduler-2")
    assert holder() == first
    site.parts["scheduler-1"].kill9()
    began = time.monotonic()
    eventually(lambda: holder() != first, 20, message="nobody took over")
    assert time.monotonic() - began < 15
    site.parts["scheduler-2"].stop()
    database.close()


def test_a_part_with_another_bucket_does_not_start(site: Site, tmp_path: Path) -> None:
    environment = site.environment | {"ENTREPOT_STORAGE_URL": "s3://scaling/elsewhere"}
    done = warm.run(["serve", "--data-dir", tmp_path / "part", "--only", "scheduler"], environment)
    assert done.returncode == 1
    assert b"storage_url" in done.stdout + done.stderr


def test_a_backup_goes_into_the_bucket_and_is_restored_from_there(site: Site, postgres: Cluster) -> None:
    told = site.run(f"{site.backup.strip()} --json")
    url = httpx.Response(200, content=told).json()["file"]
    assert "/backups/" in url
    again = postgres.create()
    environment = dict(site.environment)
    site.environment |= {
        "ENTREPOT_DATABASE_URL": postgres.url(again),
        "ENTREPOT_STORAGE_URL": "s3://scaling/again",
    }
    try:
        site.run(f"entrepot restore {url} --data-dir parts/again")
        assert b"problems" not in site.run("entrepot check --data-dir parts/again --files")
    finally:
        site.environment.clear()
        site.environment |= environment
