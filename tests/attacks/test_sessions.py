"""Sessions, streams and links end with what gave the right to them; other sites use nobody's browser."""

import ftplib
import functools
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from starlette.testclient import TestClient

from entrepot import jobs
from entrepot.db import Database
from entrepot.files.models import PublishedFile, Storage
from entrepot.identity import ApiKey, ConsoleSession, Role, User, Vault, ftp, keys, users
from entrepot.rows import Site
from entrepot.server.ftp.server import Server
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support.deadline import eventually

pytestmark = pytest.mark.turns

PASSWORD = "correct horse"
LOGIN = {"login": "ada", "password": PASSWORD}


@pytest.fixture
def services(database: Database, tmp_path: Path) -> Services:
    settings = Settings(data_dir=tmp_path)
    Vault.create(settings.secret_key_file)
    with database.write() as session:
        organization = users.create_organization(session, "O")
        for login in ("ada", "eve"):
            user, _ = users.create_user(session, login, PASSWORD)
            users.set_member(session, user, organization, Role.ADMIN)
    return Services(settings, database)


@pytest.fixture
def app(services: Services) -> Iterator[FastAPI]:
    app = create_app(services)
    yield app
    app.state.stopping = True


def change(services: Services, what: Callable[[Any, User], object], login: str = "ada") -> None:
    with services.database.write() as session:
        what(session, users.find_user(session, login))


def new_password(session: Any, user: User) -> None:
    users.set_password(session, user, "another horse")


def disable(_: Any, user: User) -> None:
    user.disabled = True


def leave(session: Any, user: User) -> None:
    users.remove_member(session, user, users.find_organization(session, "O"))


def logged_in(app: FastAPI, login: str = "ada") -> TestClient:
    client = TestClient(app, follow_redirects=False)
    assert client.post("/console/login", data=LOGIN | {"login": login}).status_code == 303
    return client


def form_token(client: TestClient) -> str:
    return client.get("/console/rows").text.partition('name="form_token" value="')[2].partition('"')[0]


# The console


def test_a_cookie_that_was_kept_is_worth_nothing_after_signing_out(app: FastAPI, services: Services) -> None:
    ada, other = logged_in(app), logged_in(app)
    cookie = ada.cookies["entrepot_session"]
    assert ada.post("/console/logout", data={"form_token": form_token(ada)}).status_code == 303
    thief = TestClient(app, headers={"cookie": f"entrepot_session={cookie}"})
    assert thief.get("/console/rows").status_code == 401
    assert other.get("/console/rows").status_code == 200, "the one that signed out, no other"
    with services.database.read() as session:
        stored = session.scalars(select(ConsoleSession.token_sha256)).all()
        assert len(stored) == 1
        assert cookie not in stored


@pytest.mark.parametrize("end", [new_password, disable, leave])
def test_every_session_ends_with_the_right_to_it(app: FastAPI, services: Services, end: Any) -> None:
    sessions, eve = [logged_in(app), logged_in(app)], logged_in(app, "eve")
    change(services, end)
    assert [one.get("/console/rows").status_code for one in sessions] == [401, 401]
    assert eve.get("/console/rows").status_code == 200


def test_no_cookie_keeps_anybody_from_logging_in(app: FastAPI) -> None:
    ada = logged_in(app)
    stale = ada.cookies["entrepot_session"]
    ada.post("/console/logout", data={"form_token": form_token(ada)})
    for junk in (
        stale,
        "x",
        "a.b",
        "a.b.c.d.e",
        "1.2.3.4",
        "",
        ".",
        "é",
        "\xff\xfe",
        "a" * 20_000,
        '"',
        "%00",
        "a=b;c",
    ):
        tossed = [(b"cookie", b"entrepot_session=" + junk.encode("latin-1"))]
        client = TestClient(app, follow_redirects=False, raise_server_exceptions=False)
        assert client.get("/console/rows", headers=tossed).status_code == 401, junk
        answer = client.post("/console/login", data=LOGIN, headers=tossed)
        assert answer.status_code == 303, junk
        own = answer.headers["set-cookie"].partition(";")[0].encode()
        for cookies in (own + b"; " + tossed[0][1], tossed[0][1] + b"; " + own):  # such as one of another path
            seen = TestClient(app, follow_redirects=False).get("/console/rows", headers=[(b"cookie", cookies)])
            assert seen.status_code == 200, (junk, cookies)


def test_a_form_of_another_session_is_refused(app: FastAPI) -> None:
    ada, eve = logged_in(app), logged_in(app, "eve")
    assert ada.post("/console/logout", data={"form_token": form_token(eve)}).status_code == 403
    assert ada.get("/console/rows").status_code == 200


# Pages of other sites

CROSS = ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"},
         {"origin": "null"}, {"origin": "http://testserver.evil.example"})  # fmt: skip
