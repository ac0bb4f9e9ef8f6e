"""Guessing passwords: who does is slowed and refused at every door, and keeps nobody else out."""

import threading
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from typer.testing import CliRunner

from entrepot.cli import app as command
from entrepot.db import Database
from entrepot.identity import Role, Vault, bans, keys, users
from entrepot.server.ftp.bans import Bans
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support.deadline import eventually

PASSWORD = "correct horse"
MOST = 4
HOME, ELSEWHERE = "192.0.2.7", "203.0.113.9"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path, login_max_failures=MOST)
    Vault.create(settings.secret_key_file)
    return settings


@pytest.fixture
def token(database: Database) -> str:
    """Two users, and a key of one."""
    with database.write() as session:
        organization = users.create_organization(session, "O")
        for login in ("ada", "eve"):
            user, _ = users.create_user(session, login, PASSWORD)
            users.set_member(session, user, organization, Role.ADMIN)
        return keys.create_key(session, user.id, organization.id)[1]


@pytest.fixture
def app(settings: Settings, database: Database, token: str) -> FastAPI:
    return create_app(Services(settings, database))


@pytest.fixture(autouse=True)
def never_slowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count alone refuses here, where time does not matter."""
    monkeypatch.setattr(bans, "SLOWED", bans.SLOWED * 0)


def ask(app: FastAPI, login: str, password: str = PASSWORD, address: str = HOME) -> int:
    client = TestClient(app, client=(address, 1))
    return client.get("/api/v1/me", auth=(login, password)).status_code


def guess(app: FastAPI, login: str, times: int, address: str = HOME) -> list[int]:
    return [ask(app, login, f"guess {n}", address) for n in range(times)]


def test_guesses_end_at_every_door_and_over_restarts(
    app: FastAPI, settings: Settings, database: Database, token: str
) -> None:
    assert guess(app, "ada", MOST + 2) == [401] * MOST + [429] * 2
    again = create_app(Services(settings, database))  # as another process, or after a restart
    client = TestClient(again, client=(HOME, 1))
    refused = client.get("/api/v1/me", auth=("ada", PASSWORD))
    assert refused.status_code == 429, "not even the right one tells that it is"
    assert 0 < int(refused.headers["retry-after"]) <= settings.login_ban_seconds
    for path in ("/ovbp/api/v2/oteams/projects/", "/owi/api/v1/results/routes/analysis", "/workflow/results/status",
                 "/ricloud/users"):  # fmt: skip
        assert client.get(path, auth=("ada", PASSWORD)).status_code == 429, path
    page = client.post("/console/login", data={"login": "ada", "password": PASSWORD})
    assert (page.status_code, "retry-after" in page.headers, "set-cookie" in page.headers) == (429, True, False)
    assert Bans(database, MOST, 600.0).banned(HOME)
    assert client.get("/api/v1/me", headers={"authorization": f"Token {token}"}).status_code == 200
    assert ask(again, "ada", address=ELSEWHERE) == 200


def test_guesses_at_the_console_and_at_ftp_count_as_well(app: FastAPI, settings: Settings, database: Database) -> None:
    client = TestClient(app, client=(HOME, 1))
    for n in range(MOST - 1):
        assert client.post("/console/login", data={"login": "ada", "password": f"{n}"}).status_code == 401
    Bans(database, MOST, 600.0).add(HOME, "gate-x")
    assert ask(app, "ada") == 429


def test_a_stranger_cannot_lock_a_user_out(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(app, "ada") == 200
    for n in range(3):
        assert guess(app, "ada", MOST, f"203.0.113.{n}") == [401] * MOST
    assert ask(app, "ada") == 200, "where she is known"
    assert ask(app, "ada", address="198.51.100.1") == 200, "and from where she never was"
    monkeypatch.setattr(bans, "SLOWED", timedelta(seconds=60))
    assert ask(app, "ada", "guess", "203.0.113.77") == 429, "while strangers are slowed"
    assert ask(app, "eve", address="203.0.113.77") == 200, "with this login alone"
    assert ask(app, "ada") == ask(app, "ada", address="198.51.100.1") == 200
    monkeypatch.undo()
    assert eventually(lambda: ask(app, "ada", address="198.51.100.2") == 200, 20)


def test_neighbours_behind_one_address_do_not_suffer(app: FastAPI) -> None:
    assert ask(app, "ada") == 200
    assert guess(app, "nobody", MOST + 1) == [401] * MOST + [429]
    assert ask(app, "ada") == 200, "known there"
    assert ask(app, "eve") == 429, "not known there"
    # And a known one that fails, such as a script with an old password, is refused alone.
    assert guess(app, "ada", MOST + 1, HOME) == [401] * MOST + [429]
    assert ask(app, "eve", address=ELSEWHERE) == ask(app, "ada", address=ELSEWHERE) == 200
    assert guess(app, "ada", MOST + 1, ELSEWHERE) == [401] * MOST + [429]
    assert ask(app, "eve", address=ELSEWHERE) == 200


def test_an_ipv6_customer_has_one_address(app: FastAPI) -> None:
    assert [ask(app, "ada", "guess", f"2001:db8::{n}") for n in range(MOST + 1)] == [401] * MOST + [429]
    assert ask(app, "ada", address="2001:db8:0:1::1") == 200
    assert ask(app, "ada", address=f"::ffff:{HOME}") == 200


def test_logins_that_do_not_exist_are_treated_as_those_that_do(app: FastAPI) -> None:
    answers = [
        guess(app, login, MOST + 2, f"198.51.100.{n}")
        for n, login in enumerate(("ada", "nobody", "é\u202e", "x" * 5000))
    ]
    assert answers == [[401] * MOST + [429] * 2] * 4


def test_a_right_password_that_is_remembered_is_no_oracle(app: FastAPI) -> None:
    assert ask(app, "ada") == 200
    guess(app, "ada", MOST)
    assert ask(app, "ada") == 429
    assert ask(app, "ada", "another guess") == 429


def test_a_flood_of_wrong_passwords_delays_neither_keys_nor_remembered_passwords(
    app: FastAPI, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    matches, go_on = users.password_matches, threading.Event()
    assert ask(app, "ada") == 200
    entered: list[int] = []

    def slow(user: object, password: str) -> bool:
        entered.append(1)
        go_on.wait(60)
        return matches(user, password)  # type: ignore[arg-type]

    monkeypatch.setattr(users, "password_matches", slow)
    answers: list[tuple[int, bool]] = []
    with TestClient(app, client=(HOME, 1)) as client, TestClient(app, client=(ELSEWHERE, 1)) as other:

        def flood(by: TestClient) -> None:
            answer = by.get("/api/v1/me", auth=("eve", "guess"))
            answers.append((answer.status_code, "retry-after" in answer.headers))

        threads = [threading.Thread(target=flood, args=(by,)) for by in (client, other) for _ in range(30)]
        for thread in threads:
            thread.start()
        try:
            eventually(lambda: len(answers) >= 60 - 16)
            assert set(answers) == {(503, True)}
            assert len(entered) == 2, "so many are checked at once"
            for by in (client, other):
                assert by.get("/api/v1/me", headers={"authorization": f"Token {token}"}).status_code == 200
            assert client.get("/api/v1/me", auth=("ada", PASSWORD)).status_code == 200
        finally:
            go_on.set()
            for thread in threads:
                thread.join(60)
    assert len(answers) == 60


def test_an_operator_sees_and_lifts_bans(
    app: FastAPI, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect == "postgresql":
        url = database.url.replace("postgresql+psycopg", "postgresql")
        (settings.data_dir / "entrepot.toml").write_text(f'database_url = "{url}"\n')
    monkeypatch.setenv("ENTREPOT_DATA_DIR", str(settings.data_dir))
    assert ask(app, "ada") == 200
    guess(app, "ada", MOST)
    guess(app, "eve", MOST)
    shown = CliRunner().invoke(command, ["bans", "list", "--json"])
    assert {(ban["address"], ban["login"], ban["refused"]) for ban in orjson.loads(shown.stdout)} == {
        (HOME, "ada", "the login"), (HOME, "eve", "the address"),
    }  # fmt: skip
    assert CliRunner().invoke(command, ["bans", "lift", ELSEWHERE]).exit_code == 1
    assert CliRunner().invoke(command, ["bans", "lift"]).exit_code == 1
    assert CliRunner().invoke(command, ["bans", "lift", HOME]).stdout == "2 lifted\n"
    assert ask(app, "ada") == ask(app, "eve") == 200
    assert CliRunner().invoke(command, ["bans", "list"]).stdout == "none\n"


def test_former_names_of_the_limits_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(data_dir=tmp_path, ftp_max_failed_logins=3).login_max_failures == 3  # type: ignore[call-arg]
    monkeypatch.setenv("ENTREPOT_FTP_BAN_SECONDS", "7")
    assert Settings(data_dir=tmp_path).login_ban_seconds == 7
    monkeypatch.setenv("ENTREPOT_LOGIN_BAN_SECONDS", "8")
    assert Settings(data_dir=tmp_path).login_ban_seconds == 8
    (tmp_path / "entrepot.toml").write_text("ftp_ban_seconds = 9\n")
    assert Settings(data_dir=tmp_path).login_ban_seconds == 9
