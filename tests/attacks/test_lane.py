"""Where requests are many: keys end at once, bodies are read for callers alone, errors tell others nothing."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI

from entrepot.db import Database, now
from entrepot.identity import ApiKey, Role, keys, projects, users
from entrepot.series import store
from entrepot.series.models import SeriesHead
from entrepot.server.auth import principal_of
from tests.support.another_process import AnotherProcess
from tests.support.asgi import Answer, application, call


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    return application(database, tmp_path)


class Logger:
    """A user with a key, who writes to a series and reads it."""

    def __init__(self, app: FastAPI, database: Database, name: str) -> None:
        self._app, self._database, self._points = app, database, 0
        with database.write() as session:
            organization = users.create_organization(session, name)
            user, _ = users.create_user(session, name)
            users.set_member(session, user, organization, Role.ADMIN)
            project = projects.create_project(session, principal_of(session, user), organization.id, "p")
            series = store.create_series(
                session,
                organization_id=organization.id,
                project_id=project.id,
                generator_kind="direct",
                generator_id=None,
                name="s",
            )
            key, self.token = keys.create_key(session, user.id, organization.id)
            self.user, self.key, self.series, self.number = user.id, key.id, series.id, series.number

    def read(self) -> Answer:
        headers = [("authorization", f"Token {self.token}")]
        return call(self._app, "GET", f"/api/v1/series/{self.series}/points", headers)

    def write(self, body: bytes | None = None) -> Answer:
        self._points += 1
        body = body or orjson.dumps({self.series: {"time": [self._points * 1_000_000], "value": [1.5]}})
        headers = [
            ("authorization", f"Token {self.token}"),
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
        ]
        return call(self._app, "POST", "/api/v1/points", headers, [body])

    def stored(self) -> int:
        with self._database.read() as session:
            return session.get_one(SeriesHead, self.number).count


@pytest.fixture
def elsewhere(database: Database) -> Iterator[AnotherProcess]:
    with AnotherProcess(database.url) as process:
        yield process


def test_what_ends_or_narrows_a_key_elsewhere_does_so_for_the_next_request(
    app: FastAPI, database: Database, elsewhere: AnotherProcess
) -> None:
    past = "2001-01-01 00:00:00.000000" + ("+00:00" if database.dialect == "postgresql" else "")
    key, user, member = (f"UPDATE {table} SET" for table in ("api_key", '"user"', "membership"))
    ends: list[tuple[str, dict[str, Any], int, int]] = [
        (f"{key} revoked_at = '{past}' WHERE id = :key", {}, 401, 401),
        (f"{key} expires_at = '{past}' WHERE id = :key", {}, 401, 401),
        (f"{key} token_sha256 = :other WHERE id = :key", {"other": "0" * 64}, 401, 401),
        (f"{user} disabled = true WHERE id = :user", {}, 401, 401),
        ("DELETE FROM membership WHERE user_id = :user", {}, 401, 401),
        (f"{member} role = 'reader' WHERE user_id = :user", {}, 200, 403),
        (f"{key} scopes = :scopes WHERE id = :key", {"scopes": '["works:read"]'}, 403, 403),
        (f"{key} scopes = :scopes WHERE id = :key", {"scopes": '["series:read"]'}, 200, 403),
        (f"{key} projects = :ids WHERE id = :key", {"ids": '["another"]'}, 404, 404),
        (f"{key} networks = :networks WHERE id = :key", {"networks": '["192.0.2.0/24"]'}, 403, 403),
    ]
    for number, (statement, given, read, written) in enumerate(ends):
        logger = Logger(app, database, f"o{number}")
        for _ in range(2):  # the second time, the key is remembered
            assert (logger.write().status, logger.read().status) == (200, 200)
        for name in ("scopes", "ids", "networks") if database.dialect == "postgresql" else ():
            statement = statement.replace(f":{name}", f"CAST(:{name} AS jsonb)")
        whose = {"key": logger.key} if ":key" in statement else {"user": logger.user}
        elsewhere.execute(statement, **given, **whose)
        assert (logger.read().status, logger.write().status, logger.stored()) == (read, written, 2), statement


def test_a_body_is_not_read_for_a_key_that_was_never_good(app: FastAPI, database: Database) -> None:
    logger = Logger(app, database, "o")
    good, logger.token = logger.token, "ent_made_up"
    assert [(answer.status, answer.taken) for answer in (logger.write(), logger.write())] == [(401, 0)] * 2
    logger.token = good
    assert [logger.write().status, logger.write().status] == [200, 200]


def test_a_revoked_key_learns_nothing_from_what_is_wrong_with_a_body(app: FastAPI, database: Database) -> None:
    logger = Logger(app, database, "o")
    assert logger.write().status == 200
    wrong = (b"{", b'{"another": {"time": [0], "value": [1]}}', b"x" * (2**20 + 1), b'{"a": 1}')
    assert {logger.write(body).status for body in wrong} >= {400, 404, 422}
    with database.write() as session:
        keys.revoke_key(session, session.get_one(ApiKey, logger.key))
    assert {logger.write(body).status for body in wrong} == {401}


def test_a_rotated_token_lasts_for_its_grace_and_no_longer(app: FastAPI, database: Database) -> None:
    logger = Logger(app, database, "o")
    assert logger.write().status == 200
    with database.write() as session:
        key = session.get_one(ApiKey, logger.key)
        keys.rotate_key(session, key, timedelta(hours=1))
    assert (logger.write().status, logger.read().status) == (200, 200)
    with database.write() as session:
        session.get_one(ApiKey, logger.key).previous_expires_at = now() - timedelta(seconds=1)
    assert (logger.write().status, logger.read().status) == (401, 401)