OWN: tuple[dict[str, str], ...] = (
    {},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
    {"origin": "http://testserver"},
)
WRITES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/api/v1/projects", {"name": "p"}),
    ("POST", "/api/v1/webhooks", {"url": "https://example.org/"}),
    ("POST", "/api/v1/keys", {}),
    ("POST", "/owi/api/v1/locations/projectsites", {"title": "Belwind"}),
    ("POST", "/ovbp/api/v2/odata/gates/", {"name": "gate"}),
    ("POST", "/workflow/buckets/work", {"pipeline": "p", "site": "local", "user": "ada"}),
    ("GET", "/workflow/buckets/audit/failed", None),
    ("POST", "/ricloud/users", {"identifier": "x"}),
)


@pytest.mark.parametrize("headers", CROSS, ids=str)
def test_pages_of_other_sites_cannot_use_a_password_that_a_browser_keeps(
    app: FastAPI, services: Services, headers: dict[str, str]
) -> None:
    client = TestClient(app)
    for method, path, body in WRITES:
        for kind in ("application/json", "text/plain"):
            sent = headers | ({"content-type": kind} if body is not None else {})
            content = None if body is None else orjson.dumps(body)
            answer = client.request(method, path, content=content, headers=sent, auth=("ada", PASSWORD))
            assert answer.status_code == 403, (path, answer.text)
    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Site)) == 0
        assert session.scalar(select(func.count()).select_from(ApiKey)) == 0
    assert client.get("/api/v1/me", headers=headers, auth=("ada", PASSWORD)).status_code == 200, "reading is no harm"
    ada = logged_in(app)
    assert ada.post("/console/logout", data={"form_token": form_token(ada)}, headers=headers).status_code == 403
    assert client.post("/console/login", data=LOGIN, headers=headers).status_code == 403


def test_pages_of_this_site_and_keys_may_write(app: FastAPI, services: Services) -> None:
    with services.database.write() as session:
        user = users.find_user(session, "ada")
        _, token = keys.create_key(session, user.id, next(iter(users.memberships(session, user.id))))
    client = TestClient(app)
    for n, headers in enumerate((*OWN, *({"authorization": f"Token {token}", **one} for one in CROSS))):
        auth = None if "authorization" in headers else ("ada", PASSWORD)
        answer = client.post(
            "/owi/api/v1/locations/projectsites", content=f'{{"title": "{n}"}}', headers=headers, auth=auth
        )
        assert answer.status_code == 201, (headers, answer.text)


def test_native_routes_take_no_json_that_does_not_say_so(app: FastAPI) -> None:
    client = TestClient(app)
    for path, body in (("/api/v1/keys", b"{}"), ("/api/v1/webhooks", b'{"url": "https://example.org/"}'),
                       ("/api/v1/files/ack", b'{"ids": []}')):  # fmt: skip
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None, ""):
            said = {} if kind is None else {"content-type": kind}
            answer = client.post(path, content=body, headers=said, auth=("ada", PASSWORD))
            assert (answer.status_code, answer.json()["type"]) == (415, "/docs#problem-not-json"), (path, kind)
        sent = {"content-type": "application/json; charset=utf-8"}
        assert client.post(path, content=body, headers=sent, auth=("ada", PASSWORD)).status_code in (200, 201)


# Streams of events


def revoke(session: Any, user: User) -> None:
    for key in session.scalars(select(ApiKey).where(ApiKey.user_id == user.id)):
        keys.revoke_key(session, key)


def test_streams_end_with_the_right_to_them(app: FastAPI, services: Services) -> None:
    ends = {"ada": new_password, "bob": disable, "cyd": leave, "dan": revoke, "eve": None}
    credentials: dict[str, dict[str, Any]] = {"ada": {"auth": ("ada", PASSWORD)}}
    with services.database.write() as session:
        organization = users.find_organization(session, "O")
        for login in ("bob", "cyd", "dan", "eve"):
            user = users.find_user(session, login) if login == "eve" else users.create_user(session, login, PASSWORD)[0]
            users.set_member(session, user, organization, Role.ADMIN)
            _, token = keys.create_key(session, user.id, organization.id)
            credentials[login] = {"headers": {"authorization": f"Token {token}"}}
        job = jobs.enqueue(session, "importer.run", organization_id=organization.id).id
    answers: dict[tuple[str, str], httpx.Response] = {}

    def listen(login: str, path: str, accept: str) -> None:
        given = credentials[login]
        headers = {"accept": accept} | given.get("headers", {})
        answers[login, path] = TestClient(app).get(path, headers=headers, auth=given.get("auth"))

    poll, *streams = "/api/v1/events?after=latest&wait=60", "/api/v1/events/stream", f"/api/v1/jobs/{job}/stream"
    threads = {
        (login, path): threading.Thread(target=listen, args=(login, path, accept), daemon=True)
        for login in ends
        for path, accept in ((poll, "application/json"), *((stream, "text/event-stream") for stream in streams))
    }
    for thread in threads.values():
        thread.start()
    waiting = app.state.waiting._by_user
    eventually(lambda: sum(waiting.values()) == len(threads) or answers)
    assert answers == {}
    for login, end in ends.items():
        if end is not None:
            change(services, end, login)
    for (login, _), thread in threads.items():
        if login != "eve":
            thread.join(40)
    assert {key: one.status_code for key, one in answers.items()} == {
        (login, path): 401 if path == poll else 200
        for login in ("ada", "bob", "cyd", "dan")
        for path in (poll, *streams)
    }
    app.state.stopping = True
    for thread in threads.values():
        thread.join(20)
    assert len(answers) == 15


