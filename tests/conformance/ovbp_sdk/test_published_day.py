"""The documented day by the project's client: it shows what the published one shows, and leaves the same behind."""

import re
from typing import Any

import pytest

from tests.conformance.ovbp.conftest import PATIENCE_SECONDS, RunScript
from tests.conformance.ovbp.test_guide import (  # noqa: F401 - the tests of the day, with this client
    Day,
    after_reset,
    again,
    day,
    test_analysis,
    test_cleaner,
    test_configured_analysis,
    test_exported_frame_of_eighteen_rows_and_seven_columns,
    test_frame_of_the_cleaner,
    test_frame_of_the_importer,
    test_importer,
    test_inputs_and_outputs_of_the_analysis,
    test_later_runs_create_unitcleaners_only,
    test_one_series,
    test_overview,
    test_project,
    test_series_of_the_cleaner,
    test_series_of_the_importer_newest_first,
    test_seven_exported_series,
    test_six_rows_of_the_analysis,
    test_statuses,
    test_the_day_ends_without_error,
    test_unitcleaners,
)
from tests.conformance.runner import run_script
from tests.support.server import ServerProcess

pytestmark = pytest.mark.conformance

PROJECT = "Ovbpclient documentation"


@pytest.fixture(scope="module")
def fresh(ovbp: RunScript) -> Day:
    """The first run, on an empty server: nothing stops it."""
    return Day(ovbp("ovbp_guide", project=PROJECT), later=False, cleared=False)


def test_the_exported_series_come_in_the_documented_order(day: Day) -> None:  # noqa: F811
    assert [series["name"] for series in day.shown["exported series"]] == [
        "a cleaned [cleaner=importer a]",
        "a output [analysis=analysis a]",
        "a [importer=importer a]",
        "b cleaned [cleaner=importer a]",
        "b [importer=importer a]",
        "c cleaned [cleaner=importer a]",
        "c [importer=importer a]",
    ]


def test_the_published_client_leaves_the_same_records(
    ovbp: RunScript, shared_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert ovbp("ovbp_guide", project="By ours")["error"] is None
    arguments = {
        "url": shared_server.url,
        "login": shared_server.login,
        "password": shared_server.password,
        "patience": PATIENCE_SECONDS,
        "project": "By the published client",
    }
    stopped, whole = (
        run_script("ovbpclient", "ovbp_guide", tmp_path_factory.mktemp("published"), arguments) for _ in range(2)
    )
    assert "attach_internal_ftp_account" in stopped["error"]
    assert whole["error"] is None
    assert _left(shared_server, "By ours") == _left(shared_server, "By the published client")


def _left(server: ServerProcess, project: str) -> dict[str, Any]:
    """Return all records of a project and the values of its series, without what is each record's own."""
    with server.http(base_url=f"{server.url}/ovbp/api/v2/") as http:

        def rows(path: str, **filters: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = http.get(path, params=filters).raise_for_status().json()["data"]
            return found

        (found,) = rows("oteams/projects/", name=project)
        odata = found["odata"]
        left: dict[str, Any] = {
            kind: rows(f"odata/{kind}/", project=odata)
            for kind in ("gates", "importers", "cleaners", "analyses", "series")
        }
        (cleaner,) = left["cleaners"]
        (analysis,) = left["analyses"]
        left["unitcleaners"] = rows("odata/unitcleaners/", cleaner=cleaner["id"])
        left["importer_series"] = rows("odata/importer_series/", generator=cleaner["related_importer"])
        left["inputs"] = rows("odata/analysis_inputs/", analysis=analysis["id"])
        left["outputs"] = rows("odata/analysis_outputs/", analysis=analysis["id"])
        left["configured"] = http.get(f"odata/analyses/{analysis['id']}/").json()
        left["notifications"] = rows("odata/notifications/", project=odata)
        values = [http.get(f"odata/series/{series['id']}/select/").json() for series in left["series"]]
    return _without_own({**left, "values": values})


def _without_own(value: Any) -> Any:
    own = {"otsdb_pk", "login", "last_run", "last_clear", "latest_imported_mdate"}
    if isinstance(value, dict):
        return {key: key if key in own and item is not None else _without_own(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_own(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", value)
    return value
