"""The console's forms: the guide's job by them, what they say of what is wrong, and that nothing typed is lost."""

import io
import zipfile
from datetime import datetime
from typing import Any

import pandas as pd
import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from entrepot import jobs
from entrepot.pipeline.models import ScriptVersion
from entrepot.server.console.importers import BEGINNING
from entrepot.server.handlers import HANDLERS
from tests.support.interface import DAY, MEAN, PARSE, Api

pytestmark = pytest.mark.turns


@pytest.fixture(autouse=True)
def handlers() -> None:
    """What workers know, this process has to know."""
    jobs.load(HANDLERS)


def post(api: Api, path: str, status: int = 303, **typed: Any) -> Any:
    """Send a form, and return where it leads, or the page that came back."""
    answer = api.client.post(f"/console/{path}", data=typed, follow_redirects=False)
    assert answer.status_code == status, answer.text
    return answer.headers["location"].removeprefix("/console/") if status == 303 else answer.text


def page(api: Api, path: str) -> str:
    answer = api.client.get(f"/console/{path}")
    assert answer.status_code == 200, answer.text
    return answer.text


def tried(api: Api, path: str, **typed: Any) -> str:
    """Begin a trial by a form, and return what is shown of its end."""
    begun = post(api, path, 200, **typed)
    assert 'data-state="running"' in begun
    trial = begun.partition("/console/trials/")[2].partition('"')[0]
    api.work()
    return page(api, f"trials/{trial}")


def test_the_guides_job_is_done_by_forms_alone(api: Api) -> None:
    assert "New project" in page(api, "projects")
    project = post(api, "projects/new", name="Guide", description="first")
    assert "new gate" in page(api, project)
    gate = post(api, f"{project}/gates/new", name="scada", description="")
    api.client.put(f"/api/v1/{gate}/files/a.csv", content=DAY.encode()).raise_for_status()
    importer = post(api, f"{gate}/importers/new", name="scada", description="")
    bench = page(api, importer)
    assert "t,wind" in bench
    assert "def parse(content, path, **tools)" in bench
    told = tried(api, f"{importer}/try", parse=PARSE, sample="a.csv")
    for text in ('data-state="done"', "144 rows, 1 column", "every 10 minutes", "new series", "<path class"):
        assert text in told, text
    settings: dict[str, Any] = {
        "name": "scada",
        "folder": "/",
        "clock": "UTC",
        "order": "name",
        "repeated_hour": "order",
    }
    assert post(api, importer, parse=PARSE, **settings) == importer
    post(api, f"{importer}/runs")
    api.work()
    cleaner = "cleaners/" + page(api, importer).partition("/console/cleaners/")[2].partition('"')[0]
    proposed = page(api, cleaner)
    assert "wind\twind\t\t\t" in proposed
    table = "raw\tname\tunit\tkind\tclock\tstep\tmaximum\nwind\tT1 wind\tm/s\tmean\tUTC\t1h\t22.5\n"
    assert "Made: T1 wind." in post(api, f"{cleaner}/plan", 200, channels=table)
    assert post(api, cleaner, channels=table) == cleaner
    api.work()
    channel = "channels/" + page(api, cleaner).partition("/console/channels/")[2].partition('"')[0]
    seen = tried(api, f"{channel}/try", raw="wind", kind="mean", clock="UTC", step="3h", since="2024-03-01",
                 until="2024-03-02", rule="mean", stamped="start", fill="0", patience="6h")  # fmt: skip
    assert "Raw beside cleaned" in seen
    assert "<dt>points</dt><dd>144</dd>" in seen
    analysis = post(api, f"{project}/analyses/new", name="Mean", description="")
    typed: dict[str, Any] = {"name": "Mean", "script": MEAN, "input_step": "1h", "step": "3h", "clock": "UTC"}
    typed |= {"inputs": "series\tof\tcolumn\nT1 wind\tcleaner scada\tw\n", "outputs": "name\tunit\nmean\tm/s\n"}
    assert post(api, analysis, **typed) == analysis
    assert "rows, 1 column" in tried(api, f"{analysis}/try", **typed)
    post(api, f"{analysis}/runs")
    api.work()
    made = {one["name"]: one["count"] for one in api.ask("GET", "/series")["items"]}
    assert made["mean"] > 5
    assert made["wind"] == 144