# FTP


Signed = Callable[[str], ftplib.FTP]


@pytest.fixture
def signed_in(services: Services) -> Iterator[Signed]:
    """Signs in to an FTP server by the account of a home folder."""
    homes = ["gates/one", "gates/two"]
    with services.database.write() as session:
        homes += [f"users/{users.find_user(session, login).id}" for login in ("ada", "eve")]
        accounts = {home: ftp.ensure_account(session, services.vault, "O", home) for home in homes}
    server = Server(services, socket.create_server(("127.0.0.1", 0)))
    server.poll_timeout = 0.02
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), kwargs={"handle_exit": False})
    thread.start()
    clients: list[ftplib.FTP] = []

    def sign_in(home: str) -> ftplib.FTP:
        clients.append(client := ftplib.FTP(timeout=20))
        client.connect("127.0.0.1", server.address[1])
        client.login(accounts[home].login, ftp.account_password(services.vault, accounts[home]))
        return client

    yield sign_in
    for client in clients:
        client.close()
    server.ioloop.call_later(0, server.close_all)
    thread.join(20)


def is_over(client: ftplib.FTP) -> bool:
    try:
        client.voidcmd("NOOP")
    except (ftplib.Error, EOFError, OSError):
        return True
    return False


def test_ftp_sessions_end_with_the_right_to_them(services: Services, signed_in: Signed) -> None:
    with services.database.read() as session:
        ada, eve = (f"users/{users.find_user(session, login).id}" for login in ("ada", "eve"))
    clients = {home: signed_in(home) for home in ("gates/one", "gates/two", ada, eve)}
    assert not any(is_over(client) for client in clients.values())
    change(services, new_password)
    change(services, disable, "eve")
    with services.database.write() as session:
        account = ftp.find_account(session, home="gates/one")
        assert account is not None
        ftp.set_password(services.vault, account, "another one")
    for home in (ada, eve, "gates/one"):
        assert eventually(functools.partial(is_over, clients[home]), 20)
    assert not is_over(clients["gates/two"])


# Signed links


def test_signed_links_end_with_their_file_or_its_storage(app: FastAPI, services: Services) -> None:
    client, ada = TestClient(app), ("ada", PASSWORD)

    def publish(name: str) -> dict[str, Any]:
        answer = client.post("/api/v1/files", files={"file": (name, b"content")}, data={"identifier": name}, auth=ada)
        assert answer.status_code == 201, answer.text
        record: dict[str, Any] = answer.json()
        assert client.get(record["signed_url"]["url"]).content == b"content"
        return record

    consumed, expired, removed, kept = (publish(name) for name in ("consumed", "expired", "removed", "kept"))

    def file(session: Any, record: dict[str, Any]) -> PublishedFile:
        found: PublishedFile = session.scalars(select(PublishedFile).where(PublishedFile.id == record["id"])).one()
        return found

    def status(record: dict[str, Any]) -> tuple[int, int]:
        url = record["signed_url"]["url"]
        return client.get(url).status_code, client.head(url).status_code

    assert client.post(f"/api/v1/files/{consumed['id']}/ack", auth=ada).status_code == 200
    with services.database.write() as session:
        file(session, expired).status = "expired"
        session.delete(file(session, removed))
    assert [status(record) for record in (consumed, expired, removed)] == [(410, 410)] * 3
    for record in (consumed, expired):
        assert client.get(f"/api/v1/files/{record['id']}", auth=ada).json()["signed_url"] is None
        assert client.post(f"/api/v1/files/{record['id']}/sign", auth=ada).status_code == 409
    assert client.get(f"/api/v1/files/{consumed['id']}/download", auth=ada).content == b"content", "by a key, as before"
    assert status(kept) == (200, 200)
    for name, value, before in (("signed", False, True), ("status", "deactivated", "valid")):
        for wanted, seen in ((value, (410, 410)), (before, (200, 200))):
            with services.database.write() as session:
                setattr(session.scalars(select(Storage)).one(), name, wanted)
            assert status(kept) == seen, name
