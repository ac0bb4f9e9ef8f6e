"""Calls made by workers that ask over the interface: as here, once, within limits, by those who may."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import func, select, update

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.engines import calls, upkeep
from entrepot.engines import remote as remote_module
from entrepot.engines.models import RemoteCall, RemoteCallPart
from entrepot.engines.remote import Remote
from entrepot.errors import Away, Unavailable
from entrepot.identity import Role, keys, users
from entrepot.jobs.models import Job, Schedule
from entrepot.jobs.testing import run_pending
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import find_generator
from entrepot.scripts import Limits, ScriptError, ScriptRunner
from entrepot.scripts.answer import Answer
from entrepot.scripts.here import Here
from entrepot.scripts.wire import pack
from entrepot.server.handlers import HANDLERS, SCHEDULES
from tests.integration.pipeline.conftest import build_world, hours
from tests.support.deadline import eventually
from tests.support.interface import Api

PARSE = """
import pandas as pd
def parse(content_bytes, rel_path, **tools):
    print("read", rel_path)
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""
ANALYZE = "def analyze(df, **tools):\n    return df * 2.5\n"
FILE = b"t,a\n2024-01-01,1\n2024-01-02,2.25\n"
BIG = pd.DataFrame(
    {f"c{n}": range(60_000) for n in range(10)}, pd.date_range("2020-01-01", periods=60_000, freq="10min")
)


class Asked:
    """A call that is asked for in a thread, as a job of the server asks for it."""

    def __init__(self, remote: ScriptRunner, limits: Limits, source: str = ANALYZE) -> None:
        self.over = self.cancel = False
        self.outcome: Any = None
        self._remote, self._limits, self._source = remote, limits, source
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        frame = pd.DataFrame({"a": [1.0]}, pd.DatetimeIndex(["2024-01-01"]))
        try:
            done = self._remote.analyze(self._source, frame, self._limits, cancelled=lambda: self.cancel)
            self.outcome = done.value
        except Exception as error:  # told to the test
            self.outcome = error

    def end(self) -> Any:
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.outcome


@pytest.fixture
def asked(remote: ScriptRunner, limits: Limits) -> Any:
    """Make calls that have an end, whatever a test finds out about them."""
    made: list[Asked] = []

    def ask(*arguments: Any) -> Asked:
        made.append(Asked(remote, limits, *arguments))
        return made[-1]

    yield ask
    for each in made:
        each.cancel = True
        each.end()


def claim(api: Api) -> dict[str, Any]:
    return api.ask("POST", "/calls/claim?wait=20&worker=test")


def made_by(here: Here, api: Api, call: dict[str, Any]) -> bytes:
    """Fetch a call, make it, and return the bytes of its answer."""
    request = api.client.get(f"/api/v1/calls/{call['id']}/request?fence={call['fence']}")
    assert (request.status_code, len(request.content)) == (200, call["size"])
    return b"".join(here.make([request.content], Limits(**call["limits"]), None).pack())


def answer(api: Api, call: dict[str, Any], content: bytes, status: int = 204, token: str | None = None) -> Any:
    headers = {"content-type": "application/octet-stream"}
    if token is not None:
        headers["authorization"] = f"Token {token}"
    path = f"/calls/{call['id']}/answer?fence={call['fence']}"
    return api.ask("PUT", path, status, content=content, headers=headers)


def expire(database: Database) -> None:
    """Have the worker that has a call have said nothing for too long."""
    with database.write() as session:
        session.execute(update(RemoteCall).values(lease_until=now() - timedelta(seconds=1)))


def test_what_workers_make_is_what_is_made_here(
    remote: ScriptRunner, limits: Limits, working: Callable[..., Any], database: Database
) -> None:
    limits = Limits(wall=20, cpu=20, organization=limits.organization)
    with ScriptRunner() as here, working() as said:
        for runner in (here, remote):
            parsed = runner.parse(PARSE, FILE, "x.csv", limits)
            assert (parsed.output, parsed.value["a"].tolist()) == ("read x.csv\n", [1.0, 2.25])
            done = runner.parse_several(PARSE, [(FILE, "1.csv"), (b"", "2.csv"), (FILE, "3.csv")], limits, seconds=5)
            assert (len(done.values), done.alone) == (1, True)
            with pytest.raises(ScriptError, match="ZeroDivisionError") as failed:
                runner.analyze("def analyze(df):\n    1 / 0\n", BIG[:5], limits)
            assert (failed.value.kind, "line 2" in failed.value.traceback) == ("raised", True)
            assert runner.map_values("value + 1", BIG["c0"].to_numpy(float)[:3], limits).value.tolist() == [1, 2, 3]
        one, other = (runner.analyze(ANALYZE, BIG, limits).value for runner in (here, remote))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        given = [BIG[start : start + 10] for start in range(0, 80, 10)]
        each = remote.analyze_each(ANALYZE, iter(given), limits, cancelled=lambda: False)
        for frame, outcome in zip(given, each, strict=True):
            pd.testing.assert_frame_equal(frame * 2.5, outcome.value, check_freq=False)
    assert said == []
    with database.read() as session:
        assert not session.scalar(select(func.count()).select_from(RemoteCallPart)), "nothing is left of calls"


