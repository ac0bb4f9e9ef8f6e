"""A project's pipeline as the console shows it: what leads to what, and how each of it is."""

import re
from datetime import timedelta
from hashlib import sha256
from html import unescape
from json import loads
from typing import Any

import pytest
from sqlalchemy import update

from entrepot.db import new_id, now
from entrepot.events.notifications import notify
from entrepot.identity import Project
from entrepot.jobs import Schedule
from entrepot.lineage import Run
from entrepot.pipeline.generators.notices import RUN_FAILED
from entrepot.pipeline.models import Analysis, Importer
from entrepot.server.console import timeline
from entrepot.server.console.drawing import Graph
from entrepot.server.console.pipelines import by_gate, pipeline_of
from tests.support.interface import DAY, PARSE, Api

pytestmark = pytest.mark.turns

#: In this process, scripts raise what their own process would tell of them.
FAILING = """def parse(content, path, **tools):
    from entrepot.scripts import ScriptError
    raise ScriptError("raised", "no", traceback='File "script.py", line 3, in parse')
"""

CHOOSING = """def parse(content, path, **tools):
    return refuse(content, path) if path.endswith("z.csv") else read(content, path)
"""


def pipeline(api: Api, farm: dict[str, Any]) -> Graph:
    with api.database.read() as session:
        return pipeline_of(session, session.get_one(Project, farm["project"]["id"]))


def states(api: Api, farm: dict[str, Any]) -> dict[str, str]:
    return {one.kind: one.state for one in pipeline(api, farm).nodes.values()}


def test_a_pipeline_leads_from_the_gate_to_rows_and_tells_how_each_is(api: Api, farm: dict[str, Any]) -> None:
    importer, gate = farm["importer"]["id"], farm["gate"]["id"]
    assert states(api, farm) == {"gate": "fresh", "importer": "off", "cleaner": "running", "analysis": "off"}
    api.work()
    api.client.put(f"/api/v1/gates/{gate}/files/a.csv", content=DAY.encode()).raise_for_status()
    api.ask("POST", f"/importers/{importer}/runs", 202, json={})
    assert states(api, farm)["importer"] == "running"
    api.work()
    found = pipeline(api, farm)
    by_kind = {one.kind: one for one in found.nodes.values()}
    assert (by_kind["cleaner"].state, by_kind["cleaner"].said) == ("fresh", "fresh, 1 channel")
    assert by_kind["importer"].said == "runs when asked alone, 1 series"
    assert [(found.nodes[a].kind, found.nodes[b].kind) for a, b in found.edges] == [
        ("gate", "importer"),
        ("importer", "cleaner"),
        ("cleaner", "analysis"),
    ]
    grouped = by_gate(found, "/console/projects/x")
    assert {one.kind: one.state for one in grouped.nodes.values()} == {"gate": "fresh", "analysis": "behind"}
    assert grouped.edges == [(gate, by_kind["analysis"].id)]
    assert grouped.nodes[gate].address == f"/console/projects/x?gate={gate}"

    with api.database.write() as session:
        session.execute(update(Analysis).values(result_set_id=7, publishing={}, active=True))
        session.execute(update(Importer).values(active=True))
    nodes = {one.kind: one for one in pipeline(api, farm).nodes.values()}
    assert (nodes["importer"].state, nodes["rows"].address) == ("fresh", "/console/rows?result_set=7")
    assert nodes["rows"].said == "result set, 0 rows"
    assert "files" in nodes


def test_what_fails_says_since_when_and_is_the_state_of_its_gate(api: Api, farm: dict[str, Any]) -> None:
    api.work()
    importer, gate = farm["importer"]["id"], farm["gate"]["id"]
    api.ask("PATCH", f"/gates/{gate}", json={"quarantine": False})
    api.ask("PATCH", f"/importers/{importer}", json={"parse": FAILING})
    api.client.put(f"/api/v1/gates/{gate}/files/a.csv", content=b"x").raise_for_status()
    run = api.ask("POST", f"/importers/{importer}/runs", 202, json={})["id"]
    api.work()
    node = pipeline(api, farm).nodes[importer]
    assert (node.state, node.said.startswith("failing since 20")) == ("failing", True)
    grouped = by_gate(pipeline(api, farm), "/p").nodes[gate]
    assert grouped.state == "failing"
    assert "importer scada: failing since" in grouped.said
    page = api.client.get(f"/console/runs/{run}").text
    assert 'class="wrong"' in page
    assert "<code>    raise ScriptError(" in page
    assert api.client.get(f"/console/projects/{farm['project']['id']}").text.count('class="failing"') == 1


