"""Bodies that nobody answers for, that are too large, or too many."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from entrepot.db import Database
from entrepot.identity import Role, Vault, keys, projects, users
from entrepot.server.auth import principal_of
from entrepot.server.bodies import Room
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support.asgi import Answer, call, routes

CHUNKED = ("transfer-encoding", "chunked")
MEBIBYTE = b"x" * 2**20


@pytest.fixture
def database_kind() -> str:
    """What comes before the database does not depend on it."""
    return "sqlite"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    data = tmp_path / "data"
    data.mkdir()
    return Settings(data_dir=data, max_body_bytes=4 * 2**20, max_small_body_bytes=1000, max_bodies_bytes=6 * 2**20)


@pytest.fixture
def app(database: Database, settings: Settings) -> FastAPI:
    Vault.create(settings.secret_key_file)
    return create_app(Services(settings, database))


@pytest.fixture
def token(database: Database) -> str:
    with database.write() as session:
        organization = users.create_organization(session, "o")
        user, _ = users.create_user(session, "admin")
        users.set_member(session, user, organization, Role.ADMIN)
        projects.create_project(session, principal_of(session, user), organization.id, "p")
        return keys.create_key(session, user.id, organization.id)[1]


def endless() -> Iterator[bytes]:
    while True:
        yield MEBIBYTE


def send(app: FastAPI, method: str, path: str, *headers: tuple[str, str]) -> Answer:
    return call(app, method, re.sub(r"{\w+(:\w+)?}", "1", path), headers, endless())


def test_no_route_takes_a_byte_from_nobody(app: FastAPI) -> None:
    """All routes and methods, and what is no route or no method, with a body that has no end."""
    count = 0
    for path, method, declared in routes(app.router.routes):
        answer = send(app, method, path, CHUNKED)
        count += 1
        if declared is not None and declared.access != "open":
            assert (answer.status, answer.asked) == (401, 0), (method, path, answer.status, answer.taken)
        elif declared is not None and answer.status == 413:
            assert answer.taken <= 2**20, (method, path)
        else:
            assert answer.taken == 0, (method, path)
    assert count > 300
    for method, path in (("POST", "/api/v1/nothing"), ("PUT", "/health"), ("POST", "/"), ("BREW", "/api/v1/me")):
        answer = send(app, method, path, CHUNKED)
        assert (answer.status in (404, 405), answer.taken) == (True, 0)


def test_a_body_that_is_too_long_is_cut_off_on_every_route(app: FastAPI, token: str) -> None:
    """Chunked, it ends at the limit of its route; declared, before its first byte."""
    known = ("authorization", f"Token {token}")
    sizes = set()
    for path, method, declared in routes(app.router.routes):
        if path.endswith("/") or "//" in path:  # another spelling
            continue
        if declared is None or getattr(declared, "size", declared.body) == "stream":
            continue
        sizes.add(size := getattr(declared, "size", declared.body))
        # What has no body in the end is a native route without one.
        most = {"none": 0, "small": 2**20, "large": 5 * 2**20}[size]
        assert send(app, method, path, known, CHUNKED).taken <= most, (method, path)
        answer = send(app, method, path, known, ("content-length", str(2**40)))
        assert answer.taken == 0, (method, path)
        if answer.status == 413:
            name = "max_body_bytes" if size == "large" else "max_small_body_bytes"
            assert name.encode() in answer.body, (method, path, answer.body)
    assert sizes == {"none", "small", "large"}
    assert send(app, "POST", "/api/v1/points", known, ("content-length", str(2**40))).status == 413
    json = ("content-type", "application/json")
    assert send(app, "POST", "/api/v1/projects", known, json, CHUNKED).status == 413


def test_many_bodies_at_once_share_one_room(app: FastAPI, token: str) -> None:
    """What is held is counted; who comes when all is taken is told when to come again, and the rest goes on."""
    table = app.router.middleware_stack
    room: Room = table._room  # type: ignore[attr-defined]
    room.held = room.together - 2 * 2**20  # other requests
    headers = [("authorization", f"Token {token}"), CHUNKED]
    busy = call(app, "POST", "/api/v1/points", headers, [MEBIBYTE] * 3)
    assert (busy.status, busy.headers["retry-after"], busy.taken) == (503, "5", 3 * 2**20)
    assert call(app, "POST", "/api/v1/points", headers, [b"{}"]).status == 200
    assert call(app, "GET", "/api/v1/me", headers[:1]).status == 200
    assert room.held == room.together - 2 * 2**20, "what requests took, they gave back"


def test_forms_have_few_fields(app: FastAPI) -> None:
    """A form with fields by the thousand is refused before they are told apart."""
    headers = [("content-type", "application/x-www-form-urlencoded"), ("content-length", "900")]
    answer = call(app, "POST", "/console/login", headers, [b"&".join([b"a=1"] * 225)])
    assert answer.status == 400, answer.body


def test_a_multipart_form_is_bounded_in_all_its_parts(app: FastAPI, token: str) -> None:
    """Fields by the thousand, a field, a header of a part without end."""
    headers = [("authorization", f"Token {token}"), ("content-type", "multipart/form-data; boundary=b"), CHUNKED]
    field = b'--b\r\ncontent-disposition: form-data; name="%d"\r\n\r\nx\r\n'
    many = call(app, "POST", "/api/v1/files", headers, (field % number for number in range(1_000_000)))
    assert (many.status, many.taken < 9 * 2**20) == (422, True)
    for start, status in ((field[:-3] % 1, 413), (b"--b\r\nx-long: ", 400)):
        answer = call(app, "POST", "/api/v1/files", headers, [start, *[MEBIBYTE] * 20])
        assert (answer.status, answer.taken < 9 * 2**20) == (status, True), answer.body
