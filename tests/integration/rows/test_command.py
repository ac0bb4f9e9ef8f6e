"""`entrepot rows` and the native endpoints of rows, against a live server."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from entrepot.client.owi import ResultsAPI, read_table
from tests.support import another_day
from tests.support.server import ENTREPOT, ServerProcess


def rows(server: ServerProcess, *arguments: Any, ok: bool = True) -> Any:
    """Run a command and return the JSON that it printed, or else its output."""
    run = subprocess.run(
        [ENTREPOT, "rows", *map(str, arguments)],
        env=another_day.kept()
        | {"ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token, "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode == 0) is ok, run.stdout + run.stderr
    return json.loads(run.stdout) if "--json" in arguments else run.stdout + run.stderr


# What commands send does not depend on the server's database.
pytestmark = pytest.mark.parametrize("shared_server", ["sqlite"], indirect=True, scope="module")


@pytest.fixture
def api(shared_server: ServerProcess) -> Iterator[ResultsAPI]:
    api = ResultsAPI(api_root=f"{shared_server.url}/owi/api/v1", token=shared_server.token)
    yield api
    api.close()


def test_a_farm_from_the_terminal(shared_server: ServerProcess, api: ResultsAPI, tmp_path: Path) -> None:
    rows(shared_server, "add", "sites", "--set", "id=35", "--set", "title=Belwind")
    places = tmp_path / "places.csv"
    places.write_text("id,title,projectsite,northing,easting\n435,BBA01,Belwind,51.67,2.8\n436,BBA02,35,51.68,2.81\n")
    assert rows(shared_server, "add", "locations", places, "--json")[1] == {"id": 436, "title": "BBA02"}
    (definition,) = rows(
        shared_server, "add", "model-definitions", "--set", "title=as-built", "--set", "project=35", "--json"
    )
    analysis = int(api.create_analysis({"name": "A", "model_definition": definition["id"]})["id"])

    (kind,) = rows(shared_server, "add", "sensor-types", "--set", "name=393B04", "--json")
    (picture := tmp_path / "picture.png").write_bytes(bytes(range(256)))
    rows(shared_server, "attach", "sensor-types", kind["id"], picture)
    rows(shared_server, "fetch", "sensor-types", kind["id"], tmp_path / "fetched.png")
    assert (tmp_path / "fetched.png").read_bytes() == picture.read_bytes()
    assert "404" in rows(shared_server, "fetch", "sensor-types", 77, tmp_path / "none", ok=False)
    assert "none of" in rows(shared_server, "attach", "sites", 35, picture, ok=False)
    rows(shared_server, "detach", "sensor-types", kind["id"])
    assert "404" in rows(shared_server, "fetch", "sensor-types", kind["id"], tmp_path / "none", ok=False)

    table = pd.DataFrame(
        {
            "location": [435, 435, 436, 436],
            "short_description": ["BBA01 - FA1", "BBA01 - FA1", "BBA02 - FA1", "BBA02 - FA1"],
            "name_col1": "reference_index", "units_col1": "index", "name_col2": "FA1", "units_col2": "Hz",
            "value_col1": [0, 1, 0, 1], "value_col2": [0.3406, 0.34, 0.35, 1 / 3],
        }
    )  # fmt: skip
    file = tmp_path / "rows.xlsx"
    table.to_excel(file, index=False)
    given = ("import", file, "--analysis", analysis)
    assert [one["action"] for one in rows(shared_server, *given, "--dry-run", "--json")] == ["created"] * 2
    assert api.list_results(analysis=analysis)["exists"] is False
    made = rows(shared_server, *given, "--json")
    again = rows(shared_server, *given, "--dry-run", "--json")
    assert [one["result_id"] for one in again] == [one["result_id"] for one in made]
    assert {one["action"] for one in again} == {"updated"}

    listed = rows(shared_server, "ls", "location__title=BBA01", "--json")
    assert [(one["short_description"], one["points"]) for one in listed] == [("BBA01 - FA1", 2)]
    assert rows(shared_server, "analyses", "name=A", "--json")[0]["id"] == analysis
    for ending in ("csv", "xlsx", "parquet"):
        rows(shared_server, "export", tmp_path / f"out.{ending}", f"analysis={analysis}")
        values = read_table(tmp_path / f"out.{ending}")["value_col2"].astype(float)
        assert values.tolist() == [0.3406, 0.34, 0.35, 1 / 3]
    rows(shared_server, "plot", tmp_path / "map.html", f"analysis={analysis}", "--kind", "map", "--unit", "mHz")
    assert "mean FA1 (mHz)" in (tmp_path / "map.html").read_text()
    assert "does not convert" in rows(shared_server, "plot", tmp_path / "x.png", "--unit", "kg", ok=False)
    assert "Unknown filter" in rows(shared_server, "ls", "nonsense=1", ok=False)

    rows(shared_server, "lock", made[0]["result_id"])
    assert "locked" in rows(shared_server, "import", _changed(table, tmp_path), "--analysis", analysis, ok=False)
    rows(shared_server, "lock", made[0]["result_id"], "--undo")
    rows(shared_server, "lock", "--analysis", analysis)
    assert "locked" in rows(shared_server, "import", _changed(table, tmp_path), "--analysis", analysis, ok=False)
    rows(shared_server, "lock", "--analysis", analysis, "--undo")
    rows(shared_server, "import", _changed(table, tmp_path), "--analysis", analysis)

    with httpx.Client(base_url=shared_server.url, headers={"authorization": f"Token {shared_server.token}"}) as http:
        page = http.get("/api/v1/rows/plot", params={"analysis": analysis, "title": "By turbine"}, timeout=60)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "By turbine" in page.text
        image = http.get("/api/v1/rows/plot", params={"analysis": analysis, "format": "png", "kind": "map"}, timeout=60)
        assert image.content[:4] == b"\x89PNG"
        assert http.get("/api/v1/rows/plot", params={"analysis": 99}).status_code == 400
        explained = http.get(f"/api/v1/lineage/row/{made[0]['result_id']}").json()
        assert explained[0]["generator"]["kind"] == "upload"


def _changed(table: pd.DataFrame, folder: Path) -> Path:
    file = folder / "changed.csv"
    table.assign(value_col2=table["value_col2"] + 1).to_csv(file, index=False)
    return file