def test_the_call_of_a_silent_worker_is_anothers_and_its_answer_changes_nothing(
    api: Api, asked: Any, here: Here
) -> None:
    waits = asked()
    first = claim(api)
    late = made_by(here, api, first)
    assert api.ask("POST", "/calls/claim", 204) is None, "it is one worker's at a time"
    expire(api.database)
    api.ask("POST", f"/calls/{first['id']}/renew?fence={first['fence']}", 409)
    second = claim(api)
    assert (second["id"], second["fence"]) == (first["id"], first["fence"] + 1)
    answer(api, first, late, 409)
    wrong = b"".join(Answer(b"", b"", "timeout").pack())
    answer(api, first, wrong, 409)
    assert waits.thread.is_alive()
    answer(api, second, made_by(here, api, second))
    assert waits.end()["a"].tolist() == [2.5]
    answer(api, second, late, 404)


def test_a_call_that_silences_each_worker_is_given_up(api: Api, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = asked()
    for _ in range(calls.TRIES):
        claim(api)
        expire(api.database)
    assert isinstance(waits.end(), Unavailable)
    assert "fell silent" in str(waits.outcome)
    assert api.ask("POST", "/calls/claim", 204) is None


def test_a_call_that_nobody_takes_is_put_off(api: Api, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_module, "PATIENCE_SECONDS", 0.2)
    waits = asked()
    assert isinstance(waits.end(), Away)
    assert "entrepot worker --url" in str(waits.outcome)


def test_a_run_whose_calls_nobody_takes_is_put_off_with_the_reason(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "PATIENCE_SECONDS", 0.2)
    world = build_world(database, tmp_path / "data", ScriptRunner(engine=Remote(database, 60)))
    world.put("a.csv", hours("2024-01-01", 3, a=1))
    with database.write() as session:
        started = actions.start(session, find_generator(session, world.importer), "run")
    world.work()
    with database.read() as session:
        job = session.scalars(select(Job).where(Job.id == started.id)).one()
        assert (job.status, job.attempt) == ("pending", 0)
        assert "No remote worker asks for the calls" in job.error


def test_a_worker_learns_that_a_call_was_cancelled(api: Api, asked: Any, working: Callable[..., Any]) -> None:
    waits = asked("def analyze(df):\n    while True: pass\n")
    with working():
        eventually(lambda: _status(api.database) == "claimed")
        waits.cancel = True
        failed = waits.end()
        assert isinstance(failed, ScriptError)
        assert failed.kind == "cancelled"
        began = time.monotonic()
    assert time.monotonic() - began < 15, "the script ended there, too, before its time was over"


def _status(database: Database) -> str | None:
    with database.read() as session:
        return session.scalar(select(RemoteCall.status))


def _report(**changed: Any) -> bytes:
    told = {"reason": None, "code": 0, "cpu": 0.1, "seconds": 0.1, "peak": 1, **changed}
    return b"".join(map(bytes, pack(told, [b""])))


HOSTILE = {
    "nothing": b"",
    "no message": b"x" * 100,
    "a header that says more": b"".join(map(bytes, pack({"lost": None, "overflowed": False}, [b"", b""]))),
    "lost in a way that there is not": b"".join(Answer(_report(), b"", "eaten").pack()),  # type: ignore[arg-type]
    "a report that is none": b"".join(Answer(b"{}", b"").pack()),
    "a time that is none": b"".join(Answer(_report(seconds=float("nan")), b"").pack()),
    "a peak that is none": b"".join(Answer(_report(peak="much"), b"").pack()),
    "cut": b"".join(Answer(_report(), b"x" * 100).pack())[:-1],
    "with a tail": b"".join(Answer(_report(), b"x" * 100).pack()) + b"!",
    "more parts": b"".join(map(bytes, pack({"lost": None, "overflowed": False, "whole": True}, [_report(), b"", b""]))),
}


def test_what_is_no_answer_is_refused_by_name_and_the_call_goes_on(api: Api, asked: Any, here: Here) -> None:
    waits = asked()
    call = claim(api)
    for name, content in HOSTILE.items():
        assert list(answer(api, call, content, 422)["fields"]) == ["answer"], name
    most = Answer.most_bytes(Limits(**call["limits"]))
    path = f"/api/v1/calls/{call['id']}/answer?fence={call['fence']}"
    for large in (b"x" * (most + 1), iter([b"x" * (1 << 20)] * (most // (1 << 20) + 2))):
        told = api.client.put(path, content=large)
        assert (told.status_code, list(told.json()["fields"])) == (413, ["answer"])
    assert waits.thread.is_alive()
    answer(api, call, made_by(here, api, call))
    assert waits.end()["a"].tolist() == [2.5]


def test_a_result_that_no_script_could_give_is_refused_as_a_scripts_would_be(api: Api, asked: Any) -> None:
    waits = asked()
    answer(
        api, claim(api), b"".join(Answer(_report(), b"".join(map(bytes, pack({"kind": "frame"}, [b"ARROW1"])))).pack())
    )
    failed = waits.end()
    assert isinstance(failed, ScriptError)
    assert (failed.kind, "cannot be taken" in failed.message) == ("result", True)


@pytest.mark.turns
def test_only_administrators_of_the_organization_with_the_scope_get_its_calls(api: Api, asked: Any, here: Here) -> None:
    tokens = {}
    with api.database.write() as session:
        own = api.organization(session)
        other = users.create_organization(session, "other")
        for name, organization, role, scopes in (
            ("writer", own, Role.WRITER, None),
            ("stranger", other, Role.ADMIN, None),
            ("narrow", own, Role.ADMIN, ["works:work", "series:write"]),
            ("worker", own, Role.ADMIN, ["calls:work"]),
        ):
            user, _ = users.create_user(session, name)
            users.set_member(session, user, organization, role)
            tokens[name] = keys.create_key(session, user.id, organization.id, scopes=scopes)[1]
    asked()
    call = claim(api)
    fence = f"fence={call['fence']}"
    for name, status in (("writer", 403), ("stranger", 404), ("narrow", 403)):
        headers = {"authorization": f"Token {tokens[name]}"}
        for method, path in (
            ("GET", f"/calls/{call['id']}/request?{fence}"),
            ("POST", f"/calls/{call['id']}/renew?{fence}"),
            ("PUT", f"/calls/{call['id']}/answer?{fence}"),
        ):
            api.ask(method, path, status, headers=headers)
        api.ask("POST", "/calls/claim", 204 if name == "stranger" else 403, headers=headers)
    worker = {"authorization": f"Token {tokens['worker']}"}
    api.ask("POST", f"/calls/{call['id']}/renew?{fence}", headers=worker)
    api.ask("GET", "/series", 403, headers=worker)
    answer(api, call, made_by(here, api, call), token=tokens["worker"])


@pytest.mark.turns
@pytest.mark.parametrize("wrong", ["wait=31", "wait=x", "wait=nan", f"worker={'x' * 101}", "worker=%00"])
def test_a_claim_that_makes_no_sense_names_what_of_it(api: Api, wrong: str) -> None:
    told = api.ask("POST", f"/calls/claim?{wrong}", 422)
    assert list(told["fields"]) == [wrong.partition("=")[0]]


@pytest.mark.turns
@pytest.mark.parametrize("fence", ["", "?fence=0", "?fence=x", "?fence=-1", f"?fence={'9' * 30}"])
def test_who_does_not_say_which_claim_it_was_is_told_so(api: Api, fence: str) -> None:
    assert list(api.ask("POST", f"/calls/x/renew{fence}", 422)["fields"]) == ["fence"]


def test_calls_whose_server_is_gone_are_nobodys_and_go(api: Api, asked: Any, limits: Limits) -> None:
    left = calls.ask(api.database, [b"left"], limits, -1)
    assert api.ask("POST", "/calls/claim", 204) is None
    asked()

    def gone() -> bool:
        with api.database.read() as session:
            return session.get(RemoteCall, left.number) is None

    eventually(gone, message="whoever waits for another call removes it")


def test_calls_that_nobody_waits_for_go_whichever_engine_there_is_now(api: Api, limits: Limits) -> None:
    assert upkeep.__name__ in SCHEDULES
    assert upkeep.__name__ in HANDLERS
    _left, kept = (calls.ask(api.database, [b"x"], limits, seconds) for seconds in (-1, 60))
    with api.database.write() as session:
        upkeep.schedule(session)
        (due,) = session.scalars(select(Schedule).where(Schedule.kind == upkeep.PRUNE))
        jobs.enqueue(session, due.kind, due.payload, key=due.key)
    (job,) = run_pending(api.database, api.settings)
    assert (job.status, job.result) == ("finished", {"deleted": 1})
    with api.database.read() as session:
        assert list(session.scalars(select(RemoteCall.number))) == [kept.number]
        assert list(session.scalars(select(RemoteCallPart.call))) == [kept.number]


def test_scripts_in_workers_are_kept_apart_as_here(
    remote: ScriptRunner, limits: Limits, working: Callable[..., Any], api: Api, here: Here
) -> None:
    if not here.sandboxed:
        pytest.skip("calls cannot have cells here")
    secret = str(api.settings.secret_key_file)
    seen = f"os.path.exists({secret!r}) + os.path.exists('/etc/passwd')"
    look = f"import os\ndef analyze(df):\n    return df * (1 + {seen})\n"
    frame = pd.DataFrame({"a": [1.0]}, pd.DatetimeIndex(["2024-01-01"]))
    hog = "def analyze(df):\n    x = bytearray(10 ** 10)\n"
    with working():
        assert remote.analyze(look, frame, limits).value["a"].tolist() == [1.0]
        with pytest.raises(ScriptError) as failed:
            remote.analyze(hog, frame, Limits(wall=20, memory=256 << 20, organization=limits.organization))
        assert failed.value.kind in ("memory", "raised")
