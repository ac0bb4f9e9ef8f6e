"""Every resource of the dialect: what it answers, in which order of keys, to which verbs."""

import re
from typing import Any

import pytest

from entrepot.server.dialects.ovbp import RESOURCES
from tests.integration.server.ovbp.conftest import Door

NO_SUCH = "6a4d0e7e-0000-4000-8000-000000000000"
SIX_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ORGANIZATION_KEYS = ["id", "rights", "name", "comment", "control_affiliations", "log_activity", "ftp_account"]
PROJECT_KEYS = [
    "id", "rights", "odata", "obuildings", "is_visible", "organization", "name", "comment", "private_comment",
    "creation_date", "display_buildings",
]  # fmt: skip
IMPORTER_KEYS = [
    "id", "rights", "active", "name", "comment", "model", "crontab", "auto_partial_reset", "parse_script",
    "root_dir_path", "re_run_last_file", "notify_missing_files_nb", "max_ante_scanned_files_nb", "last_run",
    "last_clear", "last_imported_path", "latest_imported_mdate", "project", "gate",
]  # fmt: skip
CLEANER_KEYS = ["id", "rights", "name", "comment", "model", "last_run", "last_clear", "project", "related_importer"]
ANALYSIS_KEYS = [
    "id", "rights", "analysisconfig", "active", "name", "comment", "model", "last_run", "last_clear", "project",
]  # fmt: skip
ANALYSIS_DETAILED_KEYS = [
    "id", "rights", "analysisconfig", "active", "is_obsolete", "unresolved_notifications_nb", "name", "comment",
    "model", "last_run", "last_clear", "project",
]  # fmt: skip
CONFIG_KEYS = [
    "id", "rights", "output_tags", "clock", "output_timezone", "start_with_first", "wait_for_last", "input_freq",
    "output_freq", "custom_before_offset", "custom_after_offset", "before_offset_strict_mode", "with_tags", "script",
    "script_method", "wait_offset", "custom_delay", "analysis",
]  # fmt: skip
WRITER_RIGHTS = {"can_delete": True, "can_read": True, "can_admin": False, "can_write": True}
UNITCLEANER = {
    "name": "a-cleaned", "freq": "1H", "input_unit_type": "instantaneous", "unit_type": "instantaneous",
    "input_convention": "left", "clock": "tzt", "timezone": "Europe/Paris", "unit": "", "resample_rule": "mean",
    "interpolate_limit": 0, "wait_offset": "6H", "label": "", "input_expected_regular": False, "operation_fct": None,
    "filter_fct": None, "derivative_filter_fct": None, "custom_delay": None, "custom_fct": None,
    "custom_before_offset": None, "custom_after_offset": None,
}  # fmt: skip


def unitcleaner(door: Door, cleaner: str, raw: str = "a", **fields: Any) -> dict[str, Any]:
    body = {"cleaner": cleaner, "external_name": raw, **UNITCLEANER, "name": f"{raw}-cleaned", **fields}
    return dict(door.post("odata/unitcleaners/", body))


def test_there_are_26_resources() -> None:
    assert len({resource.path for resource in RESOURCES}) == len(RESOURCES) == 26


def test_organizations(door: Door) -> None:
    (row,) = door.rows("oteams/organizations/", name="Openergy")
    assert list(row) == ORGANIZATION_KEYS
    assert (row["rights"], row["name"], row["comment"]) == (None, "Openergy", "")
    assert (row["control_affiliations"], row["log_activity"]) == (False, False)
    assert door.rows("oteams/organizations/", name="openergy") == []
    assert door.rows("oteams/organizations/", name="Elsewhere") == []
    assert door.get(f"oteams/organizations/{row['id']}/")["rights"] == WRITER_RIGHTS


