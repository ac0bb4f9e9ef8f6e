"""The published client against a live server: its guide, each of its methods, its services and plots."""

import uuid
from typing import Any

import pytest

from tests.conformance.owi.conftest import RunScript

pytestmark = pytest.mark.conformance


COLUMNS = [
    "id", "name_col1", "name_col2", "name_col3", "units_col1", "units_col2", "units_col3", "value_col1", "value_col2",
    "value_col3", "analysis", "site", "location", "short_description", "description", "related_object",
    "additional_data", "slug", "visibility", "visibility_groups",
]  # fmt: skip


def check_guide(seen: dict[str, Any], name: str) -> None:
    """Compare what a run of the guide saw with what its documentation says."""
    assert seen["ping"] == "ok"
    created = seen["created"]
    assert created["keys"] == ["data", "exists", "id", "response"]
    assert (created["exists"], created["status"]) == (True, 201)
    record = created["record"]
    assert (record["name"], record["model_definition"], record["location"]) == (name, 12, None)
    assert (record["source"], record["timestamp"]) == (None, "2026-03-31T12:00:00Z")
    assert record["additional_data"] == {"sheet_name": "Lifetime -  Design frequencies"}
    assert (seen["duplicate"]["type"], seen["duplicate"]["status"]) == ("APIConnectionError", 400)
    assert "must make a unique set" in seen["duplicate"]["text"]
    assert seen["found"] == [True, True]
    assert seen["by id"] is True
    assert seen["absent"] == [False, None]
    assert seen["listed"] == [True, True]
    assert seen["located"] == [435, "2026-03-31T12:00:00Z"]
    assert seen["uploaded"] == {"keys": ["data", "exists", "response"], "exists": True, "bar": True, "order": True}
    assert seen["nothing"] == [False, None, 0]
    assert seen["columns"] == COLUMNS
    assert seen["single"] == [201, True, [0.3406, 0.333, 1 / 3]]
    assert seen["updated"] == [200, "x", "single"]
    assert seen["with locations"] == 4
    assert seen["summary"] == {
        "keys": ["data", "exists", "response", "summary"],
        "exists": True,
        "actions": [
            [True, "BBA01 - FA1", "updated"],
            [True, "BBA01 - SS1", "updated"],
            [True, "BBA02 - FA1", "updated"],
            [True, "BBA09 - FA1", "created"],
        ],
        "ids": [True] * 4,
        "count": 8,
        "descriptions": ["again", "again", "again", None],
        "rows": 4,
    }
    assert seen["ambiguous"]["type"] == "InvalidParameterError"
    assert "short_description`: twice" in seen["ambiguous"]["text"]
    assert [one["type"] for one in seen["missing key"]] == ["InvalidParameterError"] * 2
    assert seen["nothing to update"] == [[], False]
    assert seen["several"]["type"] == "InvalidParameterError"
    assert (seen["bad row"]["type"], seen["bad row"]["status"]) == ("APIConnectionError", 400)
    assert '[{},{"value_col2":["All value columns must have the same length."]}]' in seen["bad row"]["text"]
    assert '{"nonsense":["Unknown filter."]}' in seen["unknown filter"]["text"]
    assert seen["lists"]["in"] == [435, 436]
    assert seen["lists"]["null"] == ["BBA03 - FA1", "BBA03 - SS1"]
    assert seen["lists"]["json"] == 2
    assert seen["round trip"] == [True] * 6
    assert seen["unauthorized"]["status"] == 401
    assert "Invalid token." in seen["unauthorized"]["text"]
    assert seen["no credentials"]["type"] == "InvalidParameterError"


def test_the_guide_and_every_method(owi: RunScript) -> None:
    name = f"LifetimeDesignFrequencies {uuid.uuid4()}"
    seen = owi("owi_guide", package="published", name=name)
    check_guide(seen, name)
    assert seen["slash"] == 1