def test_a_script_counts_from_now_on_or_from_an_instant_and_its_versions_are_kept(
    api: Api, farm: dict[str, Any]
) -> None:
    gate, importer = farm["gate"]["id"], farm["importer"]["id"]
    for day in ("2024-03-01", "2024-03-09"):
        content = DAY.replace("2024-03-01", day).encode()
        api.client.put(f"/api/v1/gates/{gate}/files/{day}.csv", content=content).raise_for_status()
    api.ask("POST", f"/importers/{importer}/runs", 202, json={})
    api.work()

    def ends() -> tuple[float, float]:
        (raw,) = api.ask("GET", "/series?q=wind")["items"][-1:]
        (series,) = [one["id"] for one in api.ask("GET", "/series")["items"] if one["name"] == "wind"]
        values = api.ask("GET", f"/series/{series}/points")["value"]
        assert len(values) == 288, raw
        return values[0], values[-1]

    assert ends() == (0.0, 23.5)
    double, triple = (PARSE.replace("True)", f"True) * {factor}") for factor in (2, 3))
    typed: dict[str, Any] = {"name": "scada", "clock": "UTC"}
    nothing = post(api, f"importers/{importer}/plan", 200, parse=double, again="new", **typed)
    assert "Nothing is computed again." in nothing
    all_of_it = post(api, f"importers/{importer}/plan", 200, parse=double, again="all", **typed)
    assert "2 files of importer scada are read again." in all_of_it
    assert "T1 wind" in all_of_it
    post(api, f"importers/{importer}", parse=double, again="new", **typed)
    api.work()
    # As browsers send it, a script that nobody changed is the one that it was.
    assert "Nothing is computed again." in post(
        api, f"importers/{importer}/plan", 200, parse=double.replace("\n", "\r\n"), again="all", **typed
    )
    assert ends() == (0.0, 23.5)
    since: dict[str, Any] = {"again": "from", "again_from": "2024-03-08"}
    part = post(api, f"importers/{importer}/plan", 200, parse=triple, **since, **typed)
    assert "1 file of importer scada is read again." in part
    assert "2024-03-08" in part
    post(api, f"importers/{importer}", parse=triple, **since, **typed)
    api.work()
    assert ends() == (0.0, 70.5)
    wrong = post(api, f"importers/{importer}", 400, parse=triple, again="from", again_from="soon", **typed)
    assert 'value="soon" aria-label="From when on"' in wrong
    versions = page(api, f"importers/{importer}/versions")
    assert "* 3" in versions
    assert 'class="removed"' in versions
    assert [one["version"] for one in api.ask("GET", f"/importers/{importer}/versions")["items"]] == [3, 2, 1]
    assert "taken back" in page(api, f"importers/{importer}?version=1")
    assert api.client.get(f"/console/importers/{importer}?version=9").status_code == 404


def test_the_functions_of_a_channel_are_versions_and_are_taken_back(api: Api, farm: dict[str, Any]) -> None:
    channel, importer = farm["channel"]["id"], farm["importer"]["id"]
    old, new = "def fct(value):\n    return value > 3\n", "def fct(value):\n    return value > 4  #: keep, 2 lines"
    api.ask("PATCH", f"/channels/{channel}", json={"keep": old})
    api.ask("PATCH", f"/channels/{channel}", json={"keep": new, "convert": "def fct(value):\n    return 2 * value"})
    api.ask("PATCH", f"/channels/{channel}", json={"title": "no other function"})
    assert [one["version"] for one in api.ask("GET", f"/channels/{channel}/versions")["items"]] == [2, 1]
    assert "return value &gt; 4" in page(api, f"channels/{channel}/versions")
    taken = page(api, f"channels/{channel}?version=1")
    assert "return value &gt; 3" in taken
    assert "return 2 * value" not in taken, "it had no such function then"
    assert "return 2 * value" in page(api, f"channels/{channel}")
    api.ask("DELETE", f"/importers/{importer}", 204)
    with api.database.read() as session:
        assert session.scalars(select(ScriptVersion).where(ScriptVersion.generator_id == channel)).all() == []


def test_an_importer_without_a_gate_is_made_by_a_form(api: Api, farm: dict[str, Any]) -> None:
    project = farm["project"]["id"]
    assert "importers/new" in page(api, f"projects/{project}")
    assert "Clients push points" in page(api, f"projects/{project}/importers/new")
    made = post(api, f"projects/{project}/importers/new", name="pushed", description="")
    assert "it has no gate" in page(api, made)
    assert 'value="pushed"' in post(api, f"projects/{project}/importers/new", 400, name="pushed", description="")
    assert "pushed" in page(api, f"projects/{project}")


