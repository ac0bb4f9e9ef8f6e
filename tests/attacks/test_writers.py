"""Many who write, or one who holds a lock, keep nobody from reading, and are told when to come back."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from entrepot.db import Database
from entrepot.errors import Unavailable
from entrepot.identity import Role, Vault, keys, users
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

pytestmark = pytest.mark.flaky(reruns=1)  # the seconds of sixty writers are longer on a machine that others load


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Hold the lock that a writer of the table `project` needs, as another process would."""
    other = Database(database.url)
    with other.write() as session:
        session.execute(
            text("LOCK TABLE project IN EXCLUSIVE MODE" if database.dialect == "postgresql" else "SELECT 1")
        )
        yield
    other.close()


def test_a_lock_that_another_process_holds_is_given_up(database: Database) -> None:
    impatient = Database(database.url, patience=0.3)
    with held(database), pytest.raises(Unavailable) as raised, impatient.write() as session:
        session.execute(text("UPDATE project SET name = 'x'"))
    assert raised.value.retry_after == 2
    impatient.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_lane_that_does_not_become_free_is_given_up(database: Database) -> None:
    impatient = Database(database.url, patience=0.2)
    inside, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with impatient.write():
            inside.set()
            let_go.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(20)
    with pytest.raises(Unavailable), impatient.write():
        pass
    let_go.set()
    thread.join()
    impatient.close()


def test_sixty_writers_behind_a_lock_keep_nobody_from_reading(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrepot.server.writers.PATIENCE_SECONDS", 2.0)
    settings = Settings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    Vault.create(settings.secret_key_file)
    with database.write() as session:
        organization = users.create_organization(session, "o")
        user, _ = users.create_user(session, "u")
        users.set_member(session, user, organization, Role.ADMIN)
        _, token = keys.create_key(session, user.id, organization.id, name="k")
    impatient = Database(database.url, patience=2.0)
    app = create_app(Services(settings, impatient))

    async def attack() -> None:
        transport = httpx.ASGITransport(app=app)
        headers = {"authorization": f"Token {token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers, timeout=60) as client:

            def write(number: int) -> Awaitable[httpx.Response]:
                return client.post("/api/v1/projects", json={"name": f"p{number}"})

            with held(database):
                writing = [asyncio.ensure_future(write(number)) for number in range(60)]
                await asyncio.sleep(0)
                for path in ("/api/v1/projects", "/metrics"):
                    assert (await client.get(path)).status_code == 200
                assert not any(one.done() for one in writing), "the reads were answered while all of them waited"
                refused = await asyncio.gather(*writing)
            assert {one.status_code for one in refused} == {503}
            assert {one.headers.get("retry-after") for one in refused} == {"2"}
            assert (await write(1)).status_code == 201

    asyncio.run(attack())
    impatient.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_who_comes_while_the_lock_is_held_reads_at_once(database: Database) -> None:
    with held(database):
        newcomer = Database(database.url, patience=0.2)
        with newcomer.read() as session:
            assert session.scalar(text("SELECT count(*) FROM project")) == 0
            assert session.scalar(text("PRAGMA auto_vacuum")) == 2
        newcomer.close()
