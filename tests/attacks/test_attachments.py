"""Files that are attached to records: names, forms and pages that mean harm."""

import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.identity import Role, Vault, keys, users
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

KINDS = "/owi/api/v1/shm/routes/sensortype"
FORM = {"content-type": "multipart/form-data; boundary=b"}


@pytest.fixture
def database_kind() -> str:
    """None of this depends on it."""
    return "sqlite"


@pytest.fixture
def client(database: Database, tmp_path: Path) -> TestClient:
    settings = Settings(data_dir=tmp_path / "data", attachment_max_bytes=2**20)
    settings.data_dir.mkdir()
    Vault.create(settings.secret_key_file)
    with database.write() as session:
        own = users.create_organization(session, "own")
        user, _ = users.create_user(session, "ada")
        users.set_member(session, user, own, Role.WRITER)
        _, token = keys.create_key(session, user.id, own.id)
    app = create_app(Services(settings, database))
    return TestClient(app, headers={"authorization": f"Token {token}"}, raise_server_exceptions=False)


def part(head: str, content: bytes = b"x") -> bytes:
    return b"--b\r\ncontent-disposition: form-data; " + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def test_a_page_that_is_attached_runs_in_no_browser(client: TestClient) -> None:
    page = b"<script>alert(document.cookie)</script>"
    made = client.post(KINDS, data={"name": "x"}, files={"file": ("x.html", page, "text/html")}).json()
    got = client.get(made["file"])
    assert got.content == page
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..\\..\\boot.ini", "/abs", 'a".html', "%0d%0aset-cookie: a=b"]
)
def test_the_name_of_a_file_leads_nowhere_and_splits_no_header(client: TestClient, tmp_path: Path, name: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    made = client.post(KINDS, data={"name": "x"}, files={"file": (name, b"content")}).json()
    got = client.get(made["file"])
    assert (got.content, "set-cookie" in got.headers) == (b"content", False)
    assert not {"/", "\\", "\r", "\n"} & set(got.headers["content-disposition"])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_form_of_a_million_parts_ends_soon(client: TestClient) -> None:
    body = part('name="f"', b"") * 300_000 + b"--b--\r\n"
    began = time.monotonic()
    assert client.post(KINDS, content=body, headers=FORM).status_code == 400
    assert time.monotonic() - began < 5
    assert client.get(KINDS).json() == []


def test_headers_of_a_part_without_end_are_refused(client: TestClient) -> None:
    body = b"--b\r\n" + b"x: " + b"y" * 2**21
    assert client.post(KINDS, content=body, headers=FORM).status_code == 400
    assert client.post(KINDS, content=b"--b\r\n" + b"x: y\r\n" * 100_000, headers=FORM).status_code == 400


def test_a_file_that_takes_the_name_of_a_field_hides_nothing(client: TestClient) -> None:
    for field in ("id", "name", "visibility", "attachments", "__class__", "a/../../b"):
        body = part('name="name"', b"x") + part(f'name="{field}"; filename="f"') + b"--b--\r\n"
        answer = client.post(KINDS, content=body, headers=FORM)
        assert answer.status_code == 400, (field, answer.text)
    assert client.get(KINDS).json() == []


def test_a_file_beyond_the_limit_is_refused_whole(client: TestClient) -> None:
    files = {"file": ("a", bytes(2**20)), "more": ("b", bytes(2**20 + 1))}
    assert client.post(KINDS, data={"name": "x"}, files=files).status_code == 413
    assert client.get(KINDS).json() == []
