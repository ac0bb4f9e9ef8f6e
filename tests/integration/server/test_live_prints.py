"""What a script prints is seen while it goes: on the stream of its run, and on the page of a trial."""

import base64
from collections.abc import Iterator

import httpx
import orjson
import pytest

from tests.support.deadline import eventually
from tests.support.server import ServerProcess

ENDLESS = """
import time
def parse(content, path, **tools):
    print("reads", path, "<b>")
    while True:
        time.sleep(0.01)
"""
SAID = "reads a.csv <b>\n"


@pytest.fixture
def http(shared_server: ServerProcess) -> Iterator[httpx.Client]:
    with shared_server.http(base_url=f"{shared_server.url}/api/v1") as client:
        yield client


@pytest.fixture
def project(http: httpx.Client) -> Iterator[str]:
    made = http.post("/projects", json={"name": "prints"}).raise_for_status().json()["id"]
    yield made
    eventually(lambda: http.delete(f"/projects/{made}").is_success, 20)


def printed(http: httpx.Client, job: str) -> str:
    """Listen to a job until it tells what was printed; it still goes then."""
    with http.stream("GET", f"/jobs/{job}/stream", headers={"accept": "text/event-stream"}, timeout=60) as answer:
        event = ""
        for line in answer.iter_lines():
            name, _, said = line.partition(": ")
            event = said if name == "event" else event
            assert event != "end", "the job ended before anything was told"
            if name == "data" and event == "output":
                return str(orjson.loads(said)["text"])
    raise AssertionError("the stream ended")


def end(http: httpx.Client, job: str) -> tuple[str, str]:
    """Cancel a job; return how it ended, and what is kept of what it printed."""
    http.post(f"/runs/{job}/cancel", json={}).raise_for_status()
    ended = eventually(lambda: (found := http.get(f"/runs/{job}").json())["ended_at"] and found, 30)
    return ended["status"], http.get(f"/runs/{job}/log").text


def test_a_run_is_heard_while_its_script_goes_and_keeps_what_it_printed(http: httpx.Client, project: str) -> None:
    gate = http.post("/gates", json={"project": project, "name": "g"}).raise_for_status().json()["id"]
    http.put(f"/gates/{gate}/files/a.csv", content=b"x").raise_for_status()
    fields = {"project": project, "name": "i", "gate": gate, "parse": ENDLESS, "clock": "UTC"}
    importer = http.post("/importers", json=fields).raise_for_status().json()["id"]
    run = http.post(f"/importers/{importer}/runs", json={}).raise_for_status().json()["id"]
    assert printed(http, run) == SAID
    assert http.get(f"/runs/{run}").json()["status"] == "running"
    assert end(http, run) == ("cancelled", SAID)


def test_a_trial_is_heard_while_its_script_goes(http: httpx.Client, project: str, shared_server: ServerProcess) -> None:
    file = {"path": "a.csv", "content": base64.b64encode(b"x").decode()}
    asked = {"project": project, "script": ENDLESS, "files": [file]}
    trial = http.post("/importers/try", json=asked).raise_for_status().json()["id"]
    assert printed(http, trial) == SAID
    with shared_server.http(auth=None) as console:
        console.post("/console/login", data={"login": shared_server.login, "password": shared_server.password})
        page = console.get(f"/console/trials/{trial}").raise_for_status().text
    assert "reads a.csv &lt;b&gt;" in page
    assert 'data-state="running"' in page
    assert end(http, trial) == ("cancelled", "")
