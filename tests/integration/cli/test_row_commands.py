"""Result sets, rows, places and parts from the terminal, over the interface alone."""

from pathlib import Path

import orjson
import pandas as pd
import pytest

from entrepot.cli.parts import KINDS
from entrepot.client.tables import read_table
from entrepot.rows.parts import PARTS
from tests.support.terminal import Terminal

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
ROWS = pd.DataFrame(
    {
        "result_set": "Frequencies", "location": ["BBA01", "BBA01", "BBA02", "BBA02"],
        "name": ["BBA01 - FA1", "BBA01 - FA1", "BBA02 - FA1", "BBA02 - FA1"],
        "name1": "reference_index", "unit1": "index", "name2": "FA1", "unit2": "Hz",
        "value1": [0, 1, 0, 1], "value2": [0.3406, 0.34, 0.35, 1 / 3],
    }
)  # fmt: skip


@pytest.fixture
def farm(terminal: Terminal, tmp_path: Path) -> Terminal:
    terminal.run("sites create Belwind id=35")
    places = tmp_path / "places.csv"
    places.write_text("id,name,site,northing,easting\n435,BBA01,Belwind,51.67,2.8\n436,BBA02,35,51.68,2.81\n")
    made = terminal.json("locations create --file", places)
    assert [(one["id"], one["name"], one["northing"]) for one in made] == [
        ("435", "BBA01", 51.67), ("436", "BBA02", 51.68)
    ]  # fmt: skip
    terminal.run("model-definitions create Belwind/as-built")
    terminal.run("result-sets create Frequencies site=35 model=as-built source=SCADA")
    return terminal


