"""Records, collections, and JSON."""

import copy
import datetime as dt
import pickle
import uuid
from collections import OrderedDict
from pathlib import Path

import httpx
import numpy as np
import pytest

from entrepot.client.ovbp import Client, MultipleRecordsReturnedError, RecordDoesNotExistError
from entrepot.client.ovbp.json import json_dump, json_dumps, json_load, json_loads
from entrepot.client.ovbp.models.odata import FtpEntry
from entrepot.client.ovbp.util import get_one_and_only_one, moment_text
from tests.unit.client.ovbp.conftest import Platform


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2020-04-16T15:14:59.248897Z", dt.datetime(2020, 4, 16, 15, 14, 59, 248897)),
        ("2020-04-16T15:14:59.2Z", dt.datetime(2020, 4, 16, 15, 14, 59, 200000)),
        *(
            (text, text)
            for text in (
                "2020-04-13T13:28:23Z",
                "2020-04-13",
                "2020-04-16T15:14:59.248897+00:00",
                "2020-04-16T15:14:59.2488971Z",
                "2020-13-16T15:14:59.2Z",
                " 2020-04-16T15:14:59.2Z",
            )
        ),
    ],
)
def test_only_instants_in_full_become_datetimes(text: str, value: object) -> None:
    assert json_loads(f'["{text}", {{"{text}": {{"x": "{text}"}}}}]') == [value, {text: {"x": value}}]
    assert json_loads(f'"{text}"') == value


def test_objects_keep_their_order() -> None:
    data = json_loads('{"b": 1, "a": {"d": 1.0, "c": null}}')
    assert isinstance(data, OrderedDict)
    assert isinstance(data["a"], OrderedDict)
    assert [*data, *data["a"]] == ["b", "a", "d", "c"]


def test_what_json_does_not_know_is_written_too(tmp_path: Path) -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    id_ = uuid.uuid4()
    value = {
        "instant": dt.datetime(2020, 1, 1, 2, tzinfo=zone),
        "naive": dt.datetime(2020, 1, 1, microsecond=5),
        "day": dt.date(2020, 1, 1),
        "id": id_,
        "set": {1},
        "number": np.int64(3),
    }
    json_dump(value, tmp_path / "file.json", indent=4)
    assert json_load(tmp_path / "file.json") == {
        "instant": dt.datetime(2020, 1, 1),
        "naive": dt.datetime(2020, 1, 1, microsecond=5),
        "day": "2020-01-01",
        "id": str(id_),
        "set": [1],
        "number": 3,
    }
    with pytest.raises(TypeError, match="object"):
        json_dumps(object())


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2012-01-01T06", "2012-01-01T06"),
        (dt.date(2012, 1, 1), "2012-01-01"),
        (dt.datetime(2012, 1, 1, 6), "2012-01-01 06:00:00"),
        (dt.datetime(2012, 1, 1, 6, tzinfo=dt.UTC), "2012-01-01 06:00:00+00:00"),
        (np.datetime64("2012-01-01T06:30"), "2012-01-01 06:30:00"),
        (None, None),
    ],
)
def test_moments_are_texts_dates_and_datetimes(moment: object, text: str | None) -> None:
    assert moment_text(moment) == text  # type: ignore[arg-type]


def test_values_are_attributes(client: Client, platform: Platform) -> None:
    record = client.gates.retrieve(platform.add("odata/gates", name="gate", base_feeder=None)["id"])
    assert (record.name, record.base_feeder) == ("gate", None)
    assert repr(record) == "<odata/gates: gate (id-1)>"
    assert "name" in dir(record)
    with pytest.raises(AttributeError, match="comment not found"):
        _ = record.comment
    assert copy.copy(record).name == "gate"
    assert repr(client.gates) == "<odata/gates>"


def test_a_record_without_name_prints_its_id(client: Client) -> None:
    assert repr(client.analysis_inputs.data_to_record({"id": "x"})) == "<odata/analysis_inputs: x>"
    entry = pickle.loads(pickle.dumps(FtpEntry(name="n", type="file", path="p/n")))
    assert (entry.name, entry.type, repr(entry)) == ("n", "file", "<file: p/n>")
    assert not hasattr(entry, "size")


