"""Requests of both faces: put off, sent again, refused in the words of the server; and one face made of the other."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from entrepot.client import _http, errors
from entrepot.client.aio import _http as aio_http
from tools import sync_face

Connect = Callable[..., Any]


class Face:
    """One of the SDK's two faces, as a test calls it."""

    def __init__(self, module: Any) -> None:
        self._module, self._loop = module, asyncio.new_event_loop()

    def connection(self, answer: Callable[[httpx.Request], httpx.Response], **options: Any) -> Any:
        return self._module.Connection("http://server", transport=httpx.MockTransport(answer), **options)

    def done(self, value: Any) -> Any:
        return self._loop.run_until_complete(value) if inspect.isawaitable(value) else value

    def close(self) -> None:
        self._loop.close()


@pytest.fixture(params=[_http, aio_http], ids=["sync", "async"])
def face(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Face]:
    monkeypatch.setattr(request.param, "_PAUSES", (0.0, 0.0))
    face = Face(request.param)
    yield face
    face.close()


def answers(*responses: httpx.Response | Exception) -> tuple[list[httpx.Request], Callable[..., httpx.Response]]:
    asked: list[httpx.Request] = []
    left = list(responses)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    return asked, answer


def test_the_sync_face_is_made_of_the_async_one() -> None:
    stale = [path.name for path, text in sync_face.twins().items() if path.read_text() != text]
    assert not stale, "run `make sync-face`"


@pytest.mark.parametrize("status", [429, 503])
def test_what_the_server_puts_off_is_sent_again_when_it_says(face: Face, status: int) -> None:
    later = [httpx.Response(status, headers={"retry-after": "0"}) for _ in range(5)]
    asked, answer = answers(*later, httpx.Response(200, json={"n": 1}))
    assert face.done(face.connection(answer, patience=1.0).json("PATCH", "/x", body={"a": 1})) == {"n": 1}
    assert {request.content for request in asked} == {b'{"a": 1}'}
    assert len(asked) == 6


def test_nobody_waits_longer_than_patience_allows(face: Face) -> None:
    asked, answer = answers(httpx.Response(429, headers={"retry-after": "61"}, json={"message": "Later."}))
    with pytest.raises(errors.TooManyRequests, match="Later") as caught:
        face.done(face.connection(answer, patience=60.0).json("POST", "/x", body={}))
    assert (caught.value.retry_after, len(asked)) == (61, 1)


def test_only_what_may_be_done_twice_is_sent_again_without_an_answer(face: Face) -> None:
    lost = httpx.ReadError("reset")
    for method, once, tries in (("GET", False, 3), ("POST", True, 3), ("POST", False, 1), ("PATCH", False, 1)):
        asked, answer = answers(lost, lost, lost)
        with pytest.raises(errors.NoAnswer, match="reset") as caught:
            face.done(face.connection(answer).request(method, "/x", once=once))
        assert len(asked) == tries
        assert isinstance(caught.value, httpx.ReadError)
        assert caught.value.request.method == method
        assert len({request.headers.get("idempotency-key") for request in asked}) == 1


def test_what_a_stream_sends_is_not_sent_again(face: Face) -> None:
    async def later() -> Any:
        yield b"x"

    asked, answer = answers(httpx.Response(503, headers={"retry-after": "0"}))
    content = later() if face._module is aio_http else iter([b"x"])
    with pytest.raises(errors.Unavailable):
        face.done(face.connection(answer, patience=9.0).send("PUT", "/x", content=content))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.Invalid), (401, errors.Unauthenticated), (403, errors.Forbidden), (404, errors.NotFound),
        (409, errors.Conflict), (410, errors.NotFound), (412, errors.Changed), (418, errors.Refused),
        (422, errors.Invalid), (429, errors.TooManyRequests), (500, errors.Unavailable), (507, errors.Unavailable),
    ],
)  # fmt: skip
def test_errors_are_of_one_tree(face: Face, status: int, kind: type[errors.Refused]) -> None:
    problem = {"title": "No", "status": status, "detail": "It is so.", "fields": {"name": "is missing"}}
    old = {"error": "x", "message": "It is so.", "fields": {"name": ["is", "missing"]}}
    for said in (problem, old):
        _, answer = answers(httpx.Response(status, json=said))
        with pytest.raises(errors.Error) as caught:
            face.done(face.connection(answer).request("PATCH", "/x"))
        error = caught.value
        assert type(error) is kind
        assert isinstance(error, httpx.HTTPStatusError)
        assert (error.status, error.detail, error.fields) == (status, "It is so.", {"name": "is missing"})
        assert str(error) == f"{status}: It is so.; name: is missing (PATCH http://server/x)"


def test_an_answer_of_a_proxy_is_an_error_like_others(face: Face) -> None:
    for content in (b"<html>", b"[1]", b"null", b'"x"', b"\xff"):
        _, answer = answers(httpx.Response(418, content=content))
        with pytest.raises(errors.Refused, match="418: I'm a teapot"):
            face.done(face.connection(answer).request("PATCH", "/x"))


@pytest.mark.parametrize("status", ["failed", "refused", "cancelled", "server_error"])
def test_a_job_is_waited_for_and_its_failure_told(face: Face, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face._module, "_POLL_SECONDS", (0.0,))
    running = {"id": "7", "status": "running", "error": None}
    states = [{**running, "status": "running"}, {**running, "status": status, "error": "no."}]
    asked, answer = answers(*(httpx.Response(200, json=one) for one in states))
    seen: list[str] = []
    connection = face.connection(answer)
    with pytest.raises(errors.Failed, match=f"The trial {status}: no") as caught:
        face.done(connection.ended("/jobs", running, "The trial", lambda job: seen.append(job["status"])))
    assert (caught.value.job["status"], seen) == (status, ["running", status])
    assert [request.url.path for request in asked] == ["/jobs/7", "/jobs/7"]
