"""A job as it goes, streamed by the interface and to the console's page."""

import threading
from typing import Any

import orjson
import pytest
from sqlalchemy import update

from entrepot import jobs
from entrepot.jobs import Job
from tests.support.interface import Api

_ASKED = {"accept": "text/event-stream"}


@pytest.fixture
def job(api: Api) -> str:
    """A job that runs, whose work the tests do."""
    with api.database.write() as session:
        made = jobs.enqueue(session, "importer.run", {}, organization_id=api.organization(session).id)
        session.flush()
        change(session, made.id, status="running", output="1 < 2\n")
        return made.id


def change(session: Any, job: str, **columns: Any) -> None:
    session.execute(update(Job).where(Job.id == job).values(columns))


def events(text: str) -> list[tuple[str, Any]]:
    parts = [dict(line.split(": ", 1) for line in part.splitlines()) for part in text.split("\n\n") if part]
    return [(part["event"], orjson.loads(part["data"])) for part in parts if "event" in part]


def test_progress_and_output_come_as_they_are_until_the_end(api: Api, job: str) -> None:
    def work() -> None:
        for columns in ({"progress_done": 1, "progress_total": 2, "output": "1 < 2\n2 < 3\n"}, {"status": "finished"}):
            threading.Event().wait(0.5)
            with api.database.write() as session:
                change(session, job, **columns)

    worker = threading.Thread(target=work)
    worker.start()
    answer = api.client.get(f"/api/v1/jobs/{job}/stream", headers=_ASKED)
    worker.join()
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    assert told[:2] == [
        ("progress", {"status": "running", "done": 0, "total": 0, "message": ""}),
        ("output", {"text": "1 < 2\n", "anew": False}),
    ]
    assert ("output", {"text": "2 < 3\n", "anew": False}) in told
    assert ("progress", {"status": "running", "done": 1, "total": 2, "message": ""}) in told
    assert told[-1] == ("end", {"status": "finished"})
    mark = answer.text.partition("id: ")[2].partition("\n")[0]
    again = api.client.get(f"/api/v1/jobs/{job}/stream", headers=_ASKED | {"last-event-id": mark})
    assert ("output", {"text": "2 < 3\n", "anew": False}) in events(again.text)
    page = api.client.get(f"/console/runs/{job}/stream", headers=_ASKED)
    assert events(page.text)[-1] == ("end", {"status": "finished"})


def test_a_job_is_streamed_to_those_alone_who_may_read_it(api: Api, job: str) -> None:
    for door in ("/api/v1/jobs", "/console/runs"):
        assert api.client.get(f"{door}/none/stream", headers=_ASKED).status_code == 404
        nobody = api.client.get(f"{door}/{job}/stream", headers=_ASKED | {"authorization": "Token x"})
        assert nobody.status_code == 401
    assert api.client.get(f"/api/v1/jobs/{job}/stream").json()["fields"].keys() == {"Accept"}
    with api.database.write() as session:
        change(session, job, organization_id=None)
    assert api.client.get(f"/api/v1/jobs/{job}/stream", headers=_ASKED).status_code == 404
