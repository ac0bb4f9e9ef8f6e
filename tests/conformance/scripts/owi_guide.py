"""The documentation's guide to uploading results, and every method of ResultsAPI, with either package's client."""

import contextlib
import importlib
import io
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

given = json.loads(Path(sys.argv[1]).read_text())
published = given["package"] == "published"
if published:
    ResultsAPI = importlib.import_module("owi.metadatabase.results").ResultsAPI
    models = importlib.import_module("owi.metadatabase.results.models")
    serializers = importlib.import_module("owi.metadatabase.results.serializers")
    errors = importlib.import_module("owi.metadatabase._utils.exceptions")
else:
    owi = importlib.import_module("entrepot.client.owi")
    ResultsAPI, models, serializers, errors = owi.ResultsAPI, owi, owi, owi
AnalysisDefinition = models.AnalysisDefinition
DjangoAnalysisSerializer = serializers.DjangoAnalysisSerializer
DjangoResultSerializer = serializers.DjangoResultSerializer

api = ResultsAPI(api_root=given["api_root"], **given["credentials"])
seen = {"ping": api.ping()}


def error(call):
    try:
        call()
    except Exception as caught:
        status = getattr(getattr(caught, "response", None), "status_code", None)
        return {"type": type(caught).__name__, "text": str(caught), "status": status}
    return None


# Create an Analysis
definition = AnalysisDefinition(
    name=given["name"],
    model_definition_id=12,
    location_id=None,
    source_type="notebook",
    source="scripts/data/results-example-data.xlsx",
    description="Lifetime design frequencies for Belwind.",
    timestamp=datetime(2026, 3, 31, 12, 0, 0),
    additional_data={"sheet_name": "Lifetime -  Design frequencies"},
)
payload = DjangoAnalysisSerializer().to_payload(definition)
created = api.create_analysis(payload)
analysis_id = int(created["id"])
seen["created"] = {
    "keys": sorted(created),
    "exists": created["exists"],
    "status": created["response"].status_code,
    "record": created["response"].json(),
}
seen["duplicate"] = error(lambda: api.create_analysis(payload))
found = api.get_analysis(
    name=given["name"], model_definition__id=12, timestamp=datetime(2026, 3, 31, 12, 0, 0), location__id=None
)
seen["found"] = [bool(found["exists"]), int(found["id"]) == analysis_id]
seen["by id"] = int(api.get_analysis(id=analysis_id)["id"]) == analysis_id
absent = api.get_analysis(name="absent")
seen["absent"] = [absent["exists"], absent["id"]]
listed = api.list_analyses(name=given["name"], model_definition__title="as-built Belwind", timestamp__gte="2025-01-01T00:00:00Z")
seen["listed"] = [bool(listed["exists"]), listed["data"]["id"].tolist() == [analysis_id]]

# A located one
located = api.create_analysis(
    DjangoAnalysisSerializer().to_payload(
        AnalysisDefinition(name=given["name"], model_definition_id=12, location_id=435, timestamp=datetime(2026, 3, 31, 12, tzinfo=timezone.utc))
    )
)
row = located["data"].iloc[0]
seen["located"] = [int(row["location"]), row["timestamp"]]

# Upload Result Rows
result_serializer = DjangoResultSerializer()
result_series = [
    models.ResultSeries(
        analysis_name=given["name"],
        analysis_kind="comparison",
        result_scope="location" if location else "site",
        short_description=f"{turbine} - {metric}",
        site_id=35,
        location_id=location,
        data_additional={"reference_labels": ["INFL", "ACTU", "FLEX"]},
        vectors=[
            models.ResultVector(name="reference_index", unit="index", values=[0, 1, 2]),
            models.ResultVector(name=metric, unit="Hz", values=[0.3406, 0.333 + index, 1 / 3]),
        ],
    )
    for index, (turbine, location) in enumerate([("BBA01", 435), ("BBA02", 436), ("BBA03", None)])
    for metric in ("FA1", "SS1")
]
payloads = [{**result_serializer.to_payload(series, analysis_id=analysis_id)} for series in result_series]
bars = io.StringIO()
with contextlib.redirect_stderr(bars):
    response = api.create_results_bulk(payloads)
seen["uploaded"] = {
    "keys": sorted(response),
    "exists": bool(response["exists"]),
    "bar": "Uploading result batch" in bars.getvalue(),
    "order": response["data"]["short_description"].tolist() == [p["short_description"] for p in payloads],
}
empty = api.create_results_bulk([])
seen["nothing"] = [empty["exists"], empty["response"], len(empty["data"])]
seen["columns"] = api.list_results(analysis=analysis_id)["data"].columns.tolist()

# Upload a Single Row
single = api.create_result({**payloads[0], "short_description": "single"})
single_id = int(single["id"])
raw = api.get_results_raw(id=single_id)
seen["single"] = [single["response"].status_code, int(raw["id"]) == single_id, raw["data"].iloc[0]["value_col2"]]
updated = api.update_result(single_id, {"description": "x"})
seen["updated"] = [updated["response"].status_code, updated["data"].iloc[0]["description"], updated["data"].iloc[0]["short_description"]]

# Skipping Rows Without Resolved Locations
upload_payloads = [p for p in payloads if p.get("location") is not None]
seen["with locations"] = len(upload_payloads)

# Create or Update Results in Bulk
changed = [{**p, "description": "again"} for p in payloads[:3]] + [{**payloads[0], "short_description": "BBA09 - FA1"}]
with contextlib.redirect_stderr(io.StringIO()):
    result = api.create_or_update_results_bulk(changed)
rows = {r["short_description"]: r for r in api.list_results(analysis=analysis_id)["data"].to_dict(orient="records")}
seen["summary"] = {
    "keys": sorted(result),
    "exists": bool(result["exists"]),
    "actions": [[s["analysis"] == analysis_id, s["short_description"], s["action"]] for s in result["summary"]],
    "ids": [s["result_id"] == rows[s["short_description"]]["id"] for s in result["summary"]],
    "count": len(rows),
    # pandas 3 says NaN for a missing text.
    "descriptions": [d if isinstance(d, str) else None for d in (rows[p["short_description"]]["description"] for p in changed)],
    "rows": len(result["data"]),
}

# Ambiguous matches
for _ in range(2):
    api.create_result({**payloads[0], "short_description": "twice"})
seen["ambiguous"] = error(lambda: api.create_or_update_results_bulk([{**payloads[0], "short_description": "twice"}]))
seen["missing key"] = [
    error(lambda: api.create_or_update_results_bulk([{"short_description": "x"}])),
    error(lambda: api.create_or_update_results_bulk([{"analysis": analysis_id}])),
]
nothing = api.create_or_update_results_bulk([])
seen["nothing to update"] = [nothing["summary"], nothing["exists"]]
seen["several"] = error(lambda: api.get_results_raw(short_description="twice"))
seen["bad row"] = error(lambda: api.create_results_bulk([payloads[0], {**payloads[1], "value_col2": [1.0]}]))
seen["unknown filter"] = error(lambda: api.list_results(nonsense=1))
seen["lists"] = {
    "in": sorted(api.list_results(location__id__in=[435, 436], analysis=analysis_id, site=None)["data"]["location"].unique().tolist()),
    "null": sorted(api.list_results(location__isnull=True, analysis__id=analysis_id)["data"]["short_description"]),
    "json": len(api.list_results(additional_data__result_scope="site", analysis=analysis_id)["data"]),
}

# What was sent comes back
series = [result_serializer.from_mapping(r) for r in api.list_results(analysis=analysis_id, short_description__startswith="BBA0")["data"].to_dict(orient="records")]
by_name = {s.short_description: s for s in series}
seen["round trip"] = [
    [v.values for v in by_name[s.short_description].vectors] == [v.values for v in s.vectors] for s in result_series
]

# Credentials
seen["unauthorized"] = error(lambda: ResultsAPI(api_root=given["api_root"], token="wrong").list_results())
seen["no credentials"] = error(lambda: ResultsAPI(api_root=given["api_root"]))
if published:
    seen["slash"] = len(ResultsAPI(api_root=given["api_root"] + "/", **given["credentials"]).list_analyses(id=analysis_id)["data"])
Path(sys.argv[2]).write_text(json.dumps(seen))
