"""Running, clearing, switching on and off; waiting; gates and their feeders."""

import datetime as dt
from typing import Any

import httpx
import pytest

from entrepot.client.ovbp import Client, TaskDidNotFinishSuccessfully
from tests.unit.client.ovbp.conftest import Platform


def _task(status: str, **base: Any) -> dict[str, Any]:
    return {"id": "t", "base": {"status": status, **base}}


def _will_be(platform: Platform, *states: dict[str, Any]) -> None:
    left = iter(states)
    platform.actions["_tasks/t"] = lambda request: httpx.Response(200, json=next(left))


@pytest.mark.parametrize("status", ["finished", "refused"])
def test_waiting_looks_until_the_task_has_ended(status: str, client: Client, platform: Platform) -> None:
    _will_be(platform, _task("pending"), _task("running"), _task(status))
    task = client.importer_tasks.data_to_record(_task("pending"))
    assert task.wait_for_completion(period=1) == status
    assert len(platform.requests) == 3


@pytest.mark.parametrize("status", ["failed", "cancelled", "server_error", "not_found", "lost"])
def test_a_task_that_did_not_finish_raises_and_says_why(status: str, client: Client, platform: Platform) -> None:
    task = client.importer_tasks.data_to_record(_task(status, message="KeyError: 'a'"))
    with pytest.raises(TaskDidNotFinishSuccessfully) as raised:
        task.wait_for_completion()
    first, *reason = str(raised.value).splitlines()
    assert first == f"Task 't' did not finish successfully. Status: '{status}'."
    assert reason == ["KeyError: 'a'"]
    assert task.wait_for_completion(raise_if_problem=False) == status
    assert platform.requests == []


def test_progress_is_shown_when_wanted(client: Client, platform: Platform, capfd: pytest.CaptureFixture[str]) -> None:
    progress = {"done": 3, "total": 12}
    _will_be(platform, _task("running", progress=progress), _task("finished", progress={"done": 12, "total": 12}))
    task = client.importer_tasks.data_to_record(_task("pending"))
    task.wait_for_completion(period=1, progress=True)
    assert "12/12" in capfd.readouterr().err
    _will_be(platform, _task("finished"))
    client.importer_tasks.data_to_record(_task("pending")).wait_for_completion(period=1)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["importer", "cleaner", "analysis"])
def test_generators_run_clear_and_reset(kind: str, client: Client, platform: Platform) -> None:
    endpoint: Any = {"importer": client.importers, "cleaner": client.cleaners, "analysis": client.analyses}[kind]
    platform.actions["/action"] = lambda request: httpx.Response(201, json=_task("pending"))
    generator = endpoint.data_to_record({"id": "g"})
    noon = dt.datetime(2012, 1, 1, 12)
    tasks = [
        generator.run(),
        generator.clear(),
        generator.clear(noon),
        generator.reset(partial_instant=dt.date(2012, 1, 1)),
        generator.reset("2012"),
    ]
    assert {repr(task) for task in tasks} == {f"<odata/{kind}_tasks: t>"}
    assert [body for *_, body in platform.requests] == [
        {"name": "run"},
        {"name": "clear"},
        {"name": "clear", "partial_instant": "2012-01-01 12:00:00"},
        {"name": "reset", "partial_instant": "2012-01-01"},
        {"name": "reset", "partial_instant": "2012"},
    ]


def test_an_importer_goes_on_after_the_file_given(client: Client, platform: Platform) -> None:
    platform.add("odata/importers", last_imported_path="b")
    platform.actions["/action"] = lambda request: httpx.Response(201, json=_task("pending"))
    importer = client.importers.retrieve("id-1")
    importer.reset(last_imported_path="a/first.json")
    assert [body for *_, body in platform.writes()] == [{"last_imported_path": "a/first.json"}, {"name": "reset"}]


