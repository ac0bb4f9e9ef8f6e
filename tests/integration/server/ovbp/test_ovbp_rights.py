"""Who may do what: nobody, a stranger, a reader, a writer."""

import base64
from typing import Any

import pytest

from entrepot.identity import Role, keys, users
from entrepot.server.dialects.ovbp import RESOURCES, routes
from tests.integration.server.ovbp.conftest import BASE, Door

ANY = "6a4d0e7e-0000-4000-8000-000000000000"


@pytest.fixture
def records(door: Door) -> dict[str, str]:
    """A record of each resource that people make, by resource."""
    project = door.project()
    gate = door.gate(project)
    feeder = door.post("odata/base_feeders/", {"gate": gate["id"]})
    child = door.post("odata/generic_basic_feeders/", {"base_feeder": feeder["id"], "script": ""})
    importer = door.importer(project)
    cleaner = door.cleaner(importer)
    unitcleaner = door.post("odata/unitcleaners/", {"cleaner": cleaner, "external_name": "a", "name": "a"})
    analysis = door.post("odata/analyses/", {"project": project, "name": "a"})["id"]
    config = {"analysis": analysis, "input_freq": "1H", "output_freq": "1H", "script": "x"}
    source = {"analysis": analysis, "input_series_generator": cleaner, "input_series_name": "a", "column_name": "a"}
    return {
        "oteams/projects": project,
        "odata/projects": project,
        "odata/gates": gate["id"],
        "odata/gate_ftp_accounts": gate["ftp_account"]["id"],
        "odata/base_feeders": feeder["id"],
        "odata/generic_basic_feeders": child["id"],
        "odata/importers": importer["id"],
        "odata/cleaners": cleaner,
        "odata/unitcleaners": unitcleaner["id"],
        "odata/analyses": analysis,
        "odata/analysis_configs": door.post("odata/analysis_configs/", config)["id"],
        "odata/analysis_inputs": door.post("odata/analysis_inputs/", source)["id"],
        "odata/analysis_outputs": door.post("odata/analysis_outputs/", {"analysis": analysis, "name": "o"})["id"],
    }


def test_nobody_gets_in(door: Door) -> None:
    for route in routes():
        (method,) = route.methods  # type: ignore[attr-defined]
        path = route.path.replace("{id}", ANY).replace("{path:path}", "x").lstrip("/")  # type: ignore[attr-defined]
        response = door.call(method, path, by="nobody")
        assert (response.status_code, list(response.json())) == (401, ["detail"]), (method, path)
        assert response.headers["www-authenticate"].startswith("Basic")


def test_strangers_find_nothing(door: Door, records: dict[str, str]) -> None:
    for path, record in records.items():
        assert door.call("GET", f"{path}/", by="stranger").json() == {"data": []}
        for method in ("GET", "PATCH", "DELETE"):
            response = door.call(method, f"{path}/{record}/", {} if method == "PATCH" else None, by="stranger")
            assert response.status_code in (404, 405), (method, path)
            assert list(response.json()) == ["detail"]
    for action in ("password", "list_dir"):
        account = records["odata/gate_ftp_accounts"]
        assert door.call("GET", f"odata/gate_ftp_accounts/{account}/{action}/", by="stranger").status_code == 404
    for kind, body in (
        ("importers", {"name": "run"}),
        ("cleaners", {"name": "clear"}),
        ("analyses", {"name": "reset"}),
    ):
        path = f"odata/{kind}/{records[f'odata/{kind}']}/action/"
        assert door.call("POST", path, body, by="stranger").status_code == 404
    for kind in ("gates", "importers", "analyses"):
        body = {"project": records["odata/projects"], "name": "mine", "comment": ""}
        assert door.call("POST", f"odata/{kind}/", body, by="stranger").status_code == 404
    body = {"organization": door.organization, "name": "mine", "comment": ""}
    assert door.call("POST", "oteams/projects/", body, by="stranger").status_code == 404


