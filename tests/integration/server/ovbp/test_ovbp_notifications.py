"""What users are told: why a script failed, and that an analysis' results are obsolete."""

import json
from typing import Any

from tests.integration.server.ovbp.conftest import Door

PARSE = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_json(content_bytes)
"""
ANALYZE = """
import pandas as pd

def analyze(df, **tools):
    return pd.DataFrame({"mean": df.mean(axis=1)})
"""
BROKEN = """
def helper(content):
    return content.nothing_of_the_kind

def parse(content_bytes, rel_path, **tools):
    return helper(content_bytes)
"""


def _imported(door: Door, script: str) -> dict[str, Any]:
    project = door.project()
    gate = door.gate(project)
    stamps = [1_325_376_000_000 + hour * 3_600_000 for hour in range(24)]
    door.put(gate, "first.json", json.dumps({"a": dict.fromkeys(map(str, stamps), 1)}).encode())
    importer = door.importer(project)
    door.patch(f"odata/importers/{importer['id']}/", {"gate": gate["id"], "parse_script": script})
    return importer


def test_a_failed_task_tells_the_scripts_traceback_as_its_notification_does(door: Door) -> None:
    importer = _imported(door, BROKEN)
    task = door.post(f"odata/importers/{importer['id']}/action/", {"name": "run"})
    door.work()
    base = door.get(f"odata/importer_tasks/{task['id']}/")["base"]
    (notification,) = door.rows("odata/notifications/", project=importer["project"], resolved=False)
    assert (base["status"], notification["name"]) == ("failed", "Run failed")
    for message in (base["message"], notification["message"]):
        sentence, _, traceback = message.partition("\n\n")
        assert "first.json" in sentence
        assert "nothing_of_the_kind" in sentence
        assert traceback.startswith("Traceback")
        assert "line 3, in helper" in traceback
        assert "return content.nothing_of_the_kind" in traceback
    door.patch(f"odata/importers/{importer['id']}/", {"parse_script": PARSE})
    task = door.post(f"odata/importers/{importer['id']}/action/", {"name": "run"})
    door.work()
    assert "Traceback" not in (door.get(f"odata/importer_tasks/{task['id']}/")["base"]["message"] or "")


def _analysed(door: Door, importer: dict[str, Any]) -> str:
    door.post(f"odata/importers/{importer['id']}/action/", {"name": "run"})
    door.work()
    cleaner = door.cleaner(importer)
    unitcleaner = {"cleaner": cleaner, "external_name": "a", "name": "a-cleaned", "freq": "1H"}
    door.post("odata/unitcleaners/", unitcleaner)
    door.work()
    analysis = door.post("odata/analyses/", {"project": importer["project"], "name": "analysis-a", "comment": ""})["id"]
    wanted = {"input_series_generator": cleaner, "input_series_name": "a-cleaned", "column_name": "a"}
    door.post("odata/analysis_inputs/", {"analysis": analysis, **wanted})
    door.post("odata/analysis_outputs/", {"analysis": analysis, "name": "mean", "resample_rule": "mean"})
    config = {"analysis": analysis, "input_freq": "3H", "output_freq": "3H", "script": ANALYZE}
    door.post("odata/analysis_configs/", config)
    door.call("PATCH", f"odata/analyses/{analysis}/active/", {"value": True})
    door.work()
    return str(analysis)


def _told(door: Door, analysis: str) -> tuple[bool, int, list[str]]:
    detailed = door.get(f"odata/analyses/{analysis}/")
    rows = door.rows("odata/notifications/", project=detailed["project"], resolved=False)
    return detailed["is_obsolete"], detailed["unresolved_notifications_nb"], [row["name"] for row in rows]


def test_an_obsolete_analysis_is_told_until_somebody_resolves_it(door: Door) -> None:
    importer = _imported(door, PARSE)
    analysis = _analysed(door, importer)
    assert _told(door, analysis) == (False, 0, []), "the first configuration is no change"
    door.post(f"odata/importers/{importer['id']}/action/", {"name": "reset"})
    door.work()
    told = ["Analysis obsolete"]
    assert _told(door, analysis) == (False, 1, told), "it computed anew, and says so still"
    door.post(f"odata/analyses/{analysis}/action/", {"name": "run"})
    door.work()
    assert _told(door, analysis) == (False, 1, told)
    (notification,) = door.rows("odata/notifications/", generator=analysis, resolved=False)
    door.patch(f"odata/notifications/{notification['id']}/", {"resolved": True})
    assert _told(door, analysis) == (False, 0, [])
    door.call("PATCH", f"odata/analyses/{analysis}/active/", {"value": False})
    config = door.get(f"odata/analyses/{analysis}/")["analysisconfig"]["id"]
    door.patch(f"odata/analysis_configs/{config}/", {"script": f"{ANALYZE}\n# changed\n"})
    door.work()
    assert _told(door, analysis) == (True, 1, told), "it keeps what it computed before"
    door.post(f"odata/analyses/{analysis}/action/", {"name": "reset"})
    door.work()
    assert _told(door, analysis) == (False, 1, told)
