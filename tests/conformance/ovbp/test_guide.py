"""The documented day of an ovbpclient user, run by the published client: everything it shows is as documented."""

from typing import Any

import httpx
import pytest

from tests.conformance.ovbp import expected
from tests.conformance.ovbp.conftest import RunScript
from tests.conformance.ovbp.expected import record
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

pytestmark = pytest.mark.conformance

PROJECT = "Ovbpclient documentation"


class Day:
    """One run of the day: what it showed, what it asked for, and whether a clear came before it."""

    def __init__(self, notes: dict[str, Any], *, later: bool, cleared: bool) -> None:
        self.shown: dict[str, list[Any]] = notes["shown"]
        self.requests: list[list[Any]] = notes["requests"]
        self.error: str | None = notes["error"]
        self.later = later
        self.cleared = cleared


@pytest.fixture(scope="module")
def stopped(ovbp: RunScript) -> Day:
    """The first run, on an empty server: it ends inside the client, at the gate's line."""
    return Day(ovbp("ovbp_guide", project=PROJECT), later=False, cleared=False)


@pytest.fixture(scope="module")
def fresh(ovbp: RunScript, stopped: Day) -> Day:
    """The second run: all but project and gate is new."""
    return Day(ovbp("ovbp_guide", project=PROJECT), later=False, cleared=False)


@pytest.fixture(scope="module")
def again(ovbp: RunScript, fresh: Day) -> Day:
    """The third run: everything exists."""
    return Day(ovbp("ovbp_guide", project=PROJECT), later=True, cleared=False)


@pytest.fixture(scope="module")
def after_reset(ovbp: RunScript, again: Day, shared_server: ServerProcess) -> Day:
    """A run after the importer was reset, and with it all that comes of it: the state that the documentation shows."""
    with shared_server.http(base_url=f"{shared_server.url}/ovbp/api/v2/odata/") as http:
        (importer,) = _rows(http, "importers/", name="importer-a")
        (analysis,) = _rows(http, "analyses/", name="analysis-a")
        answer = http.post(f"importers/{importer['id']}/action/", json={"name": "reset"})
        assert answer.is_success, answer.text

        def recomputed() -> bool:
            state = http.get(f"analyses/{analysis['id']}/").json()
            series = _rows(http, "series/", generator=analysis["id"])
            if state["last_clear"] is None or state["is_obsolete"] or not series:
                return False
            return len(http.get(f"series/{series[0]['id']}/select/").json()["index"]) == 6

        eventually(recomputed, 60)
    return Day(ovbp("ovbp_guide", project=PROJECT), later=True, cleared=True)


@pytest.fixture(params=["fresh", "again", "after_reset"])
def day(request: pytest.FixtureRequest, shared_server: ServerProcess) -> Day:
    """Each complete run in turn, on each server: asking for the server here has pytest see that there are several."""
    value: Day = request.getfixturevalue(request.param)
    return value