def test_projects(door: Door) -> None:
    body = {"organization": door.organization, "name": "Ovbpclient documentation", "comment": "c"}
    project = door.post("oteams/projects/", body)
    assert list(project) == PROJECT_KEYS
    assert project["organization"] == door.rows("oteams/organizations/")[0]
    assert (project["name"], project["comment"], project["private_comment"]) == (body["name"], "c", "")
    assert (project["is_visible"], project["display_buildings"], project["rights"]) == (True, False, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", project["creation_date"])
    assert door.rows("oteams/projects/", name=body["name"], organization=door.organization) == [project]
    assert door.rows("oteams/projects/", name=body["name"], organization=NO_SUCH) == []
    assert door.rows("oteams/projects/", name=body["name"].upper()) == []
    assert door.rows("oteams/projects/", odata=project["odata"]) == [project]
    assert door.rows("oteams/projects/", empty=True) == []
    assert door.rows("oteams/projects/", empty=False, nonsense="ignored") == [project]
    detailed = door.get(f"oteams/projects/{project['id']}/")
    assert detailed == project | {"rights": WRITER_RIGHTS}
    changes = {"name": "renamed", "creation_date": "2020-04-13", "is_visible": False}
    assert door.patch(f"oteams/projects/{project['id']}/", changes) == project | changes
    assert door.rows("oteams/projects/", start=0, length=2, name="renamed")


def test_odata_project(door: Door) -> None:
    project = door.project("p")
    record = door.get(f"odata/projects/{project}/")
    assert (record["id"], record["name"], record["mail_alerts_activated"]) == (project, "p", False)
    for value in (True, False):
        echoed = door.patch(f"odata/projects/{project}/", {"mail_alerts_activated": value})
        assert echoed["mail_alerts_activated"] is value
    assert [row["id"] for row in door.rows("odata/projects/")] == [project]


def test_users_find_their_ftp_account_and_their_exports(door: Door) -> None:
    me = door.get("oteams/users/me/")
    user = door.get(f"odata/users/{me['odata']}/")
    account = door.get(f"odata/user_ftp_accounts/{user['ftp_account']}/")
    assert account["protocol"] == "ftp"
    assert (account["host"], account["port"]) == ("127.0.0.1", 2121)
    assert "password" not in account
    path = f"odata/user_ftp_accounts/{account['id']}"
    assert len(door.get(f"{path}/password/")["password"]) > 20
    listing = {"path": "series_exports", "root_dir_path": "/"}
    assert door.post(f"{path}/list_dir/", listing, start=0, length=200) == {"data": []}
    exports = next(door.services.settings.users_dir.glob("[!.]*")) / "series_exports"
    for number in range(3):
        (exports / f"2020-{number}.zip").write_bytes(b"zip")
    (exports / "folder").mkdir()
    rows = door.post(f"{path}/list_dir/", listing)["data"]
    assert [(row["name"], row["type"]) for row in rows] == [
        ("folder", "directory"), ("2020-2.zip", "file"), ("2020-1.zip", "file"), ("2020-0.zip", "file"),
    ]  # fmt: skip
    assert rows[1]["path"] == "series_exports/2020-2.zip"
    assert door.call("GET", f"{path}/list_dir/?path=/series_exports").json() == {"data": rows}
    assert [row["name"] for row in door.post(f"{path}/list_dir/")["data"]] == ["series_exports"]
    assert door.call("POST", f"{path}/list_dir/", {"path": "../.."}).status_code == 400
    assert door.call("GET", f"odata/users/{NO_SUCH}/").status_code == 404


def test_gates_come_with_an_account(door: Door) -> None:
    project = door.project()
    gate = door.gate(project)
    assert (gate["name"], gate["comment"], gate["project"], gate["model"]) == ("gate", "", project, "gate")
    assert (gate["rights"], gate["base_feeder"]) == (None, None)
    account = gate["ftp_account"]
    assert list(account) == ["id", "rights", "protocol", "host", "port", "login"]
    assert door.rows("odata/gates/", project=project, name="gate", start=0, length=2) == [gate]
    assert door.get(f"odata/gates/{gate['id']}/") == gate | {"rights": WRITER_RIGHTS}
    path = f"odata/gate_ftp_accounts/{account['id']}"
    assert door.get(f"{path}/") == account
    assert door.post(f"{path}/attach_new_oftp_account/") == account
    password = door.get(f"{path}/password/")["password"]
    assert door.get(f"{path}/password/")["password"] == password
    assert door.post(f"{path}/list_dir/") == {"data": []}
    door.put(gate, "a/b.json", b"{}")
    assert [(row["name"], row["type"], row["path"]) for row in door.post(f"{path}/list_dir/", {"path": "a"})["data"]] \
        == [("b.json", "file", "a/b.json")]  # fmt: skip
    assert door.patch(f"{path}/", {"password": "a new password"})["password"] is None
    assert door.get(f"{path}/password/")["password"] == "a new password"
    assert door.call("PATCH", f"{path}/", {"custom_host": "ftp.example.org"}).json().keys() == {"custom_host"}
    assert door.patch(f"odata/gates/{gate['id']}/", {"comment": "new"})["comment"] == "new"
    assert door.rows("odata/gate_ftp_accounts/") == [account]
    door.delete(f"odata/gates/{gate['id']}/")
    assert door.call("GET", f"{path}/").status_code == 404
    assert [job.kind for job in door.work()] == ["gate.remove_files"]
    assert not (door.services.settings.gates_dir / gate["id"]).exists()


def test_feeders_store_list_activate_and_answer(door: Door) -> None:
    gate = door.gate(door.project())
    feeder = door.post("odata/base_feeders/", {"gate": gate["id"], "crontab": "0 0 * * * *", "timezone": "UTC"})
    assert (feeder["active"], feeder["child_id"], feeder["child_model"]) == (False, None, None)
    assert (feeder["crontab"], feeder["timezone"], feeder["gate"]) == ("0 0 * * * *", "UTC", gate["id"])
    assert door.get(f"odata/gates/{gate['id']}/")["base_feeder"] == feeder
    path = f"odata/base_feeders/{feeder['id']}"
    child = door.post("odata/generic_basic_feeders/", {"base_feeder": feeder["id"], "script": "x = 1"})
    assert (child["base_feeder"], child["script"]) == (feeder["id"], "x = 1")
    assert door.patch(f"odata/generic_basic_feeders/{child['id']}/", {"script": "x = 2"})["script"] == "x = 2"
    assert door.get(f"odata/generic_basic_feeders/{child['id']}/")["script"] == "x = 2"
    assert door.call("GET", f"odata/static_webservice_feeder/{child['id']}/").status_code == 404
    assert [row["id"] for row in door.rows("odata/generic_basic_feeders/")] == [child["id"]]
    assert door.rows("odata/static_webservice_feeder/") == []
    record = door.get(f"{path}/")
    assert (record["child_id"], record["child_model"]) == (child["id"], "genericbasicfeeder")
    door.patch(f"{path}/active/", {"value": True})
    assert door.get(f"{path}/")["active"] is True
    task = door.post(f"{path}/feed/")
    door.work()
    assert door.get(f"odata/base_feeder_tasks/{task['id']}/")["base"]["status"] == "failed"  # it has no feed()
    assert door.call("POST", "odata/base_feeders/", {"gate": gate["id"]}).json().keys() == {"gate"}
    door.delete(f"odata/generic_basic_feeders/{child['id']}/")
    service = door.post(
        "odata/static_webservice_feeder/",
        {
            "base_feeder": feeder["id"],
            "url": "https://x.org",
            "parameters": {"include": ["*.csv"]},
            "credentials": {"login": "x", "password": "never returned"},
        },
    )
    assert service["parameters"] == {"include": ["*.csv"]}
    assert service["credentials"] == ["login", "password"]
    changed = door.patch(f"odata/static_webservice_feeder/{service['id']}/", {"credentials": {"token": "nor this"}})
    assert changed["credentials"] == ["token"]
    inside = {"url": "http://169.254.169.254/latest"}
    refused = door.call("PATCH", f"odata/static_webservice_feeder/{service['id']}/", inside)
    assert (refused.status_code, list(refused.json())) == (400, ["url"])
    assert door.get(f"{path}/")["child_model"] == "staticwebservicefeeder"
    assert door.get(f"odata/static_webservice_feeder/{service['id']}/")["url"] == "https://x.org"
    door.delete(f"{path}/")
    assert door.get(f"odata/gates/{gate['id']}/")["base_feeder"] is None


def test_importers_and_their_cleaners(door: Door) -> None:
    project = door.project()
    gate = door.gate(project)
    importer = door.importer(project)
    assert list(importer) == IMPORTER_KEYS
    fresh = {
        "rights": None, "active": False, "model": "importer", "crontab": "", "auto_partial_reset": False,
        "parse_script": "", "root_dir_path": "/", "re_run_last_file": False, "notify_missing_files_nb": 0,
        "max_ante_scanned_files_nb": 0, "last_run": None, "last_clear": None, "last_imported_path": None,
        "latest_imported_mdate": None, "project": project, "gate": None,
    }  # fmt: skip
    assert importer == importer | fresh
    (cleaner,) = door.rows("odata/cleaners/", project=project, name="importer-a")
    assert list(cleaner) == CLEANER_KEYS
    assert (cleaner["related_importer"], cleaner["comment"], cleaner["model"]) == (importer["id"], "", "cleaner")
    path = f"odata/importers/{importer['id']}/"
    changes = {"gate": gate["id"], "crontab": "0 0 0 1 1 *", "parse_script": "\nimport pandas\n"}
    assert door.patch(path, changes) == importer | changes
    assert door.get(path)["gate"] == gate
    assert door.get(path)["rights"] == WRITER_RIGHTS
    echoed = door.patch(path, {"last_imported_path": "last_imported_path", "unknown": [1]})
    assert (echoed["last_imported_path"], echoed["unknown"]) == ("last_imported_path", [1])
    assert door.ok(door.call("PUT", path, door.get(path) | {"comment": "put"}))["comment"] == "put"
    door.patch(path, {"name": "renamed"})
    assert door.get(f"odata/cleaners/{cleaner['id']}/")["name"] == "renamed"
    assert door.call("PATCH", path, {"gate": NO_SUCH}).status_code == 404
    other = door.gate(door.project("other"))
    assert door.call("PATCH", path, {"gate": other["id"]}).json().keys() == {"gate"}
    assert door.call("PATCH", path, {"project": other["project"]}).json() == {"project": ["This cannot be changed."]}
    assert door.call("POST", "odata/cleaners/", {"project": project, "name": "c"}).status_code == 400
    for value in (True, False):
        assert door.call("PATCH", f"{path}active/", {"value": value}).status_code == 204
        assert door.get(path)["active"] is value
    door.delete(f"odata/gates/{gate['id']}/")
    assert door.get(path)["gate"] is None
    door.delete(path)
    assert door.rows("odata/cleaners/", project=project) == []


def test_unitcleaners_echo_what_they_were_given(door: Door) -> None:
    importer = door.importer(door.project())
    cleaner = door.cleaner(importer)
    made = unitcleaner(door, cleaner, freq="30T", label="  é ", operation_fct="def fct(value):\n    return value\n")
    assert (made["freq"], made["label"], made["active"]) == ("30T", "  é ", True)
    assert made["numerical_filter"] is None
    assert made.keys() >= {"cleaner", "external_name", *UNITCLEANER}
    path = f"odata/unitcleaners/{made['id']}/"
    assert door.patch(path, {"interpolate_limit": 3}) == made | {"interpolate_limit": 3}
    assert door.rows("odata/unitcleaners/", cleaner=cleaner, external_name="a")[0]["id"] == made["id"]
    for field, value in {"external_name": "a", "name": "a-cleaned"}.items():
        body = {"cleaner": cleaner, **UNITCLEANER, "external_name": "b", "name": "b", field: value}
        assert door.call("POST", "odata/unitcleaners/", body).json().keys() == {field}
    wrong: dict[str, Any] = {
        "freq": "1X", "input_unit_type": "bonjour", "unit_type": None, "clock": "utc", "timezone": "Mars/Base",
        "resample_rule": "max", "interpolate_limit": -1, "wait_offset": "soon", "custom_delay": 5,
        "input_expected_regular": "yes", "unit": "u" * 256, "external_name": "", "name": None,
    }  # fmt: skip
    for field, given in wrong.items():
        response = door.call("PATCH", path, {field: given})
        assert (response.status_code, list(response.json())) == (400, [field]), field
    unitcleaner(door, cleaner, "b")
    assert [row["external_name"] for row in door.rows("odata/unitcleaners/", cleaner=cleaner)] == ["b", "a"]
    door.delete(path)
    assert [row["external_name"] for row in door.rows("odata/unitcleaners/", cleaner=cleaner)] == ["b"]


def test_analyses(door: Door) -> None:
    project = door.project()
    importer = door.importer(project)
    cleaner = door.cleaner(importer)
    analysis = door.post("odata/analyses/", {"project": project, "name": "analysis-a", "comment": "c"})
    assert list(analysis) == ANALYSIS_KEYS
    assert (analysis["analysisconfig"], analysis["active"], analysis["last_run"]) == (None, False, None)
    path = f"odata/analyses/{analysis['id']}/"
    inputs = [
        door.post(
            "odata/analysis_inputs/",
            {"analysis": analysis["id"], "input_series_generator": cleaner, "input_series_name": n, "column_name": n},
        )
        for n in ("a-cleaned", "b-cleaned")
    ]
    assert "name" not in inputs[0]
    assert door.rows("odata/analysis_inputs/", analysis=analysis["id"]) == inputs[::-1]
    output = {"name": "a-output", "resample_rule": "mean", "label": "", "unit": "Â°C", "numerical_filter": None}
    made = door.post("odata/analysis_outputs/", {"analysis": analysis["id"], **output})
    assert made == made | output
    assert door.rows("odata/analysis_outputs/", analysis=analysis["id"]) == [made]
    sent = {
        "analysis": analysis["id"], "input_freq": "3H", "output_freq": "3H", "script": "\ndef analyze(df): ...",
        "clock": "tzt", "output_timezone": "Europe/Paris", "start_with_first": False, "wait_for_last": False,
        "custom_before_offset": None, "custom_after_offset": None, "before_offset_strict_mode": False,
        "with_tags": False, "wait_offset": "6H", "custom_delay": None, "script_method": "array",
    }  # fmt: skip
    config = door.post("odata/analysis_configs/", sent)
    assert list(config) == CONFIG_KEYS
    assert config == config | sent
    assert config["output_tags"] == []
    assert door.rows("odata/analyses/", project=project, name="analysis-a")[0]["analysisconfig"] == config["id"]
    detailed = door.get(path)
    assert list(detailed) == ANALYSIS_DETAILED_KEYS
    assert list(detailed["rights"]) == ["can_delete", "can_read", "can_admin", "can_write"]
    assert detailed["analysisconfig"] == config
    assert (detailed["is_obsolete"], detailed["unresolved_notifications_nb"]) == (False, 0)
    assert door.call("POST", "odata/analysis_configs/", sent).json().keys() == {"analysis"}
    for field, value in {"input_freq": "H3", "script_method": "dict", "output_timezone": "x", "clock": None}.items():
        response = door.call("PATCH", f"odata/analysis_configs/{config['id']}/", {field: value})
        assert (response.status_code, list(response.json())) == (400, [field])
    assert door.patch(f"odata/analysis_configs/{config['id']}/", {"input_freq": "1H"})["input_freq"] == "1H"
    itself = {"input_series_generator": analysis["id"]}
    response = door.call("PATCH", f"odata/analysis_inputs/{inputs[0]['id']}/", itself)
    assert (response.status_code, list(response.json())) == (400, ["input_series_generator"])
    unknown = {"input_series_generator": NO_SUCH}
    assert door.call("PATCH", f"odata/analysis_inputs/{inputs[0]['id']}/", unknown).status_code == 404
    assert door.patch(path, {"comment": "new"})["comment"] == "new"
    door.delete(f"odata/analysis_inputs/{inputs[0]['id']}/")
    door.delete(f"odata/analysis_outputs/{made['id']}/")
    door.delete(f"odata/analysis_configs/{config['id']}/")
    assert door.get(path)["analysisconfig"] is None
    door.delete(path)
    assert door.rows("odata/analysis_inputs/", analysis=analysis["id"]) == []


@pytest.mark.parametrize("kind", ["importers", "analyses"])
def test_actions_answer_a_task(door: Door, kind: str) -> None:
    record = door.post(f"odata/{kind}/", {"project": door.project(), "name": "x", "comment": ""})
    path = f"odata/{kind}/{record['id']}/action/"
    tasks = "odata/importer_tasks" if kind == "importers" else "odata/analysis_tasks"
    bodies = (
        {"name": "run"},
        {"name": "clear"},
        {"value": "reset"},
        {"name": "clear", "partial_instant": "2012-01-01"},
    )
    found = [door.post(path, body) for body in bodies]
    door.work()
    statuses = [door.get(f"{tasks}/{task['id']}/")["base"]["status"] for task in found]
    assert statuses[0] == "refused"
    assert statuses[1] == statuses[3] == "finished"
    assert door.rows(f"{tasks}/")
    for body, field in (
        ({"name": "jump"}, "name"),
        ({}, "name"),
        ({"name": "clear", "partial_instant": 5}, "partial_instant"),
    ):
        response = door.call("POST", path, body)
        assert (response.status_code, list(response.json())) == (400, [field])


def test_notifications_are_listed_until_resolved(door: Door) -> None:
    from entrepot.events import notifications

    project = door.project()
    with door.services.database.write() as session:
        for name in ("first", "second"):
            notifications.notify(
                session, name, "why", organization_id=door.organization, project_id=project, generator_id=None
            )
    rows = door.rows("odata/notifications/", project=project, resolved=False)
    assert [row["name"] for row in rows] == ["second", "first"]
    assert SIX_DIGITS.fullmatch(rows[0]["creation_date"])
    path = f"odata/notifications/{rows[0]['id']}/"
    assert door.patch(path, {"resolved": True})["resolved"] is True
    assert [row["name"] for row in door.rows("odata/notifications/", resolved=False)] == ["first"]
    assert [row["name"] for row in door.rows("odata/notifications/", resolved="true")] == ["second"]
    assert door.get(path)["rights"] == WRITER_RIGHTS


def test_deleting_a_project_deletes_all_in_it(door: Door) -> None:
    project = door.project()
    gate = door.gate(project)
    door.post("odata/base_feeders/", {"gate": gate["id"]})
    importer = door.importer(project, gate=gate["id"])
    unitcleaner(door, door.cleaner(importer))
    analysis = door.post("odata/analyses/", {"project": project, "name": "a", "comment": ""})
    door.post("odata/analysis_outputs/", {"analysis": analysis["id"], "name": "o"})
    door.put(gate, "f.json", b"{}")
    door.delete(f"oteams/projects/{project}/")
    door.work()
    for resource in RESOURCES:
        if resource.path.startswith("odata/") and "user" not in resource.path and "tasks" not in resource.path:
            assert door.rows(f"{resource.path}/") == [], resource.path
    assert door.call("GET", f"oteams/projects/{project}/").status_code == 404
    assert not (door.services.settings.gates_dir / gate["id"]).exists()