def test_what_is_refused_comes_back_with_what_was_typed_and_says_where(api: Api, farm: dict[str, Any]) -> None:
    project, gate, importer = (farm[kind]["id"] for kind in ("project", "gate", "importer"))
    assert 'value="Farm"' in post(api, "projects/new", 409, name="Farm", description="again")
    assert 'value="scada"' in post(api, f"projects/{project}/gates/new", 400, name="scada", description="")
    for wrong, name in (
        ({"schedule": "often"}, "schedule"),
        ({"clock": "Mars"}, "clock"),
        ({"rereads": "-1"}, "rereads"),
    ):
        back = post(api, f"importers/{importer}", 400, parse="typed = 1", name="scada", **wrong)
        assert "typed = 1" in back
        assert f'id="wrong-{name}"' in back, name
    cleaner = farm["channel"]["cleaner"]
    table = "raw\tname\tstep\nwind\tT1 wind\t1h\nother\tother\toften\n"
    back = post(api, f"cleaners/{cleaner}", 400, channels=table)
    assert "Row 2, step:" in back
    assert "other\tother\toften" in back
    assert "say that they are to be deleted" in post(api, f"cleaners/{cleaner}", 400, channels="raw\tname\n")
    assert len(api.ask("GET", "/channels")["items"]) == 1
    for bad in ("raw\tcolour\nwind\tred\n", "raw\traw\nwind\twind\n", "raw\tname\nw\tx\nw\ty\n", "raw\nw\tx\ty\n"):
        post(api, f"cleaners/{cleaner}", 400, channels=bad)
    post(api, f"cleaners/{cleaner}", channels="raw\tname\n", deletes="true")
    assert api.ask("GET", "/channels")["items"] == []
    stale = post(
        api, f"gates/{gate}/settings", 412, name="new name", version="7", quarantine="true", after_import="keep"
    )
    assert 'value="new name"' in stale
    assert "Nothing was" in post(api, f"gates/{gate}/delete", 400, confirm="scad")
    post(api, f"gates/{gate}/delete", confirm="scada")
    assert api.client.get(f"/console/gates/{gate}").status_code == 404


@pytest.mark.parametrize(
    "typed", [{}, {"parse": "x" * 2_000_000}, {"sample": "../../etc/passwd"}, {"sample": "none.csv"}]
)
def test_a_trial_that_cannot_be_begun_says_why_in_its_place(
    api: Api, farm: dict[str, Any], typed: dict[str, str]
) -> None:
    importer = farm["importer"]["id"]
    api.client.put(f"/api/v1/gates/{farm['gate']['id']}/files/a.csv", content=DAY.encode()).raise_for_status()
    asked = {"parse": BEGINNING, "sample": "a.csv"} | typed if typed else {}
    told = api.client.post(f"/console/importers/{importer}/try", data=asked)
    if len(asked.get("parse", "")) < 1_000_000:
        assert told.status_code in (400, 404), told.text
        assert 'class="refusal' in told.text


def test_a_feeder_is_made_and_tests_itself(api: Api, farm: dict[str, Any]) -> None:
    gate = farm["gate"]["id"]
    usual: dict[str, Any] = {"zone": "UTC", "include": "*", "to": "/", "settle_seconds": "10", "files_per_run": "1000"}
    back = post(api, f"gates/{gate}/feeder", 400, **usual, **{"from": "gopher://x"}, password="zanzibar")
    assert "gopher://x" in back
    assert "zanzibar" not in back
    assert post(api, f"gates/{gate}/feeder", 400, **usual)
    script = "def feed(state, credentials, **tools):\n    return []\n"
    where = post(api, f"gates/{gate}/feeder", script=script, then="test", **usual)
    assert "feeder?test=" in where
    (feeder,) = api.ask("GET", "/feeders")["items"]
    assert (feeder["script"].strip(), feeder["options"]) == (script.strip(), {})
    api.work()
    trial = where.partition("test=")[2]
    assert page(api, f"trials/{trial}").count("data-state=") == 1
    assert "Fetch now" in page(api, f"gates/{gate}/feeder")
    post(api, f"gates/{gate}/feeder/delete")
    assert api.ask("GET", "/feeders")["items"] == []


def test_what_is_on_a_plot_is_had_as_a_table_for_other_tools(api: Api, farm: dict[str, Any]) -> None:
    names = ("wind", "=1+1", "wind")
    ids = []
    for number, name in enumerate(names):
        project = farm["project"]["id"]
        if number == 2:
            project = api.ask("POST", "/projects", 201, json={"name": "Other"})["id"]
        ids.append(api.ask("POST", "/series", 201, json={"project": project, "name": name})["id"])
        points = {ids[-1]: {"time": [f"2024-03-01T0{number}:00Z", "2024-03-01T09:00Z"], "value": [number, 9.5]}}
        api.ask("POST", "/points", json=points)
    asked = {"series": ids, "to": "2024-03-01T09:00:01Z"}
    answer = api.client.get("/console/explorer/frame", params=asked | {"format": "parquet"})
    frame = pd.read_parquet(io.BytesIO(answer.content)).set_index("time")
    assert list(frame.columns) == [f"wind {ids[0][:8]}", "=1+1", f"wind {ids[2][:8]}"]
    assert frame.iloc[:, 0].dropna().tolist() == [0.0, 9.5]
    assert str(frame.index[-1]) == "2024-03-01 09:00:00+00:00"
    answer = api.client.get("/console/explorer/frame", params=asked | {"format": "xlsx"})
    assert answer.headers["content-disposition"] == 'attachment; filename="points.xlsx"'
    rows = list(load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True))
    assert rows[0] == ("time (UTC)", f"wind {ids[0][:8]}", "'=1+1", f"wind {ids[2][:8]}")
    assert rows[1] == (datetime(2024, 3, 1), 0, None, None)
    assert rows[-1][1:] == (9.5, 9.5, 9.5)
    wrongs: tuple[dict[str, Any], ...] = ({"format": "exe"}, {"series": []}, {"from": "soon"}, {"steps": "1h"},
                                           {"step": "often"}, {"before": "long"}, {"clock": "sun"})  # fmt: skip
    for wrong in wrongs:
        assert api.client.get("/console/explorer/frame", params={"series": ids, **wrong}).status_code == 422, wrong