def test_a_record_is_changed_reloaded_and_deleted(client: Client, platform: Platform) -> None:
    kept = platform.add("odata/gates", name="gate", comment="")
    gate = client.gates.retrieve("id-1")
    kept["comment"] = "changed elsewhere"
    gate.update(name="new")
    assert gate.data == {"id": "id-1", "name": "new", "comment": ""}
    gate.reload()
    assert gate.comment == "changed elsewhere"
    gate.delete()
    assert platform.records["odata/gates"] == {}
    assert [(method, body) for method, _, _, body in platform.writes()] == [
        ("PATCH", {"name": "new"}),
        ("DELETE", None),
    ]


def test_all_records_are_listed_however_many_there_are(client: Client, platform: Platform) -> None:
    for number in range(450):
        platform.add("odata/series", name=f"{number}", project="p" if number % 2 else "q")
    assert [one.name for one in client.series.list_all()] == [str(number) for number in reversed(range(450))]
    assert [query["start"] for _, _, query, _ in platform.requests] == ["0", "200", "400", "600"]
    assert len(client.series.list_all(filter_by={"project": "p"})) == 225
    assert [one.name for one in client.series.list(start=2, limit=2)] == ["447", "446"]
    assert next(client.series.iter()).name == "449"


def test_the_only_one(client: Client) -> None:
    records = [
        client.gates.data_to_record({"id": id_, "name": name}) for id_, name in (("1", "a"), ("2", "b"), ("3", "b"))
    ]
    assert get_one_and_only_one(records, "2") is records[1]
    assert get_one_and_only_one(records, lambda record: record.name == "a") is records[0]
    assert get_one_and_only_one(records[:1]) is records[0]
    with pytest.raises(RecordDoesNotExistError):
        get_one_and_only_one(records, "4")
    with pytest.raises(MultipleRecordsReturnedError):
        get_one_and_only_one(records, lambda record: record.name == "b")


def test_projects_look_up_and_create_what_is_theirs(client: Client, platform: Platform) -> None:
    organization = platform.add("oteams/organizations", name="Openergy")
    platform.add("oteams/projects", name="P", organization=organization["id"], odata={"id": "o"})
    project = client.get_project("Openergy", "P")
    kinds = {
        "gate": project.create_gate,
        "importer": project.create_importer,
        "cleaner": project.create_cleaner,
        "analysis": project.create_analysis,
    }
    for kind, create in kinds.items():
        created = create("x", comment="c")
        assert created.data | {"id": 0} == {"id": 0, "project": "o", "name": "x", "comment": "c"}
        assert getattr(project, f"get_{kind}")("x").id == created.id
        with pytest.raises(RecordDoesNotExistError):
            getattr(project, f"get_{kind}")("y")
    platform.add("odata/notifications", name="n", project="o", resolved=True)
    assert [len(project.list_all_notifications(resolved=resolved)) for resolved in (None, True, False)] == [1, 1, 0]
    platform.add("odata/projects", mail_alerts_activated=False)
    settings = client.odata_projects.list()[0]
    settings.activate_mail_alerts()
    assert settings.mail_alerts_activated is True
    settings.deactivate_mail_alerts()
    assert settings.mail_alerts_activated is False


def test_actions_return_json_bytes_or_nothing(client: Client, platform: Platform) -> None:
    platform.actions["/json"] = lambda request: httpx.Response(200, json={"a": 1})
    platform.actions["/bytes"] = lambda request: httpx.Response(200, content=request.content)
    platform.actions["/none"] = lambda request: httpx.Response(204)
    assert client.gates.list_action("get", "json", params={"flag": False, "none": None, "some": [1, 2]}) == {"a": 1}
    assert platform.requests[-1][2]["flag"] == "False"
    assert "none" not in platform.requests[-1][2]
    assert client.gates.list_action("POST", "none") is None
    gate = client.gates.data_to_record({"id": "1"})
    assert gate.detail_action("put", "bytes", data=[1], return_json=False) == b"[1]"
    assert gate.detail_action("put", "bytes", data=b"7", return_json=False, send_json=False) == b"7"