def _rows(http: httpx.Client, path: str, **filters: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = http.get(path, params=filters).raise_for_status().json()["data"]
    return rows


def test_the_first_run_stops_inside_the_client_and_leaves_a_usable_gate(
    stopped: Day, shared_server: ServerProcess
) -> None:
    assert stopped.error is not None
    assert "attach_internal_ftp_account" in stopped.error
    with shared_server.http(base_url=f"{shared_server.url}/ovbp/api/v2/odata/") as http:
        (gate,) = _rows(http, "gates/", name="gate")
        account = gate["ftp_account"]
        assert account["protocol"] == "ftp"
        assert account["port"] == shared_server.ftp_port
        assert account["host"]
        assert http.get(f"gate_ftp_accounts/{account['id']}/password/").json()["password"]


def test_the_day_ends_without_error(day: Day) -> None:
    assert day.error is None


def test_project(day: Day) -> None:
    assert day.shown["project"] == [record("oteams/projects", PROJECT), expected.PROJECT]


def test_importer(day: Day) -> None:
    data = expected.importer(ran=day.later, cleared=day.cleared)
    assert day.shown["importer"] == [record("odata/importers", "importer-a"), data]


def test_series_of_the_importer_newest_first(day: Day) -> None:
    assert day.shown["importer series"] == [record("odata/series", name) for name in "cba"]


def test_frame_of_the_importer(day: Day) -> None:
    assert day.shown["importer frame"] == [expected.IMPORTER_FRAME]


def test_one_series(day: Day) -> None:
    assert day.shown["one series"] == [expected.ONE_SERIES]


def test_cleaner(day: Day) -> None:
    data = expected.cleaner(ran=day.later, cleared=day.cleared)
    assert day.shown["cleaner"] == [record("odata/cleaners", "importer-a"), data]


def test_unitcleaners(day: Day) -> None:
    assert day.shown["unitcleaners"] == [record("odata/unitcleaners", f"{name}-cleaned") for name in "abc"]


def test_series_of_the_cleaner(day: Day) -> None:
    assert day.shown["cleaner series"] == [record("odata/series", f"{name}-cleaned") for name in "abc"]


def test_frame_of_the_cleaner(day: Day) -> None:
    assert day.shown["cleaner frame"] == [expected.CLEANER_FRAME]


def test_analysis(day: Day) -> None:
    data = expected.analysis(ran=day.later, cleared=day.cleared)
    assert day.shown["analysis"] == [record("odata/analyses", "analysis-a"), data]


def test_inputs_and_outputs_of_the_analysis(day: Day) -> None:
    assert day.shown["analysis inputs"] == [record("odata/analysis_inputs")] * 2
    assert day.shown["analysis outputs"] == [record("odata/analysis_outputs", "a-output")]


def test_configured_analysis(day: Day) -> None:
    data = expected.configured_analysis(ran=day.later, cleared=day.cleared, notifications=int(day.cleared))
    assert day.shown["configured analysis"] == [data]


def test_six_rows_of_the_analysis(day: Day) -> None:
    assert day.shown["analysis frame"] == [expected.ANALYSIS_FRAME]


def test_overview(day: Day) -> None:
    assert day.shown["gates"] == [record("odata/gates", "gate")]
    assert day.shown["importers"] == [record("odata/importers", "importer-a")]
    assert day.shown["cleaners"] == [record("odata/cleaners", "importer-a")]
    assert day.shown["analyses"] == [record("odata/analyses", "analysis-a")]
    assert day.shown["notifications"] == [record("odata/notifications", "Analysis obsolete")] * day.cleared


def test_seven_exported_series(day: Day) -> None:
    hours = {"importer": range(24), "cleaner": range(1, 23), "analysis": range(3, 19, 3)}
    exported = {series["name"]: series for series in day.shown["exported series"]}
    assert sorted(exported) == list(expected.LABELS)
    for label, series in exported.items():
        kind = label.partition("[")[2].partition("=")[0]
        whole = expected.frame(series["printed"], {"": expected.LABELS[label]}, hours[kind])
        assert series == whole | {"name": label}


def test_exported_frame_of_eighteen_rows_and_seven_columns(day: Day) -> None:
    assert day.shown["exported frame"] == [expected.EXPORTED_FRAME]


def test_statuses(day: Day) -> None:
    for method, path, _query, _body, status in day.requests:
        action = path.rstrip("/").rpartition("/")[2]
        if method == "DELETE" or action == "active":
            assert status == 204, path
        elif method == "POST" and action not in ("multi_select", "list_dir", "attach_new_oftp_account"):
            assert status == 201, path
        else:
            assert status == 200, path


def test_later_runs_create_unitcleaners_only(again: Day) -> None:
    created = [path for method, path, *_ in again.requests if method == "POST" and path.count("/") == 6]
    assert [path.split("/")[-2] for path in created] == ["unitcleaners"] * 3
    deleted = [path for method, path, *_ in again.requests if method == "DELETE"]
    assert len(deleted) == 3
