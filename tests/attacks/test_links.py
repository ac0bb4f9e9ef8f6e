"""Attacks on the link that signs in without a password: used twice, late, from elsewhere, by another site."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.identity import Role, User, sessions, users
from entrepot.identity.models import SignInLink
from tests.support.asgi import application

HERE = "http://127.0.0.1"


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    with database.write() as session:
        own = users.create_organization(session, "own")
        user, _ = users.create_user(session, "ada", "correct horse")
        users.set_member(session, user, own, Role.ADMIN)
    return application(database, tmp_path)


def link(database: Database, path: str = "/console/projects") -> str:
    with database.write() as session:
        return f"/console/link?token={sessions.make_link(session, users.find_user(session, 'ada'), path)}"


def visitor(app: FastAPI, url: str = HERE, address: str = "127.0.0.1") -> TestClient:
    return TestClient(app, base_url=url, client=(address, 5000), follow_redirects=False)


def test_a_link_signs_in_once(app: FastAPI, database: Database) -> None:
    address, first = link(database), visitor(app)
    answer = first.get(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/projects")
    assert all(part in answer.headers["set-cookie"] for part in ("HttpOnly", "SameSite=lax", "Path=/console"))
    assert first.get("/console/projects").status_code == 200
    for again in (first, visitor(app)):
        answer = again.get(address)
        assert answer.status_code == 404
        assert "set-cookie" not in answer.headers


def test_a_link_is_over_after_ten_minutes_and_at_the_end_of_its_user(app: FastAPI, database: Database) -> None:
    old, disabled = link(database), link(database)
    with database.write() as session:
        digest = sha256(old.partition("token=")[2].encode()).hexdigest()
        first = session.query(SignInLink).filter_by(token_sha256=digest).one()
        first.expires_at -= timedelta(minutes=10)
    assert visitor(app).get(old).status_code == 404
    with database.write() as session:
        users.disable(session, session.query(User).one())
    assert visitor(app).get(disabled).status_code == 404


def test_a_link_signs_nobody_in_from_another_machine_nor_through_a_proxy(app: FastAPI, database: Database) -> None:
    address = link(database)
    assert visitor(app, address="192.0.2.7").get(address).status_code == 404
    assert visitor(app, url="http://results.example").get(address).status_code == 404
    for name in ("x-forwarded-for", "forwarded", "via", "x-real-ip"):
        assert visitor(app).get(address, headers={name: "127.0.0.1"}).status_code == 404, name
    assert visitor(app).get(address).status_code == 303, "none of these used it up"


def test_a_page_of_another_site_signs_nobody_in_by_a_link(app: FastAPI, database: Database) -> None:
    address = link(database)
    assert visitor(app).get(address, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert visitor(app).get(address, headers={"sec-fetch-site": "none"}).status_code == 303


def test_a_link_leads_nowhere_but_into_the_console(app: FastAPI, database: Database) -> None:
    for path in ("//evil.example/", "https://evil.example/console/", "/console/\\evil"):
        assert visitor(app).get(link(database, path)).headers["location"] == "/console", path
    for token in ("", "x", "%00", "x" * 5000):
        assert visitor(app).get(f"/console/link?token={token}").status_code == 404, token[:10]