def test_services_and_plots(owi: RunScript) -> None:
    seen = owi("owi_services", timestamp=f"2026-03-31T12:00:00.{uuid.uuid4().int % 10**6:06d}")
    assert seen["places"] == {
        "site": 35,
        "sites": ["Belwind", "Nobelwind"],
        "assets": {"BBA01": 435, "BBA02": 436},
        "chosen": ["BBA01", "BBA02"],
        "detail": [435, "Belwind"],
        "plotted": 1,
        "definition": 12,
        "definition of location": 12,
        "subassemblies": False,
    }
    for name, rows in (("frequencies", 12), ("verification", 24), ("histogram", 5), ("corrosion", 15)):
        assert (seen[name]["same"], seen[name]["rows"]) == (True, rows), (name, seen[name])
    assert seen["related"] == {"type": "shm.sensor", "id": 92}
    assert len(seen["plots"]) == 12
    assert {name: made for name, made in seen["plots"].items() if made != [True, True]} == {}
    assert seen["filters"] == {
        "all": 4, "location": 2, "site": 4, "turbine": 2, "short description": 1, "from": 4, "past the end": 0,
        "to": 0, "between": 0,
    }  # fmt: skip
    assert seen["gaps"] == {
        "made": [None, 2.5, None], "read": [None, 2.5, None], "described": 200, "updated": "updated",
    }  # fmt: skip
    assert seen["structure"] == {"blocks": ["can 0", "can 2500"], "material": "S355", "bottom": 1.0, "listed": 2}


@pytest.mark.parametrize("credentials", ["token"], indirect=True)
def test_sensors_signals_and_their_files(owi: RunScript) -> None:
    """Last in this module: it makes a site of its own."""
    seen = owi("owi_sensors", name=f"S{uuid.uuid4().hex[:8]}")
    assert seen["sensors"] == {
        "made": [2, 2, 1],
        "typed": [2, True, "PCB"],
        "cabinets": [1, None],
        "sensor": True,
        "calibration": True,
        "dated": "2024-03-01 00:00:00+00:00",
        "files": ["\x89PNG picture", "%PDF sheet"],
        "refused": [401, 401],
        "none": None,
    }
    signals = seen["signals"]
    assert signals["signal"] == [True] * 4
    assert signals["more"] == [2, {"max": 1}, {"custom_factor": 1.5}]
    assert signals["history"] == [
        ["2024-03-24 08:00:00+00:00", "ok", False, "old"],
        ["2024-03-25 00:00:00+00:00", "notok", True, None],
    ]
    assert signals["sensor"] is True
    assert len(signals["calibrations"]) == 2
    assert signals["derived"] == [{"window": "10m"}, [True]]
    assert signals["derived calibrations"] == [{"yaw_parameter": "offset", "yaw_offset": 4.5}]
    assert signals["of asset"] == 2
    assert (seen["lists"], seen["gets"]) == ([True] * 9, [True] * 8)
    assert seen["typed by serializers"] == [True] * 9
    assert (seen["patched"], seen["other names"]) == (True, 200)


@pytest.mark.parametrize("credentials", ["basic"], indirect=True)
def test_geometry(owi: RunScript) -> None:
    """Each call that the published example makes of turbines; it makes a site of its own, too."""
    seen = owi("owi_geometry", name=f"G{uuid.uuid4().hex[:6]}")
    assert [title[-1] for title in seen["turbines"]] == ["1", "2"]
    assert seen["heights"] == [[-62.5, 7.5, 16.0, -30.0]] * 2
    # A tube's volume is its length by its wall by its mean circumference.
    assert seen["masses"] == [180.4] * 2
    assert seen["objects"] == {"TW": 310403.2, "TP": 123359.3, "MP": 1211496.3}
    assert (seen["rna"], seen["tower"], seen["tubes"], seen["lumped"]) == ([130.0] * 2, 2, 12, 2)
    assert seen["pile"] == [True, [210.0], 1]
    assert (seen["definitions"], seen["blocks"]) == (
        ["as-built"],
        ["distributed_mass", "lumped_mass", "tubular_section"],
    )
    assert (seen["frames"], seen["outlines"]) == ([3, 4, 2], [True] * 3)
    assert all(seen[name] for name in ("drawn", "definition", "materials", "described", "near"))