def test_records_cannot_be_tied_to_those_of_others(door: Door, records: dict[str, str]) -> None:
    by: dict[str, Any] = {"by": "stranger"}
    organization = door.call("GET", "oteams/organizations/", **by).json()["data"][0]["id"]
    body = {"organization": organization, "name": "theirs", "comment": ""}
    project = door.call("POST", "oteams/projects/", body, **by).json()["id"]
    importer = door.call("POST", "odata/importers/", {"project": project, "name": "i"}, **by).json()["id"]
    analysis = door.call("POST", "odata/analyses/", {"project": project, "name": "a"}, **by).json()["id"]
    gate = {"gate": records["odata/gates"]}
    assert door.call("PATCH", f"odata/importers/{importer}/", gate, **by).status_code == 404
    source = {
        "analysis": analysis,
        "input_series_generator": records["odata/cleaners"],
        "input_series_name": "a",
        "column_name": "a",
    }
    assert door.call("POST", "odata/analysis_inputs/", source, **by).status_code == 404


def test_readers_read_and_change_nothing(door: Door, records: dict[str, str]) -> None:
    before = {path: door.get(f"{path}/{record}/") for path, record in records.items()}
    for path, record in records.items():
        response = door.call("GET", f"{path}/{record}/", by="reader")
        assert response.status_code == 200
        if rights := response.json()["rights"]:
            assert rights == {"can_delete": False, "can_read": True, "can_admin": False, "can_write": False}
        for method in ("PATCH", "PUT", "DELETE"):
            response = door.call(method, f"{path}/{record}/", None if method == "DELETE" else {}, by="reader")
            assert response.status_code in (403, 405), (method, path)
            assert list(response.json()) == ["detail"]
    account = records["odata/gate_ftp_accounts"]
    assert door.call("GET", f"odata/gate_ftp_accounts/{account}/password/", by="reader").status_code == 403
    for kind in ("importers", "analyses"):
        path = f"odata/{kind}/{records[f'odata/{kind}']}/"
        assert door.call("POST", f"{path}action/", {"name": "run"}, by="reader").status_code == 403
        assert door.call("PATCH", f"{path}active/", {"value": True}, by="reader").status_code == 403
    body = {"project": records["odata/projects"], "name": "mine", "comment": ""}
    for kind in ("gates", "importers", "analyses"):
        assert door.call("POST", f"odata/{kind}/", body, by="reader").status_code == 403
    assert {path: door.get(f"{path}/{record}/") for path, record in records.items()} == before


def test_what_a_user_has_alone_is_not_for_fellow_members(door: Door) -> None:
    me = door.get("oteams/users/me/")["id"]
    account = door.get(f"odata/users/{me}/")["ftp_account"]
    for path in (
        f"oteams/users/{me}/",
        f"odata/users/{me}/",
        f"odata/user_ftp_accounts/{account}/",
        f"odata/user_ftp_accounts/{account}/password/",
        f"odata/user_ftp_accounts/{account}/list_dir/",
    ):
        assert door.call("GET", path, by="reader").status_code == 404
    # The password of a gate is for writers; this account, moreover, is none of a gate's.
    assert door.call("GET", f"odata/gate_ftp_accounts/{account}/password/", by="reader").status_code == 403


def test_keys_narrowed_to_reading_change_nothing(door: Door) -> None:
    with door.services.database.write() as session:
        user = users.find_user(session, "writer")
        _, token = keys.create_key(session, user.id, door.organization, scopes=["series:read"])
    headers = {"authorization": f"Token {token}"}
    body = {"organization": door.organization, "name": "x", "comment": ""}
    assert door.client.get("oteams/projects/", headers=headers).status_code == 200
    assert door.client.post("oteams/projects/", json=body, headers=headers).status_code == 403


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_basic_authentication_in_the_encodings_of_clients(door: Door, encoding: str) -> None:
    with door.services.database.write() as session:
        user, password = users.create_user(session, "zoë", "pässwörter")
        users.set_member(session, user, users.find_organization(session, "Openergy"), Role.READER)
    credentials = base64.b64encode(f"zoë:{password}".encode(encoding)).decode()
    response = door.others["nobody"].get("oteams/projects/", headers={"authorization": f"Basic {credentials}"})
    assert (response.status_code, response.json()) == (200, {"data": []})
    wrong = base64.b64encode("zoë:wrong".encode(encoding)).decode()
    response = door.others["nobody"].get("oteams/projects/", headers={"authorization": f"Basic {wrong}"})
    assert (response.status_code, list(response.json())) == (401, ["detail"])


def test_addresses_have_no_surprises() -> None:
    assert BASE.endswith("/ovbp/api/v2/")
    assert {resource.path.split("/")[0] for resource in RESOURCES} == {"oteams", "odata"}
