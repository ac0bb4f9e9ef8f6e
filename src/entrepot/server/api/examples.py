"""Examples of requests for the OpenAPI document; a test sends each of them, in this order, to a server that has a farm.

Ids are made up, one for each thing (:func:`id_of`); that test puts those of its farm in their place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

NONE: Final = object()
_PROJECT: Final = "La Haute Borne"
_FILE: Final = {
    "project": "Penmanshiel",
    "time_zone": "Europe/London",
    "gates": {"scada": {"quarantine": True}},
    "importers": {"scada": {"gate": "scada", "channels": {"Ws_avg": {"name": "T1 wind", "unit": "m/s"}}}},
    "watches": {"T1 wind": {"silent_for": "6h"}},
}


@dataclass(frozen=True)
class Example:
    """A request: its body (by default none) as this media type, and parameters."""

    body: Any = NONE
    media: str | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def id_of(thing: str) -> str:
    """Return the id that a thing has in examples; rows and what they are about have numbers."""
    return _NUMBERS.get(thing) or str(uuid5(NAMESPACE_URL, f"entrepot:{thing}"))


def of(method: str, path: str) -> Example:
    """Return the example of an operation."""
    return EXAMPLES.get((method.upper(), path.removeprefix("/api/v1")), _NOTHING)


def path_value(path: str, name: str) -> str:
    """Return what stands in a path in the place of a parameter."""
    thing = thing_of(path, name)
    return _TEXTS.get((path.split("/")[3], name)) or id_of(thing)


def thing_of(path: str, name: str) -> str:
    """Return the thing whose id a parameter of a path is."""
    noun = path.split("/")[3]
    return _THINGS.get((noun, name)) or _THINGS.get(("", name)) or name.removesuffix("_id")


_NOTHING = Example()
_NUMBERS = {"site": "1", "location": "2", "model": "3", "result_set": "4", "row": "5", "part": "6"}
_THINGS: Mapping[tuple[str, str], str] = {
    ("importers", "generator_id"): "importer",
    ("cleaners", "generator_id"): "cleaner",
    ("analyses", "generator_id"): "analysis",
    ("archive", "work_id"): "archived",
    ("sites", "place_id"): "site",
    ("locations", "place_id"): "location",
    ("model-definitions", "place_id"): "model",
    ("lineage", "result_id"): "made",
    ("", "job_id"): "run",
    ("", "user_id"): "member",
    ("", "set_id"): "result_set",
}
_TEXTS: Mapping[tuple[str, str], str] = {
    ("parts", "kind"): "materials",
    ("parts", "field"): "sheet",
    ("lineage", "kind"): "series",
    ("gates", "path"): "R80711/2014-03.csv",
}
_PARSE: Final = """import pandas as pd
def parse(content, path, **tools):
    return pd.read_csv(content, index_col=0, parse_dates=True)
"""
_MEAN: Final = """import pandas as pd
def analyze(frame, **tools):
    return pd.DataFrame({"mean": frame.mean(axis=1)})
