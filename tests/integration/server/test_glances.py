"""What was read a moment ago, in no time, is read again on the event loop; all else in a thread, and all alike."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.identity import keys
from entrepot.server import glances
from entrepot.server.glances import Glances
from entrepot.server.threads import in_thread
from tests.support.interface import Api

MINUTE = 60_000_000
START = 1_709_251_200_000_000
WINDOW = f"from={START}&to={START + 10 * MINUTE}"


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was done in threads."""
    done = list[Any]()

    async def counted(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        done.append(function)
        return await in_thread(function, *arguments, **named)

    monkeypatch.setattr("entrepot.server.writers.in_thread", counted)
    return done


@pytest.fixture
def wind(api: Api, monkeypatch: pytest.MonkeyPatch) -> str:
    """A series of two thousand points, in chunks, on a machine on which everything is quick."""
    monkeypatch.setattr(glances, "QUICK", 10.0)
    api.ask("POST", "/projects", 201, json={"name": "Farm"})
    made: str = api.ask("POST", "/series", 201, json={"project": "Farm", "name": "wind"})["id"]
    times = [START + MINUTE * number for number in range(2000)]
    api.ask("POST", "/points", json={made: {"time": times, "value": [float(n) for n in range(2000)]}})
    return made


def test_a_window_is_read_again_without_a_thread_on_sqlite_alone(api: Api, wind: str, threads: list[Any]) -> None:
    path = f"/series/{wind}/points"
    first = api.ask("GET", f"{path}?{WINDOW}")
    threads.clear()
    assert api.ask("GET", f"{path}?{WINDOW}") == first
    beside = f"from={START + 5 * MINUTE}&to={START + 20 * MINUTE}&format=json"
    assert api.ask("GET", f"{path}?{beside}")["value"] == [float(number) for number in range(5, 20)]
    assert len(threads) == (0 if api.database.dialect == "sqlite" else 2)
    # What was acknowledged is seen, and what was deleted is not.
    api.ask("POST", "/points", json={wind: {"time": [START], "value": [-1.0]}})
    assert api.ask("GET", f"{path}?{WINDOW}")["value"][0] == -1.0
    api.ask("DELETE", f"{path}?{WINDOW}")
    assert api.ask("GET", f"{path}?{WINDOW}")["value"] == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"from={START}",
        f"{WINDOW}&step=1h",
        f"{WINDOW}&limit=3",
        f"{WINDOW}&format=arrow",
        f"from={START}&to={START + 1500 * MINUTE}",  # more points than are written in no time
        f"from={START + 10**14}&to={START + 2 * 10**14}",  # of which nothing was read
    ],
)
def test_what_may_take_time_is_for_a_thread(api: Api, wind: str, threads: list[Any], query: str) -> None:
    path = f"/api/v1/series/{wind}/points?{query}"
    before = api.client.get(path)
    api.ask("GET", f"/series/{wind}/points?{WINDOW}")
    threads.clear()
    again = api.client.get(path)
    assert (again.status_code, again.content) == (before.status_code, before.content)
    assert len(threads) == 1


def test_a_key_counts_no_longer_than_elsewhere(api: Api, wind: str, threads: list[Any]) -> None:
    path = f"/series/{wind}/points?{WINDOW}"
    made = api.ask("POST", "/keys", 201, json={"name": "reader", "scopes": ["series:read"]})
    other = api.ask("POST", "/projects", 201, json={"name": "Other"})["id"]
    bound = api.ask("POST", "/keys", 201, json={"name": "bound", "scopes": ["series:read"], "projects": [other]})
    heads = {"authorization": f"Token {made['token']}"}
    for _ in range(3):
        api.ask("GET", path, headers=heads)
        api.ask("GET", path, 404, headers={"authorization": f"Token {bound['token']}"})
        api.ask("GET", path, 401, headers={"authorization": "Token nobody"})
    threads.clear()
    api.ask("DELETE", f"/keys/{made['id']}")
    api.ask("GET", path, 401, headers=heads)
    api.ask("GET", path)
    api.ask("DELETE", f"/series/{wind}", 204)
    api.ask("GET", path, 404)


def test_a_database_that_would_keep_the_loop_waiting_is_left_to_a_thread(
    api: Api, wind: str, threads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if api.database.dialect != "sqlite":
        pytest.skip("PostgreSQL is always read in a thread")
    path = f"/series/{wind}/points?{WINDOW}"
    first = api.ask("GET", path)
    kept = api.database._glance
    with api.database.glance() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 0
        threads.clear()
        assert api.ask("GET", path) == first, "somebody else has the connection at this moment"
    assert len(threads) == 1
    find = keys.find_principal

    def fail(session: Any, token: str) -> Any:
        if session is api.database._glance:
            session.exec_driver_sql("nonsense")
        return find(session, token)

    monkeypatch.setattr(keys, "find_principal", fail)
    assert api.ask("GET", path) == first
    assert len(threads) == 2
    monkeypatch.undo()
    assert api.ask("GET", path) == first
    assert api.database._glance is not kept or kept is None


WHOLE = st.integers(0, 20)


@given(st.lists(st.tuples(WHOLE, st.integers(1, 6), st.floats(0, 0.002))), WHOLE, st.integers(1, 6))
def test_what_counts_as_known_was_noted_and_takes_no_longer_than_what_is_quick(
    noted: list[tuple[int, int, float]], low: int, length: int
) -> None:
    known = Glances()
    for start, long, seconds in noted:
        known.note("s", start, start + long, seconds)
    if known.knows("s", low, low + length):
        quick = [(start, start + long) for start, long, seconds in noted if seconds <= glances.QUICK]
        assert all(any(start <= at < stop for start, stop in quick) for at in range(low, low + length))
        assert known.has("s")
    assert not known.knows("t", low, low + length)


def test_what_was_read_long_ago_or_took_long_is_known_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("entrepot.server.glances.time.monotonic", lambda: clock[0])
    known = Glances()
    known.note("s", 0, 10, 0.0001)
    assert known.knows("s", 2, 10)
    assert not known.knows("s", 2, 11)
    clock[0] += glances.FRESH_SECONDS + 1
    assert not known.has("s")
    known.note("s", 0, 10, 0.0001)
    known.note("s", 0, 10, glances.QUICK * 2)
    assert not known.knows("s", 0, 10)
    for number in range(glances._MOST + 5):
        known.note(str(number), 0, 1, 0.0)
    assert len(known._seen) <= glances._MOST