def test_schedules_are_listed_by_when_they_begin_and_all_that_come_soon_are_a_link_away(
    api: Api, farm: dict[str, Any]
) -> None:
    project = farm["project"]["id"]
    api.ask("PATCH", f"/importers/{farm['importer']['id']}", json={"schedule": "0 */10 * * * *", "active": True})
    for number in range(10):
        given = {"project": "Farm", "name": f"yearly {number}", "parse": PARSE, "schedule": "0 0 0 1 1 *"}
        made = api.ask("POST", "/importers", 201, json=given)["id"]
        api.ask("PATCH", f"/importers/{made}", json={"active": number != 3})
    api.ask("POST", "/feeders", 201, json={
        "project": "Farm", "gate": "scada", "from": "https://data.example.org/a.csv", "schedule": "0 15 2 29 2 *",
        "zone": "Europe/Paris", "active": True,
    })  # fmt: skip

    def names(**asked: Any) -> list[str]:
        text = api.client.get("/console/runs/schedules", params=asked | {"format": "csv"}).text
        return [line.partition(",")[0] for line in text.splitlines()[1:]]

    page = api.client.get("/console/runs/schedules")
    assert f'href="/console/importers/{farm["importer"]["id"]}">importer scada</a>' in page.text
    for text in ("0 15 2 29 2 *", "Europe/Paris", f'href="/console/projects/{project}">Farm</a>', ">CSV</a>"):
        assert text in page.text
    assert 'href="/console/runs/schedules"' in api.client.get("/console/runs").text
    assert (names()[0], names()[-2]) == ("importer scada", "feeder scada")
    assert names()[-1] == names(sort="-next")[-1] == "importer yearly 3", "what is off has no next time"
    assert names(sort="-what")[0] == "importer yearly 9"
    assert names(state="off") == ["importer yearly 3"]
    assert names(kind="feeder") == names(q="scada", kind="feeder", project=project) == ["feeder scada"]
    assert names(within="1") == ["importer scada"]
    with api.database.write() as session:
        owned: dict[str, Any] = {"organization_id": api.principal.organization_id, "project_id": project}
        notify(session, RUN_FAILED, "no", generator_kind="importer", generator_id=farm["importer"]["id"], **owned)
        session.execute(update(Schedule).where(Schedule.project_id == project).values(next_at=now()))
    assert names(state="failing") == ["importer scada"]
    assert "importer scada" not in names(state="on")
    more = re.search(r'<a href="([^"]+)">and 3 more</a>', api.client.get("/console").text)
    assert more
    assert api.client.get(unescape(more[1])).text.count("<tr>") == 1 + 11
    for wrong in ({"within": "x"}, {"state": "x"}, {"sort": "x"}, {"project": "x"}):
        assert api.client.get("/console/runs/schedules", params=wrong).status_code in (400, 404, 422), wrong


def test_runs_are_counted_in_time_however_many(api: Api, farm: dict[str, Any]) -> None:
    instant, project = now(), farm["project"]["id"]
    with api.database.write() as session:
        own = {"organization_id": api.principal.organization_id, "project_id": project}
        for number in range(300):
            started = instant - timedelta(minutes=5 * number)
            status = ("finished", "failed", "cancelled")[number % 3]
            fields = {"generator_kind": "importer", "generator_id": "x", "started_at": started, "status": status}
            session.add(Run(id=new_id(), **own, **fields))
    page = api.client.get("/console").text
    bars = page.count('class="hit"')
    assert bars == timeline.BARS
    assert 'class="failed"' in page
    for end in ("finished", "failed"):
        assert re.search(rf'href="/console/runs\?status={end}&amp;since=[^"]+">96 {end}</a>', page), (
            "a number is a link"
        )
    shown = api.client.get("/console/runs?of=x").text
    assert shown.count('class="hit"') == timeline.BARS
    assert "Nothing ran in that time" in api.client.get("/console/runs?of=y").text


