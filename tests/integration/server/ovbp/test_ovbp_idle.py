"""Tasks, runs and pages where runs that found nothing leave a count: each generator still has its last task."""

from typing import Any

from sqlalchemy import update

from entrepot import jobs
from entrepot.db import now
from entrepot.jobs import schedules
from tests.integration.server.ovbp.conftest import Door


def _tick(door: Door) -> None:
    with door.services.database.write() as session:
        session.execute(update(jobs.Schedule).values(next_at=now()))
        schedules.fire_due(session, now())
    door.work()


def test_the_last_run_that_found_nothing_is_a_task_and_a_count(door: Door) -> None:
    project = door.project()
    script = "def parse(content_bytes, rel_path, **tools): ..."
    fields = {"gate": door.gate(project)["id"], "crontab": "0 * * * * *", "parse_script": script}
    importer = door.importer(project, **fields)["id"]
    door.patch(f"odata/importers/{importer}/active/", {"value": True})
    asked = door.post(f"odata/importers/{importer}/action/", {"name": "run"})["id"]
    door.work()
    for _ in range(3):
        _tick(door)
    tasks = door.rows("odata/importer_tasks/", project=project, start=0, length=200)
    assert len(tasks) == 2
    last = tasks[0]
    assert (last["base"]["status"], tasks[1]["id"]) == ("finished", asked)
    assert last["base"]["start_date"] <= last["base"]["end_date"]
    assert door.get(f"odata/importer_tasks/{last['id']}/")["base"]["status"] == "finished"
    assert door.call("GET", f"odata/importer_tasks/{last['id']}/", by="stranger").status_code == 404

    def native(path: str, by: str = "writer", **params: Any) -> Any:
        client = door.client if by == "writer" else door.others[by]
        return client.get(f"http://testserver/api/v1{path}", params=params).json()

    (idle,) = native("/runs/idle", of=importer)["items"]
    assert (idle["count"], idle["of"]["id"], idle["action"], idle["last_job"]) == (3, importer, "run", last["id"])
    assert idle["since"] <= idle["last_ended_at"]
    assert native("/runs/idle", project=project, limit=1)["next"] is not None
    assert native("/runs/idle", by="stranger") == {"items": [], "next": None}
    (run,) = native("/runs", of=importer)["items"]
    assert run["id"] == asked
    assert native(f"/jobs/{last['id']}")["status"] == "finished"
