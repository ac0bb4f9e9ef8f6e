"""The requests that the published guide makes, one by one, and what they answer."""

import io
import json
import zipfile
from typing import Any

import pandas as pd

from tests.integration.server.ovbp.conftest import Door

PARSE = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_json(content_bytes)

"""
ANALYZE = """
import pandas as pd

def analyze(df, **tools):
    return pd.DataFrame({"a-output": df.mean(axis=1)})

"""
MIDNIGHT = 1_325_376_000_000  # 2012-01-01, in milliseconds
HOUR = 3_600_000
LABELS = [
    "a [importer=importer a]", "a cleaned [cleaner=importer a]", "a output [analysis=analysis a]",
    "b [importer=importer a]", "b cleaned [cleaner=importer a]",
    "c [importer=importer a]", "c cleaned [cleaner=importer a]",
]  # fmt: skip


def every(door: Door, path: str, **filters: Any) -> list[dict[str, Any]]:
    """Ask for pages until one is empty, as the client does."""
    found: list[dict[str, Any]] = []
    start = 0
    while page := door.rows(path, start=start, length=200, **filters):
        found += page
        start += 200
    return found


def by_name(door: Door, path: str, name: str, **filters: Any) -> list[dict[str, Any]]:
    return list(door.rows(path, start=0, length=2, name=name, **filters))


def test_the_guide(door: Door) -> None:
    # Project and gate.
    (organization,) = by_name(door, "oteams/organizations/", "Openergy")
    assert by_name(door, "oteams/projects/", "Ovbpclient documentation", organization=organization["id"]) == []
    project = door.post(
        "oteams/projects/", {"organization": organization["id"], "name": "Ovbpclient documentation", "comment": ""}
    )["odata"]
    assert by_name(door, "odata/gates/", "gate", project=project) == []
    door.post("odata/gates/", {"project": project, "name": "gate", "comment": "documentation gate"})
    (gate,) = by_name(door, "odata/gates/", "gate", project=project)
    assert door.get(f"odata/gate_ftp_accounts/{gate['ftp_account']['id']}/password/")["password"]
    stamps = [MIDNIGHT + hour * HOUR for hour in range(24)]
    columns = {name: dict.fromkeys(map(str, stamps), value) for name, value in (("a", 1), ("b", 2), ("c", 3))}
    door.put(gate, "first.json", json.dumps(columns).encode())

    # Importer.
    assert by_name(door, "odata/importers/", "importer-a", project=project) == []
    importer = door.importer(project)["id"]
    door.patch(f"odata/importers/{importer}/", {"gate": gate["id"], "crontab": "0 0 0 1 1 *", "parse_script": PARSE})
    task = door.post(f"odata/importers/{importer}/action/", {"name": "run"})
    assert task["base"]["status"] == "pending"
    for value in (True, False):
        assert door.call("PATCH", f"odata/importers/{importer}/active/", {"value": value}).status_code == 204
    door.work()
    assert door.get(f"odata/importer_tasks/{task['id']}/")["base"]["status"] == "finished"
    raw = every(door, "odata/series/", generator=importer)
    assert [series["name"] for series in raw] == ["c", "b", "a"]
    chosen = door.call(
        "POST",
        "odata/series/multi_select/?start=2012-01-01+06%3A00%3A00&end=2012-01-01+12%3A00%3A00",
        {"otsdb_pk": [series["otsdb_pk"] for series in raw]},
    )
    assert chosen.text.startswith(f'{{"{raw[2]["otsdb_pk"]}":{{"name":"a","index":[1325397600000,')
    assert '"data":[1.0,1.0,1.0,1.0,1.0,1.0,1.0]}' in chosen.text
    assert list(chosen.json()) == [str(series["otsdb_pk"]) for series in reversed(raw)]
    one = door.call("GET", f"odata/series/{raw[0]['id']}/select/?end=2012-01-01+04%3A00%3A00")
    assert one.json() == {"name": "c", "index": stamps[:5], "data": [3.0] * 5}

    # Cleaner.
    (cleaner,) = by_name(door, "odata/cleaners/", "importer-a", project=project)
    assert cleaner["related_importer"] == importer
    assert door.rows("odata/unitcleaners/", cleaner=cleaner["id"]) == []
    importer_series = every(door, "odata/importer_series/", generator=importer)
    assert [(series["name"], series["unitcleaner"]) for series in importer_series] == [
        ("c", None),
        ("b", None),
        ("a", None),
    ]
    for series in importer_series:
        door.post(
            "odata/unitcleaners/",
            {
                "cleaner": cleaner["id"],
                "external_name": series["name"],
                "name": f"{series['name']}-cleaned",
                "freq": "1H",
            },
        )
    unitcleaners = every(door, "odata/unitcleaners/", cleaner=cleaner["id"])
    assert [record["name"] for record in unitcleaners] == ["a-cleaned", "b-cleaned", "c-cleaned"]
    assert door.get(f"odata/projects/{project}/")["name"] == "Ovbpclient documentation"
    linked = {
        series["name"]: series["unitcleaner"] for series in every(door, "odata/importer_series/", generator=importer)
    }
    assert linked == {record["external_name"]: record["id"] for record in unitcleaners}
    door.work()
    cleaned = every(door, "odata/series/", generator=cleaner["id"])
    assert [series["name"] for series in cleaned] == ["a-cleaned", "b-cleaned", "c-cleaned"]
    frame = door.call(
        "POST",
        "odata/series/multi_select/?end=2012-01-01+04%3A00%3A00",
        {"otsdb_pk": [series["otsdb_pk"] for series in cleaned]},
    ).json()
    assert [column["name"] for column in frame.values()] == ["c-cleaned", "b-cleaned", "a-cleaned"]
    assert [column["index"] for column in frame.values()] == [stamps[1:5]] * 3

    # Analysis.
    assert by_name(door, "odata/analyses/", "analysis-a", project=project) == []
    analysis = door.post("odata/analyses/", {"project": project, "name": "analysis-a", "comment": ""})["id"]
    for name in ("a-cleaned", "b-cleaned"):
        body = {"input_series_generator": cleaner["id"], "input_series_name": name, "column_name": name}
        door.post("odata/analysis_inputs/", {"analysis": analysis, **body})
    assert len(every(door, "odata/analysis_inputs/", analysis=analysis)) == 2
    output = {"name": "a-output", "resample_rule": "mean", "label": "", "unit": "Â°C", "numerical_filter": None}
    door.post("odata/analysis_outputs/", {"analysis": analysis, **output})
    assert len(every(door, "odata/analysis_outputs/", analysis=analysis)) == 1
    door.post(
        "odata/analysis_configs/", {"analysis": analysis, "input_freq": "3H", "output_freq": "3H", "script": ANALYZE}
    )
    task = door.post(f"odata/analyses/{analysis}/action/", {"name": "run"})
    assert door.call("PATCH", f"odata/analyses/{analysis}/active/", {"value": True}).status_code == 204
    door.work()
    assert door.get(f"odata/analysis_tasks/{task['id']}/")["base"]["status"] == "finished"
    (made,) = every(door, "odata/series/", generator=analysis)
    result = door.post("odata/series/multi_select/", {"otsdb_pk": [made["otsdb_pk"]]})
    assert result == {
        str(made["otsdb_pk"]): {
            "name": "a-output",
            "index": [stamps[hour] for hour in range(3, 19, 3)],
            "data": [1.5] * 6,
        }
    }
    detailed = door.get(f"odata/analyses/{analysis}/")
    assert (detailed["active"], detailed["is_obsolete"], detailed["unresolved_notifications_nb"]) == (True, False, 0)

    # The whole project, and its export.
    for kind in ("gates", "importers", "cleaners", "analyses"):
        assert len(every(door, f"odata/{kind}/", project=project)) == 1
    assert every(door, "odata/notifications/", project=project, resolved=False) == []
    series_ids = [series["id"] for series in every(door, "odata/series/", project=project)]
    assert len(series_ids) == 7
    request = {
        "series": series_ids, "start": None, "end": None, "out_freq": None, "clock": None, "out_mode": "series",
        "sep": ",", "decimal": ".", "time_grouper": None, "with_tags": False, "in_start_mode": "right",
        "in_end_mode": "left",
    }  # fmt: skip
    archive = export(door, request)
    assert archive.namelist() == [f"{label}.csv" for label in LABELS]
    archive = export(door, {**request, "out_mode": "dataframe", "out_freq": "1H", "clock": "tzt"})
    (name,) = archive.namelist()
    frame = pd.read_csv(io.BytesIO(archive.read(name)), index_col=0, parse_dates=True)
    assert list(frame.columns) == LABELS
    assert list(frame.index) == list(pd.date_range("2012-01-01 03:00", "2012-01-01 20:00", freq="h"))
    assert frame.iloc[0].tolist() == frame.iloc[-1].tolist() == [1.0, 1.0, 1.5, 2.0, 2.0, 3.0, 3.0]


def export(door: Door, request: dict[str, Any]) -> zipfile.ZipFile:
    """Export, and take the archive whose name is the greatest, as the client does."""
    task = door.post("odata/series/export/", request)
    door.work()
    assert door.get(f"odata/series_export_tasks/{task['id']}/")["base"]["status"] == "finished"
    user = door.get(f"odata/users/{door.get('oteams/users/me/')['odata']}/")
    listing = door.post(
        f"odata/user_ftp_accounts/{user['ftp_account']}/list_dir/", {"path": "series_exports", "root_dir_path": "/"}
    )["data"]
    newest = max((entry for entry in listing if entry["type"] == "file"), key=lambda entry: str(entry["name"]))
    (home,) = door.services.settings.users_dir.glob("[!.]*")
    assert newest["name"].endswith(".zip")
    return zipfile.ZipFile(home / newest["path"])
