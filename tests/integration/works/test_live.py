"""Works on a running server: locks that sixteen clients race for, through both doors, and addresses of a megabyte."""

import contextlib
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.support.server import ServerProcess

CLIENTS, ROUNDS = 16, 4
B, R = "/workflow/buckets", "/workflow/results"


def _work(pipeline: str, **fields: Any) -> dict[str, Any]:
    return {"pipeline": pipeline, "site": "local", "user": "me", **fields}


@pytest.mark.parametrize("door", ["dialect", "native"])
def test_a_lock_holds_against_sixteen_racing_clients(shared_server: ServerProcess, door: str) -> None:
    pipeline = f"race-{door}"
    headers = {"x-access-token": shared_server.token}
    with shared_server.http(auth=None, headers=headers) as client:
        given = _work(pipeline, id="a", status="success", results={"dm": 0})
        assert client.post(f"{R}/results", json=[given]).json() == {pipeline: True}
        (stored,) = client.post(f"{R}/view", json={"query": {"pipeline": pipeline}}).json()
    barrier = Barrier(CLIENTS)

    def ask(client: Any, number: int, round_: int) -> bool:
        """Send a change; tell whether it was accepted."""
        locks = number % 4 == 0
        document = stored | {"results": {"dm": number * 100 + round_}}
        if door == "dialect":
            if number % 4 == 1:
                answer = client.delete(f"{R}/results", params={pipeline: "none"})
                return answer.json() == {pipeline: True}
            if locks:
                document = stored | {"results": {"dm": 0, "locked": True}}
            answer = client.put(f"{R}/results", json=[document])
            assert answer.status_code == 200, answer.text
            return bool(answer.json())
        if locks:
            answer = client.post("/api/v1/locks", json={"kind": "work", "id": f"{pipeline}/a"})
        elif number % 4 == 1:
            query = {"pipeline": pipeline, "results.locked": True}
            answer = client.post("/api/v1/archive/delete", json={"query": query})
            assert answer.status_code == 409 or answer.json() == {"deleted": 0}, answer.text
            return False
        else:
            answer = client.put("/api/v1/archive", json=[document])
        assert answer.status_code in (200, 201, 204, 409), answer.text
        return bool(answer.status_code != 409)

    def race(number: int) -> list[tuple[bool, bool]]:
        """Return of each request whether it was accepted, and whether the work was seen locked before it was sent."""
        outcomes = []
        with shared_server.http(auth=None, headers=headers) as client:
            barrier.wait()
            for round_ in range(ROUNDS):
                query = {"query": {"pipeline": pipeline, "results.locked": True}}
                seen = client.post(f"{R}/view/count", json=query).json() == 1
                outcomes.append((ask(client, number, round_), seen))
        return outcomes

    with ThreadPoolExecutor(CLIENTS) as pool:
        outcomes = list(pool.map(race, range(CLIENTS)))
    for number, of_client in enumerate(outcomes):
        if number % 4:
            assert not any(accepted and seen for accepted, seen in of_client), "a locked work was changed"
    with shared_server.http(auth=None, headers=headers) as client:
        (found,) = client.post(f"{R}/view", json={"query": {"pipeline": pipeline}}).json()
        assert found["results"]["locked"] is True
        assert client.put(f"{R}/results", json=[found | {"tags": ["late"]}]).json() is False
        assert client.request("DELETE", f"{R}/results", params={pipeline: "a"}).json() == {pipeline: False}
        assert client.put(f"{R}/results", json=[found]).json() == {pipeline: True}


def test_addresses_may_have_a_megabyte(shared_server: ServerProcess) -> None:
    headers = {"x-access-token": shared_server.token, "content-type": "application/json"}

    def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        # Past httpx, which takes addresses of 64 KiB only.
        connection = http.client.HTTPConnection(shared_server.host, shared_server.http_port, timeout=60)
        with contextlib.closing(connection):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it answered before it had heard all
                connection.request(method, path, json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        return answer.status, json.loads(content) if answer.status == 200 else content

    def done(method: str, path: str, body: Any = None) -> Any:
        status, content = ask(method, path, body)
        assert status == 200, content
        return content

    many = [_work("long", status="success", id=f"{number:024x}") for number in range(30)]
    assert done("POST", f"{R}/results", many) == {"long": True}
    ids = done("POST", f"{B}/work?return_ids=True", [_work("long") for _ in range(30)])
    unknown = [f"{number:024x}" for number in range(100, 34_000)]
    in_queue = "&".join(f"ids={one}" for one in unknown + ids)
    in_archive = "&".join(f"long={one}" for one in unknown + [one["id"] for one in many])
    assert min(len(in_queue), len(in_archive)) > 950_000
    assert done("GET", f"{B}/status/details/long?{in_queue}")["queued"] == 30
    assert len(done("POST", f"{R}/view?{in_archive}", {"query": {"pipeline": "long"}})) == 30
    assert done("DELETE", f"{B}/work?{in_queue}") is True
    assert done("DELETE", f"{R}/results?{in_archive}") == {"long": True}
    assert done("GET", f"{B}/status/details/long")["total"] == 0
    assert done("POST", f"{R}/view/count", {"query": {"pipeline": "long"}}) == 0
    status, _ = ask("DELETE", f"{B}/work?{in_queue * 4}")
    assert 400 <= status < 500
    assert done("GET", f"{B}/status/details/long")["total"] == 0