def test_an_importer_is_configured_of_what_is_given(client: Client, platform: Platform) -> None:
    platform.add("odata/importers", gate=None, crontab="", re_run_last_file=True, notify_missing_files_nb=3)
    importer = client.importers.retrieve("id-1")
    importer.configure(client.gates.data_to_record({"id": "g"}), re_run_last_file=False, notify_missing_files_nb=0)
    ((_, _, _, body),) = platform.writes()
    assert body == {"gate": "g", "re_run_last_file": False, "notify_missing_files_nb": 0}
    assert importer.gate == "g"


def test_activation_is_seen_at_once_and_may_start_a_task(client: Client, platform: Platform) -> None:
    analysis = client.analyses.data_to_record({"id": "a", "active": False})
    platform.actions["/active"] = lambda request: httpx.Response(204)
    assert analysis.activate() is None
    assert analysis.active is True
    assert analysis.deactivate() is None
    assert analysis.active is False
    platform.actions["/active"] = lambda request: httpx.Response(200, json=_task("pending"))
    assert repr(analysis.activate()) == "<odata/analysis_tasks: t>"
    assert [body for *_, body in platform.requests] == [{"value": True}, {"value": False}, {"value": True}]


def test_a_gate_gets_an_account(client: Client, platform: Platform) -> None:
    account = {"id": "f", "host": "", "protocol": "ftp", "port": 21, "login": ""}
    attached = account | {"host": "h", "login": "l"}
    platform.actions["/attach_new_oftp_account"] = lambda request: httpx.Response(200, json=attached)
    gate = client.gates.data_to_record({"id": "g", "ftp_account": account})
    with pytest.raises(ValueError, match="not configured"):
        gate.get_ftputil_client()
    assert gate.attach_internal_ftp_account().login == "l"
    assert gate.ftp_account == attached
    platform.records["odata/gate_ftp_accounts"] = {"f": account}
    by_id = client.gates.data_to_record({"id": "g", "ftp_account": "f"})
    assert by_id.attach_internal_ftp_account().host == "h"
    assert by_id.get_ftp_account().host == "h"
    with pytest.raises(TypeError, match="SFTP"):
        client.gate_ftp_accounts.data_to_record(account | {"protocol": "sftp"}).get_ftputil_client()


def test_a_gate_has_its_feeder_fetch(client: Client, platform: Platform) -> None:
    gate = client.gates.data_to_record({"id": "g", "base_feeder": None})
    assert gate.deactivate() is None
    for verb in (gate.run, gate.activate):
        with pytest.raises(RuntimeError, match="no feeder"):
            verb()
    platform.actions["odata/base_feeders"] = lambda request: httpx.Response(
        201, json={"id": "f", "child_id": None, "child_model": None, "active": False}
    )
    feeder = gate.create_base_feeder(crontab="0 0 * * * *")
    assert platform.writes()[-1][3] == {"gate": "g", "crontab": "0 0 * * * *"}
    assert feeder.get_child() is None
    platform.actions["/feed"] = lambda request: httpx.Response(201, json=_task("pending"))
    platform.actions["/active"] = lambda request: httpx.Response(204)
    assert repr(gate.run()) == "<odata/base_feeder_tasks: t>"
    gate.activate()
    assert gate.base_feeder["active"] is True
    platform.add("odata/static_webservice_feeder", address="http://x")
    nested = client.base_feeders.data_to_record(
        {"id": "f", "child_id": "id-1", "child_model": "staticwebservicefeeder"}
    )
    child = nested.get_child()
    assert child is not None
    assert child.address == "http://x"
    nested.data["child_model"] = "other"
    with pytest.raises(RuntimeError, match="other"):
        nested.get_child()


def test_a_gate_known_by_the_id_of_its_feeder_asks_for_it(client: Client, platform: Platform) -> None:
    platform.add("odata/gates", base_feeder={"id": "f", "active": True})
    feeder = client.gates.data_to_record({"id": "id-1", "base_feeder": "f"}).get_base_feeder()
    assert feeder is not None
    assert feeder.active is True
