"""Where the client finds its address and token, and what it says when it does not."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from entrepot.client import ricloud
from entrepot.client.ricloud import conf


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RICLOUD_TOKEN", "RICLOUD_URL", "RICLOUD_CONF", "RICLOUD_AWAIT_FOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_later_of_file_named_file_and_variable_counts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (conf.get("token"), conf.number("await_for", 2)) == ("", 2)
    (home / ".ricloud.ini").write_text("[api]\ntoken = of-home\nurl = https://a.example/ricloud/\nawait_for = soon\n")
    assert (conf.get("token"), conf.get("url")) == ("of-home", "https://a.example/ricloud/")
    assert conf.number("await_for", 2) == 0, "what is no number is none, as in the published client"
    named = home / "other.ini"
    named.write_text("[api]\ntoken = 100%-of-file\n")
    monkeypatch.setenv("RICLOUD_CONF", str(named))
    assert (conf.get("token"), conf.get("url")) == ("100%-of-file", "https://a.example/ricloud/")
    monkeypatch.setenv("RICLOUD_TOKEN", "of-variable")
    assert conf.get("token") == "of-variable"


def test_a_file_that_cannot_be_read_is_named(home: Path) -> None:
    (home / ".ricloud.ini").write_text("token = without a section\n")
    with pytest.raises(ricloud.ConfigurationError, match=r"\.ricloud\.ini cannot be read"):
        conf.get("token")


def test_what_is_missing_is_said_with_the_places_where_it_can_be_set(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ricloud, "token", "")
    with pytest.raises(ricloud.ConfigurationError, match="There is no token") as caught:
        ricloud.Result.list()
    for place in ("ricloud.token", "RICLOUD_TOKEN", "[api]", str(home / ".ricloud.ini")):
        assert place in str(caught.value)
    monkeypatch.setattr(ricloud, "token", "x")
    monkeypatch.setattr(ricloud, "max_retries", 0)
    monkeypatch.setattr(ricloud, "url", conf.DEFAULT_URL)

    def refuse(*_arguments: Any, **_options: Any) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(httpx, "request", refuse)
    with pytest.raises(ricloud.ConfigurationError, match=r"No server at .*RICLOUD_URL"):
        ricloud.Result.list()
    monkeypatch.setattr(ricloud, "url", "https://set.example/ricloud/")
    with pytest.raises(httpx.ConnectError):
        ricloud.Result.list()


def test_only_what_changes_nothing_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def fail(method: str, _url: str, **_options: Any) -> httpx.Response:
        sent.append(method)
        return httpx.Response(503, json={"error": "unavailable", "message": "later"})

    monkeypatch.setattr(httpx, "request", fail)
    monkeypatch.setattr(ricloud, "token", "x")
    monkeypatch.setattr(ricloud, "max_retries", 1)
    with pytest.raises(ricloud.ServerError, match="503 unavailable: later"):
        ricloud.Result.retrieve("r")
    with pytest.raises(ricloud.RequestError):
        ricloud.Poll.create(payload={})
    assert sent == ["GET", "GET", "POST"]