"""
_WORK: Final = {"pipeline": "power-curves", "parameters": {"turbine": "R80711"}, "site": "local", "user": "ada"}
_LATE: Final = {"from": "2014-03-01T00:00:00Z"}
_FORM: Final = {"file": "time,value\n2014-03-01T00:00:00Z,5.1\n", "identifier": "weekly"}
_VECTORS: Final = [
    {"name": "wind speed", "unit": "m/s", "values": [4.0, 5.0]},
    {"name": "power", "unit": "kW", "values": [60.0, None]},
]

EXAMPLES: Final[Mapping[tuple[str, str], Example]] = {
    ("GET", "/series"): Example(query={"project": _PROJECT, "q": "wind", "label": ["turbine:R80711"], "limit": 100}),
    ("GET", "/series/{series_id}/points"): Example(
        query={"from": "2014-03-01", "to": "2014-04-01", "step": "1d", "clock": "Europe/Paris", "unit": "km/h",
               "aggregate": "weighted_mean", "columns": "completeness"}
    ),
    ("GET", "/series/{series_id}/envelope"): Example(
        query={"from": "2014-03-01", "to": "2014-04-01", "pixels": 1200, "unit": "km/h", "step": "1h",
               "aggregate": "max", "before": "1Y"}
    ),
    ("GET", "/points"): Example(query={"project": id_of("project"), "format": "csv"}),
    ("GET", "/events"): Example(query={"type": ["series"], "limit": 10}),
    ("GET", "/events/stream"): Example(headers={"Accept": "text/event-stream"}),
    ("GET", "/jobs/{job_id}/stream"): Example(headers={"Accept": "text/event-stream"}),
    ("GET", "/rows/plot"): Example(query={"format": "png"}),
    ("GET", "/rows"): Example(query={"result_set": "Power curves", "where": ["id__gte=1"]}),
    ("GET", "/result-sets"): Example(query={"site": _PROJECT, "where": ["name__icontains=power"]}),
    ("POST", "/rows"): Example(
        {"rows": [{"result_set": "Power curves", "name": "R80711 2015", "columns": _VECTORS}]}, query={"dry_run": True}
    ),
    ("GET", "/files/{file_id}/content"): Example(query={"expires": "1781000000", "signature": "c2lnbmVk"}),
    ("GET", "/requests"): Example(query={"status": ["pending", "processing"], "limit": 10}),
    ("POST", "/requests"): Example(
        {"source": {"user": "ada", "type": "icloud.account", "identifier": "ada@example.org"},
         "payload": {"data_types": ["photos"]}}
    ),
    ("POST", "/requests/{request_id}/cancel"): Example(),
    ("GET", "/locks"): Example(query={"kind": "series"}),
    ("GET", "/runs"): Example(query={"project": _PROJECT, "status": "failed", "since": "2014-03-01T00:00:00Z"}),
    ("PATCH", "/me"): Example({"mail_notices": False}),
    ("POST", "/projects"): Example({"name": "Kelmarsh", "description": "Six turbines."}),
    ("POST", "/projects/plan"): Example({"file": _FILE}),
    ("POST", "/projects/apply"): Example({"file": _FILE}),
    ("PATCH", "/projects/{project_id}"): Example({"description": "Four turbines."}),
    ("POST", "/gates"): Example({"project": _PROJECT, "name": "logger", "quarantine": True, "after_import": "move"}),
    ("PATCH", "/gates/{gate_id}"): Example({"quota_files": 10_000}),
    ("PUT", "/gates/{gate_id}/files/{path}"): Example("time,wind\n2014-03-01T00:00Z,5.1\n", "application/octet-stream"),
    ("PUT", "/gates/{gate_id}/account/password"): Example({"password": "a long one"}),
    ("POST", "/gates/{gate_id}/quarantine/retry"): Example({"ids": []}),
    ("POST", "/gates/{gate_id}/quarantine/remove"): Example({"ids": []}),
    ("POST", "/feeders"): Example(
        {"project": _PROJECT, "gate": "spare", "from": "https://data.example.org/scada.csv", "schedule": "0 15 2 * * *",
         "zone": "Europe/Paris", "options": {"settle_seconds": 60}}
    ),
    ("PATCH", "/feeders/{feeder_id}"): Example({"active": False}),
    ("POST", "/feeders/{feeder_id}/runs"): Example(),
    ("POST", "/feeders/{feeder_id}/test"): Example(),
    ("POST", "/importers"): Example(
        {"project": _PROJECT, "name": "second", "gate": "scada", "parse": _PARSE, "schedule": "0 */10 * * * *",
         "clock": "Europe/Paris"}
    ),
    ("POST", "/importers/try"): Example(
        {"project": _PROJECT, "script": _PARSE,
         "files": [{"path": "a.csv", "content": "dCx4CjIwMTQtMDMtMDFUMDA6MDBaLDEK"}]}
    ),
    ("PATCH", "/importers/{importer_id}"): Example({"told_after": 3}, headers={"If-Match": "*"}),
    ("POST", "/importers/{generator_id}/runs"): Example({"again": False}),
    ("POST", "/importers/{generator_id}/clear"): Example(_LATE),
    ("POST", "/channels"): Example(
        {"project": _PROJECT, "importer": "scada", "raw": "P_avg", "name": "R80711 power", "unit": "kW", "kind": "mean",
         "step": "1h", "minimum": 0}
    ),
    ("POST", "/channels/try"): Example(
        {"project": _PROJECT, "importer": "scada", "raw": "wind", "unit": "m/s", "kind": "mean", "step": "1h",
         "clock": "UTC", "maximum": 40}
    ),
    ("PATCH", "/channels/{channel_id}"): Example({"maximum": 60}),
    ("POST", "/cleaners/{generator_id}/runs"): Example({}),
    ("POST", "/cleaners/{generator_id}/clear"): Example(_LATE),
    ("POST", "/analyses"): Example(
        {"project": _PROJECT, "name": "Daily mean", "inputs": ["R80711 clean"], "outputs": ["mean"], "script": _MEAN,
         "step": "1d", "clock": "Europe/Paris"}
    ),
    ("PATCH", "/analyses/{analysis_id}"): Example({"step": "6h"}),
    ("PUT", "/analyses/{analysis_id}/publishing"): Example({"format": "csv", "identifier": "daily"}),
    ("POST", "/analyses/{analysis_id}/try"): Example({"script": _MEAN}),
    ("POST", "/analyses/{generator_id}/runs"): Example(_LATE),
    ("POST", "/analyses/{generator_id}/clear"): Example({}),
    ("POST", "/series"): Example(
        {"project": _PROJECT, "name": "met mast wind", "unit": "m/s", "step": "10min", "labels": {"mast": "north"}}
    ),
    ("PATCH", "/series/{series_id}"): Example({"title": "Wind", "labels": {"turbine": "R80711"}}),
    ("POST", "/points"): Example(
        {id_of("series"): {"time": ["2014-03-02T00:00:00Z"], "value": [5.3], "tag": ["checked"]}}
    ),
    ("POST", "/exports"): Example({"series": [id_of("series")], "step": "1h", "layout": "frame", "clock": "UTC"}),
    ("DELETE", "/series/{series_id}/points"): Example(query={"from": "2014-03-02", "to": "2014-03-03"}),
    ("POST", "/projects/{project_id}/jobs/cancel"): Example({"kind": "importer.run"}),
    ("POST", "/runs/{run_id}/cancel"): Example(),
    ("POST", "/jobs/{job_id}/cancel"): Example(),
    ("PATCH", "/notifications/{notification_id}"): Example({"resolved": True}),
    ("POST", "/watches"): Example({"of": id_of("cleaner"), "series": "R80711 clean", "silent_for": "6h"}),
    ("PATCH", "/watches/{watch_id}"): Example({"silent_for": "2 days"}),
    ("POST", "/sites"): Example({"name": "Belwind", "extra": {"owner": "us"}}),
    ("PATCH", "/sites/{place_id}"): Example({"description": "On a hill."}),
    ("POST", "/locations"): Example({"site": _PROJECT, "name": "R80736", "northing": 48.45, "easting": 5.59}),
    ("PATCH", "/locations/{place_id}"): Example({"elevation": 411.0}),
    ("POST", "/model-definitions"): Example({"site": _PROJECT, "name": "as designed"}),
    ("PATCH", "/model-definitions/{place_id}"): Example({"description": "Measured."}),
    ("POST", "/sites/many"): Example({"items": [{"name": "Nobelwind"}, {"name": "Northwind", "active": False}]}),
    ("POST", "/locations/many"): Example({"items": [{"site": _PROJECT, "name": "R80790", "northing": 48.45}]}),
    ("POST", "/model-definitions/many"): Example({"items": [{"site": _PROJECT, "name": "as measured"}]}),
    ("POST", "/result-sets"): Example({"site": _PROJECT, "model": "as designed", "name": "Histograms"}),
    ("PATCH", "/result-sets/{set_id}"): Example({"source": "SCADA"}),
    ("POST", "/result-sets/{set_id}/rows"): Example(
        {"rows": [{"name": "R80711 2014", "location": "R80711", "columns": _VECTORS}]}
    ),
    ("POST", "/parts/{kind}"): Example({"name": "Steel", "slug": "steel"}),
    ("POST", "/parts/{kind}/many"): Example({"items": [{"name": "Grout"}, {"name": "Concrete"}]}),
    ("PATCH", "/parts/{kind}/{part_id}"): Example({"description": "S355"}),
    ("PUT", "/parts/{kind}/{part_id}/attachments/{field}"): Example(
        "S355: 355 MPa\n", "application/octet-stream", query={"name": "sheet.txt"}
    ),
    ("POST", "/result-sets/compare"): Example({"name": "*"}),
    ("POST", "/works"): Example([_WORK]),
    ("PUT", "/works"): Example([_WORK | {"id": "5f2e0c9d8b7a6f5e4d3c2b1a", "status": "running"}]),
    ("POST", "/works/withdraw"): Example({"query": {"pipeline": "power-curves"}, "limit": 1, "lease_seconds": 600}),
    ("POST", "/works/{work_id}/heartbeat"): Example({"attempt": 1, "lease_seconds": 600}),
    ("POST", "/works/view"): Example({"query": {"status": "queued"}, "limit": 10}),
    ("POST", "/works/count"): Example({"query": {"status": "queued"}}),
    ("POST", "/works/explain"): Example({"query": {"parameters.turbine": "R80711"}}),
    ("POST", "/works/retry"): Example({"query": {"pipeline": "power-curves"}}),
    ("POST", "/works/cancel"): Example({"query": {"pipeline": "power-curves"}}),
    ("POST", "/works/facets"): Example({"query": {"tags": "checked"}}),
    ("POST", "/works/failures"): Example({"query": {"pipeline": "power-curves"}}),
    ("POST", "/works/changes"): Example({"action": "retry", "query": {"pipeline": "power-curves"}}),
    ("POST", "/works/audit"): Example(),
    ("POST", "/works/delete"): Example({"ids": ["5f2e0c9d8b7a6f5e4d3c2b1b"]}),
    ("POST", "/archive"): Example([_WORK | {"status": "success", "results": {"curve": [1, 2]}}]),
    ("PUT", "/archive"): Example([_WORK | {"id": id_of("archived"), "status": "success", "tags": ["checked"]}]),
    ("POST", "/archive/view"): Example({"query": {"tags": "checked"}, "projection": {"id": 1}, "cursor": None}),
    ("POST", "/archive/count"): Example({"query": {"tags": "checked"}}),
    ("POST", "/archive/explain"): Example({"query": {"tags": "checked"}}),
    ("POST", "/archive/facets"): Example({"query": {"tags": "checked"}}),
    ("POST", "/archive/failures"): Example({"query": {}}),
    ("POST", "/archive/changes"): Example({"action": "unlock", "query": {"tags": "checked"}}),
    ("POST", "/archive/lock"): Example({"query": {"tags": "none"}}),
    ("POST", "/archive/unlock"): Example({"query": {"tags": "none"}}),
    ("POST", "/archive/delete"): Example({"pipeline": "power-curves", "ids": ["5f2e0c9d8b7a6f5e4d3c2b1b"]}),
    ("POST", "/files"): Example(_FORM, "multipart/form-data"),
    ("POST", "/uploads"): Example({"name": "week.csv", "identifier": "weekly", "size": 4}),
    ("PATCH", "/uploads/{upload_id}"): Example("1,2\n", "application/octet-stream", headers={"Upload-Offset": "0"}),
    ("POST", "/uploads/{upload_id}/publish"): Example(),
    ("POST", "/files/{file_id}/sign"): Example({"seconds": 3600}),
    ("POST", "/files/{file_id}/ack"): Example({}),
    ("POST", "/files/ack"): Example({"ids": [id_of("file")]}),
    ("POST", "/storages"): Example(
        {"url": "s3://results/lab", "credentials": {"access_key_id": "id", "secret_access_key": "secret"},
         "signed": True, "signed_for": 3600}
    ),
    ("PATCH", "/storages/{storage_id}"): Example({"signed_for": 600}),
    ("POST", "/storages/{storage_id}/test"): Example(query={"wait": 0}),
    ("POST", "/webhooks"): Example({"url": "https://example.org/hooks", "types": ["file.published"]}),
    ("PATCH", "/webhooks/{webhook_id}"): Example({"status": "deactivated"}),
    ("POST", "/webhooks/{webhook_id}/rotate"): Example({"overlap_hours": 48}),
    ("POST", "/webhooks/{webhook_id}/replay"): Example({"after": 0}),
    ("POST", "/webhooks/{webhook_id}/test"): Example(query={"wait": 0}),
    ("GET", "/audit"): Example(query={"kind": "key", "since": "2014-03-01T00:00:00Z"}),
    ("POST", "/locks"): Example(
        {"kind": "file", "id": id_of("other"), "until": "2999-01-01T00:00:00Z", "why": "In the report of 2014."}
    ),
    ("GET", "/calls/{call_id}/request"): Example(query={"fence": 1}),
    ("POST", "/calls/claim"): Example(query={"wait": 0, "worker": "node-7"}),
    ("POST", "/calls/{call_id}/renew"): Example(query={"fence": 1}),
    ("PUT", "/calls/{call_id}/answer"): Example(
        'ENT1T\0\0\0{"header": {"lost": "timeout", "overflowed": false, "whole": true}, "sizes": [0, 0]}',
        "application/octet-stream", query={"fence": 1},
    ),
    ("POST", "/keys"): Example({"name": "logger", "scopes": ["points:write"], "series": [id_of("series")]}),
    ("PATCH", "/keys/{key_id}"): Example({"name": "north mast"}),
    ("POST", "/keys/{key_id}/rotate"): Example(),
    ("PATCH", "/organizations/{organization_id}"): Example({"description": "Wind farms of the north."}),
    ("POST", "/members"): Example({"login": "grace", "role": "reader", "email": "grace@wind.example"}),
    ("PATCH", "/members/{user_id}"): Example({"role": "writer"}),
    **dict.fromkeys(
        (
            ("DELETE", "/locks/{lock_id}"),
            ("DELETE", "/keys/{key_id}"),
            ("DELETE", "/sessions/{session_id}"),
            ("DELETE", "/files/{file_id}"),
            ("DELETE", "/members/{user_id}"),
            ("DELETE", "/webhooks/{webhook_id}"),
            ("DELETE", "/storages/{storage_id}"),
            ("DELETE", "/uploads/{upload_id}"),
            ("DELETE", "/rows/{row_id}"),
            ("DELETE", "/result-sets/{set_id}"),
            ("DELETE", "/model-definitions/{place_id}"),
            ("DELETE", "/locations/{place_id}"),
            ("DELETE", "/sites/{place_id}"),
            ("DELETE", "/parts/{kind}/{part_id}/attachments/{field}"),
            ("DELETE", "/parts/{kind}/{part_id}"),
            ("DELETE", "/watches/{watch_id}"),
            ("DELETE", "/analyses/{analysis_id}/publishing"),
            ("DELETE", "/analyses/{analysis_id}"),
            ("DELETE", "/series/{series_id}"),
            ("DELETE", "/channels/{channel_id}"),
            ("DELETE", "/importers/{importer_id}"),
            ("DELETE", "/feeders/{feeder_id}"),
            ("DELETE", "/gates/{gate_id}"),
            ("DELETE", "/projects/{project_id}"),
        ),
        _NOTHING,
    ),
    ("POST", "/me/password"): Example({"password": "the old horse", "new": "correct horse battery"}),
}  # fmt: skip
