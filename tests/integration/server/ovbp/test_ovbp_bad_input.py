"""Whatever is sent, the answer is clear, in this dialect's words, and never the server's fault."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.server.dialects.ovbp import RESOURCES, errors, specs
from tests.integration.server.ovbp.conftest import Door
from tests.integration.server.ovbp.test_ovbp_resources import NO_SUCH, unitcleaner

FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
NAMES = sorted({name for spec in vars(specs).values() if isinstance(spec, dict) for name in spec} - {"annotations"})
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([2**31, 2**63, 2**64, -1])
TEXTS = st.text(max_size=20) | st.sampled_from(
    [NO_SUCH, "x" * 300, "\0", "1H", "0H", "9" * 30 + "H", "*/5 * * * * *", "a b c d e f", "../..",
     "Europe/Paris", "run", "2012-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "True", "١٢"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", *NAMES]), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=8) | JSON


def subclasses(kind: type[EntrepotError]) -> list[type[EntrepotError]]:
    found = [kind, *(each for below in kind.__subclasses__() for each in subclasses(below))]
    return [each for each in found if each.__init__ in (EntrepotError.__init__, InvalidInput.__init__)]


@pytest.mark.parametrize("kind", subclasses(EntrepotError), ids=lambda kind: kind.__name__)
def test_every_error_has_this_dialects_form(kind: type[EntrepotError]) -> None:
    response = errors.render(kind("Because."))
    assert (response.status_code, json.loads(bytes(response.body))) == (kind.status, {"detail": "Because."})
    assert ("www-authenticate" in response.headers) == (kind.status == 401)
    if issubclass(kind, InvalidInput):
        response = errors.render(kind(fields={"name": ["Too odd."]}))
        assert (response.status_code, json.loads(bytes(response.body))) == (kind.status, {"name": ["Too odd."]})


@pytest.fixture
def paths(door: Door) -> list[str]:
    """Paths of records that exist, and of everything else that can be asked for."""
    project = door.project()
    gate = door.gate(project)
    feeder = door.post("odata/base_feeders/", {"gate": gate["id"]})
    importer = door.importer(project, gate=gate["id"])
    cleaner = door.cleaner(importer)
    analysis = door.post("odata/analyses/", {"project": project, "name": "a"})["id"]
    config = {"analysis": analysis, "input_freq": "1H", "output_freq": "1H", "script": "x"}
    account = gate["ftp_account"]["id"]
    ids = {
        "oteams/projects": project,
        "odata/projects": project,
        "odata/gates": gate["id"],
        "odata/base_feeders": feeder["id"],
        "odata/importers": importer["id"],
        "odata/cleaners": cleaner,
        "odata/unitcleaners": unitcleaner(door, cleaner)["id"],
        "odata/analyses": analysis,
        "odata/analysis_configs": door.post("odata/analysis_configs/", config)["id"],
        "odata/gate_ftp_accounts": account,
    }
    actions = ["odata/series/export/", "odata/series/multi_select/", f"odata/gate_ftp_accounts/{account}/list_dir/"]
    for kind in ("importers", "cleaners", "analyses", "base_feeders"):
        actions += [f"odata/{kind}/{ids[f'odata/{kind}']}/{action}/" for action in ("action", "active")]
    return [
        *(f"{resource.path}/" for resource in RESOURCES),
        *(f"{path}/{record}/" for path, record in ids.items()),
        *actions,
    ]


def test_no_body_makes_the_server_fail(door: Door, paths: list[str]) -> None:
    @FUZZ
    @given(st.sampled_from(["POST", "PATCH", "PUT"]), st.sampled_from(paths), BODIES)
    def ask(method: str, path: str, body: Any) -> None:
        content = json.dumps(body).encode()
        response = door.client.request(method, path, content=content, headers={"content-type": "application/json"})
        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            answer = response.json()
            assert answer, "an error says something"
            assert list(answer) == ["detail"] or all(isinstance(reasons, list) for reasons in answer.values())

    ask()


def test_no_query_makes_the_server_fail(door: Door, paths: list[str]) -> None:
    names = st.sampled_from(["start", "length", "name", "project", "generator", "resolved", "empty", "organization",
                             "external_name", "cleaner", "path", "odata", "generator_name"])  # fmt: skip

    @FUZZ
    @given(st.sampled_from(paths), st.dictionaries(names, TEXTS | NUMBERS.map(str), max_size=4))
    def ask(path: str, query: dict[str, str]) -> None:
        response = door.client.get(path, params=query)
        assert response.status_code < 500, response.text

    ask()


def test_bodies_that_are_no_objects_are_refused(door: Door) -> None:
    for body in (
        b"{",
        b"[1]",
        b'"x"',
        b"1",
        b"\xff",
        b'{"name": "\\ud800"}',
        b"[" * 5000,
        b"{}",
    ):
        response = door.client.post("odata/gates/", content=body)
        assert response.status_code == 400
        assert response.json().keys() <= {"detail", "project", "name"}


def test_every_field_at_fault_is_named(door: Door) -> None:
    project = door.project()
    body = {"project": project, "comment": None, "active": 1, "crontab": 5, "notify_missing_files_nb": 2**40}
    response = door.call("POST", "odata/importers/", body)
    assert response.status_code == 400
    assert sorted(response.json()) == ["active", "comment", "crontab", "name", "notify_missing_files_nb"]
    assert door.rows("odata/importers/", project=project) == []


def test_importers_refuse_what_they_cannot_use(door: Door) -> None:
    importer = door.importer(door.project())
    path = f"odata/importers/{importer['id']}/"
    for field, value in (
        ("crontab", "* * * * *"),
        ("crontab", "61 * * * * *"),
        ("root_dir_path", "a/../.."),
        ("notify_missing_files_nb", 1.5),
        ("notify_missing_files_nb", True),
        ("auto_partial_reset", "True"),
        ("parse_script", ["x"]),
        ("parse_script", "a\0b"),
        ("last_imported_path", 5),
        ("gate", 5),
        ("gate", {"id": 5}),
    ):
        response = door.call("PATCH", path, {"comment": "changed", field: value})
        assert (response.status_code, list(response.json())) == (400, [field])
        assert door.get(path)["comment"] == "", "nothing is half done"
