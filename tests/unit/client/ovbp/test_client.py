"""Coming in: credentials, addresses, errors."""

import base64
import io
from pathlib import Path

import httpx
import pytest

from entrepot.client import _quiet
from entrepot.client.ovbp import Client, HttpError, OVBPClientError
from tests.unit.client.ovbp.conftest import Platform


def _sent_by(client: Client) -> str:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode())
        return httpx.Response(200, json={"data": []})

    auth = client.rest_client.session.auth
    client.rest_client.session = _quiet.Client(transport=httpx.MockTransport(answer), auth=auth)
    assert client.gates.list() == []
    return seen[0]


@pytest.mark.parametrize(
    "text", ["ada\nsécret 1", "ada\r\nsécret 1\r\n", "\ufeffada\nsécret 1\n\n", "ada\nsécret 1\nmore"]
)
def test_credentials_are_two_lines_of_a_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "auth.txt"
    file.write_bytes(text.encode())
    for source in (file, str(file), io.BytesIO(text.encode()), io.StringIO(text.removeprefix("\ufeff"))):
        assert _sent_by(Client(source, "http://platform")) == "ada:sécret 1"


@pytest.mark.parametrize("text", ["", "ada", "ada\n"])
def test_one_line_is_not_enough(text: str) -> None:
    with pytest.raises(ValueError, match="two lines"):
        Client(io.StringIO(text), "http://platform")


def test_credentials_may_be_arguments_and_are_asked_for_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _sent_by(Client(login="ada", password="p:w", url="http://platform")) == "ada:p:w"
    monkeypatch.setattr("builtins.input", lambda prompt: "eve")
    monkeypatch.setattr("getpass.getpass", lambda: "asked")
    assert _sent_by(Client(url="http://platform")) == "eve:asked"
    assert _sent_by(Client(login="ada", url="http://platform")) == "ada:asked"


def test_the_default_address_is_the_platforms() -> None:
    assert Client(login="a", password="b").rest_client.base_url == "https://data.openergy.fr/api/v2"
    assert Client(login="a", password="b", url="http://x/api/").rest_client.base_url == "http://x/api"


def test_certificates_are_checked_unless_told_otherwise(tmp_path: Path) -> None:
    for verify in (True, False):
        assert Client(login="a", password="b", verify_ssl=verify).rest_client.verify_ssl is verify
    with pytest.raises(FileNotFoundError):
        Client(login="a", password="b", verify_ssl=tmp_path / "none.pem")


def test_an_error_shows_its_status_and_what_the_server_said(client: Client, platform: Platform) -> None:
    platform.actions["odata/gates"] = lambda request: httpx.Response(400, text='{"name": ["taken"]}')
    with pytest.raises(HttpError) as raised:
        client.gates.create(name="gate")
    assert isinstance(raised.value, OVBPClientError)
    assert raised.value.code == 400
    assert str(raised.value) == 'Error code: 400.\nContent:\n\n{"name": ["taken"]}'


def test_a_redirection_is_an_error_and_not_followed(client: Client, platform: Platform) -> None:
    platform.actions["odata/gates"] = lambda request: httpx.Response(302, headers={"location": "http://elsewhere/"})
    with pytest.raises(HttpError):
        client.gates.create(name="gate")
    assert len(platform.requests) == 1


def test_waiting_until_the_server_is_up(client: Client, platform: Platform) -> None:
    statuses = iter([503, 503, 401])
    platform.actions["oteams/projects"] = lambda request: httpx.Response(next(statuses))
    client.rest_client.wait_for_on(timeout=30, freq=0.001)
    assert [query for _, _, query, _ in platform.requests] == [{"empty": "True"}] * 3
    platform.actions["oteams/projects"] = lambda request: httpx.Response(503)
    with pytest.raises(TimeoutError):
        client.rest_client.wait_for_on(timeout=0.01, freq=0.001)
    with pytest.raises(ValueError, match="positive"):
        client.rest_client.wait_for_on(timeout=0)


def test_a_client_closes_its_connection() -> None:
    with Client(login="a", password="b", url="http://platform") as client:
        pass
    assert client.rest_client.session.is_closed