def test_rows_go_from_files_to_a_server_and_back(farm: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    ROWS.to_csv(file, index=False)
    tried = farm.json("rows import --dry-run", file)
    assert [(one["id"], one["name"], one["action"]) for one in tried] == [
        (None, "BBA01 - FA1", "created"), (None, "BBA02 - FA1", "created"),
    ]  # fmt: skip
    assert farm.json("rows list") == []
    made = farm.json("rows import", file)
    assert [one["action"] for one in made] == ["created"] * 2
    again = farm.json("rows import --dry-run", file)
    assert [(one["id"], one["action"]) for one in again] == [(one["id"], "updated") for one in made]

    listed = farm.json("rows list --location BBA01")
    assert [(one["name"], one["vectors"], one["points"]) for one in listed] == [
        ("BBA01 - FA1", "reference_index (index), FA1 (Hz)", 2)
    ]
    for chosen in ("--site Belwind", "--model as-built", "--result-set Freq*", "--name BBA*", "id__gte=1"):
        assert len(farm.json(f"rows list {chosen}")) == 2, chosen
    assert farm.json("rows list --site Belwind --name BBA02*")[0]["id"] == made[1]["id"]
    assert "BBA01 - FA1" in farm.run(f"rows show {made[0]['id']} --unit mHz").stdout
    assert farm.json(f"rows show {made[0]['id']} --unit mHz")["columns"][1]["values"] == [340.6, 340.0]

    for ending in ("xlsx", "csv", "parquet"):
        farm.run("rows export", out := tmp_path / f"out.{ending}")
        assert read_table(out)["value2"].astype(float).tolist() == [0.3406, 0.34, 0.35, 1 / 3]
        assert {one["action"] for one in farm.json("rows import", out)} == {"updated"}
    farm.run("rows plot", tmp_path / "map.html", *["--kind", "map", "--unit", "mHz", "--result-set", "Frequencies"])
    assert "mean FA1 (mHz)" in (tmp_path / "map.html").read_text()
    assert "does not convert" in farm.refused("rows plot x.png --unit kg")
    assert not Path("x.png").exists()
    (run,) = farm.api.ask("GET", f"/lineage/row/{made[0]['id']}")["items"]
    assert run["generator"]["kind"] == "upload"
    assert farm.run(f"rows explain {made[0]['id']}").stdout.startswith("upload run ")
    assert farm.json("result-sets explain Frequencies")[0]["run"] == run["run"]
    page = farm.api.client.get("/api/v1/rows/plot", params={"id": made[0]["id"], "title": "By turbine"})
    assert (page.headers["content-type"], "By turbine" in page.text) == ("text/html; charset=utf-8", True)
    image = farm.api.client.get("/api/v1/rows/plot", params={"format": "png", "kind": "map"})
    assert image.content[:4] == b"\x89PNG"
    assert farm.api.client.get("/api/v1/rows/plot", params={"id": 99}).status_code == 400
    assert not [path for path in farm.asked if not path.startswith("/api/v1/")]


def test_an_import_is_all_or_nothing_over_several_result_sets(farm: Terminal, tmp_path: Path) -> None:
    farm.run("result-sets create Others site=Belwind model=as-built")
    file = tmp_path / "rows.csv"
    ROWS.assign(result_set=["Frequencies"] * 2 + ["Others"] * 2).to_csv(file, index=False)
    farm.run("rows import", file)
    assert [one["result_set"] for one in farm.json("rows list")] == ["Frequencies", "Others"]
    bad = ROWS.assign(result_set=["Others"] * 2 + ["Frequencies"] * 2, location=["BBA01", "BBA01", "lost", "lost"])
    bad.to_csv(file, index=False)
    assert "rows.1.location" in farm.refused("rows import", file)
    assert len(farm.json("rows list")) == 2
    ROWS.assign(result_set="lost").to_csv(file, index=False)
    assert "rows.0.result_set" in farm.refused("rows import", file)
    assert [one["action"] for one in farm.json("rows import --result-set Others", file)] == ["created", "updated"]


def test_what_is_locked_is_kept_from_imports(farm: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    ROWS.to_csv(file, index=False)
    (first, _) = farm.json("rows import", file)
    ROWS.assign(value2=ROWS["value2"] + 1).to_csv(file, index=False)
    for lock in (f"rows lock {first['id']}", "result-sets lock Frequencies --why report"):
        farm.run(lock)
        assert "ocked" in farm.refused("rows import", file)
        farm.run(lock.partition(" --")[0], "--undo")
    assert farm.json("rows import", file)[0]["action"] == "updated"
    assert "1 deleted" in farm.run(f"rows delete {first['id']} --yes").stdout
    assert len(farm.json("rows list")) == 1


def test_result_sets_are_found(farm: Terminal) -> None:
    farm.run("result-sets create Of-one site=Belwind model=as-built location=BBA01")
    for chosen, found in (
        ("--name Freq*", ["Frequencies"]), ("--site 35", ["Frequencies", "Of-one"]), ("--location BBA01", ["Of-one"]),
        ("--model as-built source__icontains=scada", ["Frequencies"]),
    ):  # fmt: skip
        assert [one["name"] for one in farm.json(f"result-sets list {chosen}")] == found, chosen
    assert "Unknown filter" in farm.refused("result-sets list nonsense=1")
    assert "is not NAME=VALUE" in farm.refused("rows list nonsense")
    assert farm.json("result-sets set Frequencies description=2014")["description"] == "2014"


def test_parts_and_their_files(farm: Terminal, tmp_path: Path) -> None:
    assert set(KINDS) == set(PARTS)
    (picture := tmp_path / "picture.png").write_bytes(bytes(range(256)))
    (made,) = farm.json("parts create sensor-types name=393B04 type=ACC")
    one = f"sensor-types {made['id']}"
    farm.run(f"parts attach {one}", picture)
    farm.run(f"parts fetch {one}", tmp_path / "fetched.png")
    assert (tmp_path / "fetched.png").read_bytes() == picture.read_bytes()
    assert farm.json("parts list sensor-types")[0]["attachments"][0]["name"] == "picture.png"
    assert farm.json(f"parts set {one} type=null unit=g")["type"] is None
    assert farm.json(f"parts show {one}")["unit"] == "g"
    farm.run(f"parts detach {one}")
    assert "404" in farm.refused(f"parts fetch {one}", tmp_path / "none")
    assert "none of" in farm.refused("parts attach sites 35", picture)
    farm.run(f"parts delete {one} --yes")
    assert farm.json("parts list sensor-types") == []
    file = tmp_path / "materials.json"
    file.write_text('[{"name": "Steel", "density": 7850}, {"density": 1}]')
    assert "items.1.name" in farm.refused("parts create materials --file", file)
    assert farm.json("parts list materials") == []
    file.write_text('[{"name": "Steel", "density": 7850}, {"name": "Grout", "id": 9}]')
    assert [one["id"] for one in farm.json("parts create materials --file", file)] == [1, 9]


def test_old_commands_work_and_say_the_new_ones(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal.run("rows add sites --set id=35 --set title=Belwind").stderr
    assert said == "`entrepot rows add` is `entrepot sites create` now\n"
    places = tmp_path / "places.csv"
    places.write_text("id,title,projectsite\n435,BBA01,Belwind\n436,BBA02,35\n")
    assert terminal.json("rows add locations", places)[1] == {"id": "436", "name": "BBA02"}
    terminal.run("rows add model-definitions --set title=as-built --set project=35")
    terminal.run("rows add materials --set title=Steel --set", 'additional_data={"a": 1}')
    terminal.run("result-sets create A site=Belwind model=as-built")
    (one,) = terminal.json("rows analyses name=A")
    assert terminal.json("parts show materials 1")["extra"] == {"a": 1}
    old = ROWS.rename(columns={"result_set": "analysis", "name": "short_description"}).assign(
        analysis=one["id"], location=[435, 435, 436, 436], site=35
    )
    old.columns = [column.replace("name", "name_col").replace("unit", "units_col").replace("value", "value_col")
                   for column in old.columns]  # fmt: skip
    old.to_excel(tmp_path / "old.xlsx", index=False)
    done = terminal.run("rows import --analysis", one["id"], tmp_path / "old.xlsx")
    assert "--result-set" in done.stderr
    assert [row["location"] for row in terminal.json("rows ls")] == ["BBA01", "BBA02"]
    for lookup, new in (("analysis__name__istartswith=a", "result_set__name__istartswith"), ("name_col2=FA1", "name2"),
                        ("analysis__model_definition__project__projectsite__title=Belwind",
                         "result_set__model_definition__site__name")):  # fmt: skip
        done = terminal.run("rows list --json", lookup)
        assert (len(orjson.loads(done.stdout)), done.stderr) == (2, f"`{lookup.partition('=')[0]}` is `{new}` now\n")
    assert "result-sets lock" in terminal.run("rows lock --analysis", one["id"]).stderr
