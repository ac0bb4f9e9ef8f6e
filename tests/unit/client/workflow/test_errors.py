"""Errors are those that code written for the published client catches, where it has the libraries for it."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pydantic
import pytest

from entrepot.client.workflow import Buckets, HTTPContext, Work, buckets, exceptions


class _RetryError(Exception):
    def __str__(self) -> str:
        return "RetryError"


class _Future:
    def __init__(self, number: int) -> None:
        self.number, self.error = number, None

    def set_exception(self, error: Any) -> None:
        self.error = error


@pytest.fixture(autouse=True)
def tenacity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tenacity", SimpleNamespace(RetryError=_RetryError, Future=_Future))
    exceptions._kind.cache_clear()


def _refusal(status: int = 409) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://server/work")
    return httpx.HTTPStatusError("409: taken", request=request, response=httpx.Response(status, request=request))


def test_a_refusal_is_one_of_requests_and_of_httpx() -> None:
    requests = pytest.importorskip("requests")
    error = exceptions.failed(_refusal())
    assert isinstance(error, requests.HTTPError)
    assert isinstance(error, httpx.HTTPStatusError)
    assert not isinstance(error, _RetryError)
    assert (str(error), error.response.status_code, error.request.method) == ("409: taken", 409, "POST")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(httpx.ConnectError, "ConnectionError"), (httpx.ConnectTimeout, "Timeout"), (httpx.ReadTimeout, "ReadTimeout")],
)
def test_silence_is_one_of_requests_and_of_httpx(ours: type[httpx.TransportError], theirs: str) -> None:
    requests = pytest.importorskip("requests")
    error = exceptions.failed(ours("no answer"))
    assert isinstance(error, getattr(requests.exceptions, theirs))
    assert isinstance(error, requests.exceptions.RequestException)
    assert isinstance(error, ours)
    assert str(error) == "no answer"


def test_without_these_libraries_errors_are_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("requests", "tenacity", "pydantic_core"):
        monkeypatch.setitem(sys.modules, name, None)
    error = exceptions.failed(_refusal(), gave_up=True)
    assert (type(error).__mro__[1], str(error)) == (httpx.HTTPStatusError, "409: taken")
    with pytest.raises(ValueError, match="Work: timeout: must be at least 1") as caught:
        Work(pipeline="p", site="local", user="ada", timeout=0)
    assert type(caught.value) is ValueError


def test_what_buckets_refuse_is_what_their_client_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx, "head", lambda *_a, **_o: httpx.Response(200))
    client = Buckets("http://server")

    def refuse(*_arguments: Any, **_options: Any) -> Any:
        raise _refusal()

    monkeypatch.setattr(client._connection._client, "send", refuse)
    for ask in (lambda: client.deposit([]), lambda: client.update([]), lambda: client.delete_ids(["x"])):
        with pytest.raises(_RetryError, match="409: taken") as caught:
            ask()
        assert isinstance(caught.value, httpx.HTTPStatusError)
        assert isinstance(caught.value.last_attempt.error, httpx.HTTPStatusError)  # type: ignore[attr-defined]
    with pytest.raises(httpx.HTTPStatusError) as withdrawn:
        client.withdraw("p")
    assert not isinstance(withdrawn.value, _RetryError)
    assert buckets.RETRY_SECONDS == 30


def test_all_that_is_wrong_is_told_at_once_as_pydantic_does() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Work(pipeline="a_b", site="local", priority=9, notify={"slack": {"chanel": "C"}})
    assert {problem["loc"] for problem in caught.value.errors()} == {
        ("pipeline",),
        ("user",),
        ("priority",),
        ("notify",),
    }
    with pytest.raises(pydantic.ValidationError, match=r"timeout\n.*at most 60"):
        HTTPContext(timeout=61)


def test_what_is_refused_leaves_a_work_as_it_was(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace.yml"
    workspace.write_text("sites: [chime]\n")
    work = Work(pipeline="p", site="chime", user="ada", function="a.b", workspace=workspace)
    for name, value in (("priority", 6), ("command", ["ls"]), ("site", "mars")):
        before = getattr(work, name)
        with pytest.raises(ValueError, match=name):
            setattr(work, name, value)
        assert getattr(work, name) == before
    with pytest.raises(ValueError, match="does not point to a file"):
        Work(pipeline="p", site="chime", user="ada", workspace=tmp_path / "none.yml")