def test_a_point_is_followed_to_its_file_and_to_what_was_made_of_it(api: Api, farm: dict[str, Any]) -> None:
    gate, importer = farm["gate"]["id"], farm["importer"]["id"]
    api.client.put(f"/api/v1/gates/{gate}/files/a.csv", content=DAY.encode()).raise_for_status()
    api.ask("POST", f"/importers/{importer}/runs", 202, json={})
    api.work()
    api.ask("POST", f"/analyses/{farm['analysis']['id']}/runs", 202, json={})
    api.work()
    ids = {one["name"]: one["id"] for one in api.ask("GET", "/series")["items"]}
    page = api.client.get("/console/lineage", params={"kind": "series", "id": ids["mean"], "at": "2024-03-01T04:00Z"})
    assert page.status_code == 200
    for text in ("Lineage of mean", "analysis Mean", "cleaner scada", "importer scada", "gate file", "scada/a.csv"):
        assert text in page.text, text
    assert sha256(DAY.encode()).hexdigest() in page.text
    file = api.client.get("/console/lineage", params={"kind": "gate file", "id": f"{gate}/a.csv"}).text
    assert "importer scada" in file
    assert "series wind" in file
    assert "No run made it" in file
    page = api.client.get("/console/explorer", params={"series": [ids["mean"], ids["T1 wind"]]}).text
    lines = loads(unescape(page.partition('data-lines="')[2].partition('"')[0]))
    ahead = [unescape(one) for one in re.findall(r'<link rel="preload" as="fetch" href="([^"]+)"', page)]
    assert ahead == [one["envelope"] for one in lines], (
        "what is seen first is asked for before the plot's script is there"
    )
    assert [api.client.get(one).json()["id"] for one in ahead] == [ids["mean"], ids["T1 wind"]]
    assert page.count("Raw beside</a>") == 1
    beside = unescape(page.partition("Raw beside T1 wind")[0].rpartition('href="')[2].partition('"')[0])
    both = api.client.get(beside)
    assert ids["wind"] in beside
    assert "Raw beside" not in both.text
    table = api.client.get("/console/explorer/table", params={"series": [ids["wind"], ids["mean"]]}).text
    assert table.index("wind") < table.index("mean"), "in the order in which they are named"
    away = api.client.get("/console/lineage", params={"kind": "series", "id": ids["mean"], "at": "1999-03-01T04:00Z"})
    assert away.status_code == 404
    for wrong, status in (({"kind": "x", "id": "y"}, 400), ({"kind": "series", "id": "y"}, 404),
                          ({"kind": "series", "id": ids["mean"], "at": "soon"}, 400)):  # fmt: skip
        assert api.client.get("/console/lineage", params=wrong).status_code == status, wrong


def test_a_gate_shows_what_was_made_of_its_files_and_has_those_set_aside_read_again(
    api: Api, farm: dict[str, Any]
) -> None:
    gate, importer = farm["gate"]["id"], farm["importer"]["id"]
    script = f"{PARSE}\n{FAILING.replace('def parse', 'def refuse')}\nread = parse\n{CHOOSING}"
    api.ask("PATCH", f"/importers/{importer}", json={"parse": script})
    for name, content in (("a/b.csv", DAY.encode()), ("top.csv", DAY.encode())):
        api.client.put(f"/api/v1/gates/{gate}/files/{name}", content=content).raise_for_status()
    api.ask("POST", f"/importers/{importer}/runs", 202, json={})
    api.work()
    top = api.client.get(f"/console/gates/{gate}").text
    for text in ("144 rows by scada", "a/</a>", sha256(DAY.encode()).hexdigest(), "ftp://"):
        assert text in top, text
    below = api.client.get(f"/console/gates/{gate}?folder=a").text
    assert "b.csv" in below
    assert "144 rows by scada" in below
    assert "To the folder above" in below
    for folder in ("../..", "a/../../..", "nowhere"):
        answer = api.client.get(f"/console/gates/{gate}", params={"folder": folder})
        assert answer.status_code in (400, 404) or "Nothing lies here" in answer.text, folder
    api.client.put(f"/api/v1/gates/{gate}/files/z.csv", content=b"<b>x</b>").raise_for_status()
    api.ask("POST", f"/importers/{importer}/runs", 202, json={})
    api.work()
    page = api.client.get(f"/console/gates/{gate}").text
    assert "In quarantine" in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    (aside,) = (one["id"] for one in api.ask("GET", f"/gates/{gate}/quarantine")["items"])
    # With a key in a header there is no session whose form it could be.
    answer = api.client.post(f"/console/gates/{gate}/quarantine/{aside}/retry", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/gates/{gate}")
    assert "In quarantine" not in api.client.get(f"/console/gates/{gate}").text
    assert api.client.put(f"/console/gates/{gate}/files/x.csv", content=b"x").status_code == 400
    assert api.client.get("/console/gates/none").status_code == 404


def test_the_list_of_many_nodes_comes_when_it_is_looked_at(
    api: Api, farm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/console/projects/{farm['project']['id']}?q=s&gate=&collapse=no"
    few = api.client.get(address).text
    assert few.count('id="row-') == few.count('id="box-') > 0
    assert 'hx-select-oob="#states,#nodes"' in few
    monkeypatch.setattr("entrepot.server.console.projects._MANY", 1)
    many = api.client.get(address).text
    assert (many.count('id="row-'), many.count('id="box-')) == (0, few.count('id="box-'))
    assert 'hx-select-oob="#states"' in many, "what is drawn anew does not take away a list that has come"
    link = re.search(r'<a href="([^"]*)" hx-get="([^"]*)" hx-trigger="revealed, click"', many)
    assert link is not None
    assert unescape(link[1]) == unescape(link[2]) == f"{address}&list=yes"
    whole = api.client.get(unescape(link[1])).text
    assert whole.count('id="row-') == few.count('id="row-')
    assert f'<tbody id="nodes" hx-get="{link[1]}" hx-trigger="every 30s"' in whole, "it renews itself"
