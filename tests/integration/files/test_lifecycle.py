"""Publishing into every kind of storage, expiry, and what is left of uploads that were given up."""

import hashlib
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, update

from entrepot.db import Database, now
from entrepot.errors import EntrepotError, Gone, InvalidInput
from entrepot.events.models import Event
from entrepot.files import lifecycle, storages
from entrepot.files.models import PublishedFile, Storage, Upload
from entrepot.files.publish import Description, Publisher, safe_name
from entrepot.files.spool import Spool, spool_folder
from entrepot.files.storages import open_storage
from entrepot.identity import Principal, Vault
from entrepot.jobs import enqueue
from entrepot.jobs.testing import run_pending
from entrepot.lineage import explain
from entrepot.requests.models import DataRequest, RequestStep
from entrepot.settings import Settings

Publish = Callable[..., PublishedFile]


@pytest.fixture
def admin(make_principal: Callable[..., Principal]) -> Principal:
    return make_principal()


@pytest.fixture
def publish(database: Database, settings: Settings, vault: Vault, admin: Principal, tmp_path: Path) -> Publish:
    def act(content: bytes = b"{}", **fields: Any) -> PublishedFile:
        source = tmp_path / "made"
        source.write_bytes(content)
        publisher = Publisher(database, settings, vault)
        with publisher.storing_path(admin, source, Description.of(fields)) as stored, database.write() as session:
            return stored.record(session)

    return act


def _one(database: Database, model: Any) -> Any:
    with database.read() as session:
        return session.scalars(select(model)).one()


def _left(settings: Settings) -> list[str]:
    return [str(path) for path in spool_folder(settings).rglob("*") if path.is_file()]


def _run(database: Database, settings: Settings, vault: Vault, kind: str) -> Any:
    with database.write() as session:
        enqueue(session, kind)
    return next(job for job in run_pending(database, settings, {"vault": vault}) if job.kind == kind).result


def test_into_a_storage_of_the_users(
    database: Database, settings: Settings, vault: Vault, admin: Principal, place: dict[str, Any], publish: Publish
) -> None:
    with database.write() as session:
        config = storages.create_storage(session, admin, settings, vault, signed=True, **place)
        storages.defaults_of(session, admin.organization_id).storage_id = config.id
    content = os.urandom(9_000_000)
    file = publish(content, name="a.bin")
    assert (file.storage_id, file.sha256) == (config.id, hashlib.sha256(content).hexdigest())
    stored = open_storage(settings, vault, config)
    assert b"".join(stored.read(file.path)) == content
    assert _left(settings) == []
    with database.read() as session:
        assert session.scalars(select(Upload)).all() == []
        if secret := session.scalars(select(Storage)).one().credentials_encrypted:
            assert "secret" not in secret
    with database.write() as session:
        session.execute(update(PublishedFile).values(created_at=now() - timedelta(days=1000)))
    assert _run(database, settings, vault, lifecycle.EXPIRE) == {"expired": 0}, "a client's storage is not cleaned"
    assert stored.size(file.path) == len(content)


@pytest.mark.parametrize("own", [True, False])
def test_what_was_killed_is_published_again(
    database: Database, settings: Settings, vault: Vault, admin: Principal, tmp_path: Path, own: bool
) -> None:
    fields, root = {}, settings.files_dir / admin.organization_id
    if not own:
        root = tmp_path / "exports"
        with database.write() as session:
            config = storages.create_storage(session, admin, settings, vault, url=f"local://{root}")
            fields["storage"] = config.id
    spool = Spool(settings, admin.organization_id)
    spool.create()
    spool.append(0, [b"whole"])
    place = root / spool.id[:2] / spool.id
    place.parent.mkdir(parents=True, exist_ok=True)
    if own:
        place.hardlink_to(spool.path)
    else:
        place.write_bytes(b"who")
    stored = Publisher(database, settings, vault).publish(admin, spool, spool.digest(), Description.of(fields))
    assert stored.file.id == spool.id
    assert place.read_bytes() == b"whole"
    assert _left(settings) == []


def test_everything_that_publishing_tells(database: Database, publish: Publish) -> None:
    file = publish(name="x.json")
    poll, task = _one(database, DataRequest), _one(database, RequestStep)
    assert (poll.status, task.status, file.request_id, file.step_id) == ("completed", "succeeded", poll.id, task.id)
    with database.read() as session:
        happened = [f"{one.type}.{one.action}" for one in session.scalars(select(Event).order_by(Event.number))]
        (run,) = explain(session, "file", file.id)
    assert happened == ["request.created", "step.created", "file.published", "step.succeeded", "request.completed"]
    assert run["generator"]["kind"] == "upload"


