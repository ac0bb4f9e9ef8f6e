"""A remote worker and a server that is away, forgets keys, or wants a call no more."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import httpx
import pytest

from entrepot.client._http import Connection
from entrepot.client.errors import Unauthenticated
from entrepot.engines import working
from entrepot.engines.working import RemoteWorker
from entrepot.errors import Unavailable
from entrepot.scripts import Limits
from entrepot.scripts.answer import Answer
from entrepot.scripts.wire import Buffer

REQUEST = b"a call"
CALL = {"id": "7", "fence": 1, "limits": asdict(Limits()), "size": len(REQUEST), "lease_seconds": 60}
DONE = httpx.Response(204)


class Server:
    """Answers by a script: for each verb what comes next, and the same again once that is over."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = {
            "claim": [httpx.Response(200, json=CALL), DONE],
            "request": [httpx.Response(200, content=REQUEST)],
            "renew": [httpx.Response(200, json={"lease_seconds": 60})],
            "answer": [DONE],
        } | answers
        self.heard: list[tuple[str, str, bytes]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        verb = request.url.path.rpartition("/")[2]
        self.heard.append((verb, request.headers["authorization"], request.read()))
        following = self.answers[verb]
        answer = following.pop(0) if len(following) > 1 else following[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.read(), headers=answer.headers)


class Made:
    """What makes calls: at once, or until they are cancelled."""

    def __init__(self, failure: Exception | None = None, *, endless: bool = False) -> None:
        self._failure, self._endless = failure, endless

    def make(self, request: Sequence[Buffer], limits: Limits, cancelled: Callable[[], bool]) -> Answer:
        assert b"".join(request) == REQUEST
        if self._failure is not None:
            raise self._failure
        while self._endless and not cancelled():
            pass
        return Answer(b"the report", b"what came of it")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "_PAUSE_SECONDS", 0.01)


def work(server: Server, here: Any = None, fresh: Callable[[], dict[str, str]] | None = None) -> tuple[int, list[str]]:
    said: list[str] = []
    connection = Connection("http://s", headers={"authorization": "old"}, transport=httpx.MockTransport(server))
    makes: Any = here or Made()
    worker = RemoteWorker(connection, makes, "w", said.append, fresh)
    return worker.run(threading.Event(), until_idle=True), said


AWAY = [httpx.ConnectError("refused"), httpx.Response(503), httpx.Response(429)]


@pytest.mark.parametrize("verb", ["claim", "request", "answer"])
def test_a_server_that_is_away_for_a_while_gets_its_answer(verb: str) -> None:
    server = Server()
    server.answers[verb] = [*AWAY, *server.answers[verb]]
    done, said = work(server)
    assert (done, len(said)) == (1, 3)
    assert b"what came of it" in next(body for name, _, body in reversed(server.heard) if name == "answer")


def test_a_request_that_is_cut_is_fetched_again() -> None:
    server = Server(request=[httpx.Response(200, content=REQUEST[:3]), httpx.Response(200, content=REQUEST)])
    assert work(server)[0] == 1


@pytest.mark.parametrize("status", [404, 409])
@pytest.mark.parametrize("verb", ["request", "answer"])
def test_a_call_that_is_anothers_is_left(verb: str, status: int) -> None:
    server = Server(**{verb: [httpx.Response(status)]})
    assert work(server) == (0, [])
    assert [each for each, _, _ in server.heard if each == verb] == [verb], "it is not asked again"


@pytest.mark.parametrize("status", [404, 409])
def test_a_call_that_is_anothers_is_ended(status: int) -> None:
    server = Server(renew=[httpx.Response(status)])
    assert work(server, Made(endless=True)) == (0, [])
    assert all(verb != "answer" for verb, _, _ in server.heard)


def test_an_answer_that_is_refused_is_told() -> None:
    done, said = work(Server(answer=[httpx.Response(413, json={"detail": "At most 7 bytes."})]))
    assert (done, len(said)) == (0, 1)
    assert "At most 7 bytes" in said[0]


def test_a_key_that_was_rotated_is_read_anew_and_a_wrong_one_ends_the_worker() -> None:
    server = Server(claim=[httpx.Response(401), httpx.Response(200, json=CALL), DONE])
    assert work(server, fresh=lambda: {"authorization": "new"})[0] == 1
    assert [how for _, how, _ in server.heard][:2] == ["old", "new"]
    for fresh in (None, lambda: {"authorization": "old"}):
        with pytest.raises(Unauthenticated):
            work(Server(claim=[httpx.Response(401)]), fresh=fresh)


def test_a_machine_that_cannot_run_scripts_says_so() -> None:
    with pytest.raises(Unavailable, match="no process"):
        work(Server(), Made(Unavailable("no process started")))