def test_series_are_seen_in_steps_and_over_the_period_before(api: Api, farm: dict[str, Any]) -> None:
    made = api.ask("POST", "/series", 201, json={"project": farm["project"]["id"], "name": "=wind", "unit": "m/s"})
    stamps = [f"2024-0{month}-0{day}T{hour:02d}:00Z" for month in (2, 3) for day in (1, 2) for hour in range(24)]
    api.ask("POST", "/points", json={made["id"]: {"time": stamps, "value": list(range(96))}})
    asked = {"series": made["id"], "from": "2024-03-01", "to": "2024-03-03", "step": "1D", "before": "1M"}
    page = api.client.get("/console/explorer", params=asked)
    assert page.status_code == 200
    for text in (
        f"/console/series/{made['id']}/envelope?step=1D&amp;before=1M&amp;from=",
        'value="1D" selected',
        "1 month before",
        "format=csv&amp;step=1D",
    ):
        assert text in page.text, text
    table = api.client.get("/console/explorer/table", params=asked).text
    assert "=wind, 1 month before (m/s)" in table
    assert [f">{mean}<" in table for mean in (11.5, 35.5, 59.5, 83.5)] == [True] * 4
    told = api.client.get("/console/explorer/frame", params=asked | {"format": "csv"})
    frame = pd.read_csv(io.BytesIO(told.content), parse_dates=["time"]).set_index("time")
    assert list(frame.columns) == ["'=wind (m/s)", "'=wind, 1 month before (m/s)"]
    assert frame.to_numpy().tolist() == [[59.5, 11.5], [83.5, 35.5]]
    tokyo = api.client.get("/console/explorer/table", params=asked | {"clock": "Asia/Tokyo"}).text
    assert "2024-03-02 00:00:00</time>" in tokyo
    refused = api.client.get("/console/explorer", params=asked | {"clock": "<b>"})
    assert (refused.status_code, "is no clock: write UTC" in refused.text) == (400, True)
    assert 'value="&lt;b&gt;"' in refused.text


def test_a_basket_over_projects_becomes_an_archive_of_who_asked(api: Api, farm: dict[str, Any]) -> None:
    one = api.ask("POST", "/series", 201, json={"project": farm["project"]["id"], "name": "a"})["id"]
    other = api.ask("POST", "/projects", 201, json={"name": "Other"})["id"]
    two = api.ask("POST", "/series", 201, json={"project": other, "name": "b"})["id"]
    api.ask("POST", "/points", json={one: {"time": [1], "value": [1]}, two: {"time": [1], "value": [2]}})
    shown = page(api, f"basket?series={one}&series={two}")
    assert "Other" in shown
    assert "Farm" in shown
    usual: dict[str, Any] = {"series": f"{one} {two} ", "layout": "series", "separator": ",", "decimal": "."}
    assert 'id="wrong-step"' in post(api, "basket", 400, **usual, step="often")
    run = post(api, "basket", **usual)
    api.work()
    assert "Download the archive" in page(api, run)
    archive = api.client.get(f"/console/exports/{run.partition('/')[2]}")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert len(opened.namelist()) == 2


def test_an_importer_that_clients_push_to_has_settings_and_no_script(api: Api, farm: dict[str, Any]) -> None:
    given = {"project": farm["project"]["id"], "name": "pushed"}
    pushed = api.ask("POST", "/importers", 201, json=given)["id"]
    shown = page(api, f"importers/{pushed}")
    assert "Clients push points to it" in shown
    assert "def parse" not in shown
    assert ">Try<" not in shown
    post(api, f"importers/{pushed}", name="renamed", parse="")
    assert api.ask("GET", f"/importers/{pushed}")["name"] == "renamed"