def test_all_or_nothing(
    database: Database, settings: Settings, publish: Publish, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any, **_options: Any) -> None:
        raise EntrepotError("no")

    for target in ("entrepot.files.publish.emit", "entrepot.requests.requested.tell_answered"):
        with monkeypatch.context() as patched:
            patched.setattr(target, broken)
            with pytest.raises(EntrepotError):
                publish()
    with pytest.raises(InvalidInput):
        publish(request="nothing")
    with database.read() as session:
        for model in (PublishedFile, DataRequest, RequestStep, Event, Upload):
            assert session.scalars(select(model)).all() == [], model
    assert [str(path) for path in settings.files_dir.rglob("*") if path.is_file()] == []


def test_files_expire_in_their_time(
    database: Database, settings: Settings, vault: Vault, admin: Principal, publish: Publish
) -> None:
    fresh, old, consumed = publish(b"1"), publish(b"2"), publish(b"3")
    with database.write() as session:
        lifecycle.acknowledge_many(session, admin, [consumed.id])
        mine = update(PublishedFile)
        session.execute(mine.where(PublishedFile.id == old.id).values(created_at=now() - timedelta(days=91)))
        session.execute(mine.where(PublishedFile.id == consumed.id).values(consumed_at=now() - timedelta(days=31)))
    assert _run(database, settings, vault, lifecycle.EXPIRE) == {"expired": 2}
    assert _run(database, settings, vault, lifecycle.EXPIRE) == {"expired": 0}
    with database.write() as session:
        found = {one.id: one for one in session.scalars(select(PublishedFile))}
        assert [found[one.id].status for one in (fresh, old, consumed)] == ["available", "expired", "expired"]
        assert found[old.id].expired_at is not None
        with pytest.raises(Gone):
            lifecycle.require_bytes(found[old.id])
        (again,) = lifecycle.acknowledge_many(session, admin, [old.id])
        assert again.status == "expired", "acknowledging what expired changes nothing"
    files = [path.name for path in settings.files_dir.rglob("*") if path.is_file()]
    assert files == [fresh.id]


def test_many_ids_are_looked_up_and_not_walked_to(database: Database, admin: Principal) -> None:
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL keeps statistics")
    asked: list[tuple[str, Any]] = []
    with database.write() as session:
        event.listen(session.connection(), "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        lifecycle.acknowledge_many(session, admin, [f"{number}" for number in range(500)])
        plans = [
            row[3]
            for sql, parameters in list(asked)
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)
            if "published_file" in row[3]
        ]
    assert len(plans) == 2
    assert all("(id=?)" in plan for plan in plans), plans


def test_what_was_given_up_is_swept(
    database: Database, settings: Settings, vault: Vault, admin: Principal, publish: Publish
) -> None:
    kept = publish(b"kept")
    long_ago = (now() - timedelta(days=2)).timestamp()
    # Killed while it came in; killed after it was linked into place; and one that has been coming in for days.
    came, linked, coming = (Spool(settings, admin.organization_id) for _ in range(3))
    coming.receive()
    for spool in (came, linked):
        spool.create()
    own = settings.files_dir / admin.organization_id / linked.id[:2]
    own.mkdir(parents=True, exist_ok=True)
    (own / linked.id).hardlink_to(linked.path)
    for spool in (came, linked, coming):
        os.utime(spool.path, (long_ago, long_ago))
    # An upload in parts that nobody went on with.
    parts = Spool(settings, admin.organization_id)
    parts.create()
    with database.write() as session:
        session.add(
            Upload(
                id=parts.id,
                organization_id=admin.organization_id,
                user_id=admin.user_id,
                touched_at=now() - timedelta(days=2),
            )
        )
    assert _run(database, settings, vault, lifecycle.SWEEP) == {"removed": 3}
    assert _left(settings) == [str(coming.path)]
    names = {path.name for path in settings.files_dir.rglob("*") if path.is_file()}
    assert names == {kept.id, coming.id}
    coming.release()  # its process was killed
    assert _run(database, settings, vault, lifecycle.SWEEP) == {"removed": 1}
    assert _left(settings) == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.txt", "a.txt"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\x", "x"),
        ("..", ""),
        ("a\r\nb", "a__b"),
        ("\u202ex", "_x"),
        ("\ud800", "_"),
        (" . a . ", "a"),
    ],
)
def test_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe
