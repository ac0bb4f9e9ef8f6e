"""The services of the published client: results and plots of the four analyses, places, geometry."""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import owi.metadatabase.results as owi
import requests
from owi.metadatabase.geometry.io import GeometryAPI
from owi.metadatabase.locations.io import LocationsAPI
from owi.metadatabase.results.analyses.ceit import CorrosionMonitoring
from owi.metadatabase.results.models import AnalysisDefinition
from owi.metadatabase.results.serializers import DjangoAnalysisSerializer, DjangoResultSerializer
from owi.metadatabase.results.services import ResultsService
from owi.metadatabase.results.services.core import ApiResultsRepository

given = json.loads(Path(sys.argv[1]).read_text())
options = {"api_root": given["api_root"], **given["credentials"]}
api = owi.ResultsAPI(**options)
service = ResultsService(ApiResultsRepository(api))
locations = LocationsAPI(**options)
geometry = GeometryAPI(**options)
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
turbines = {"BBA01": 435, "BBA02": 436}
seen = {}

# Places
site = locations.get_projectsite_detail(projectsite="Belwind")
assets = locations.get_assetlocations(projectsite="Belwind")
chosen = locations.get_assetlocations(assetlocations=["BBA01", "BBA02"])
detail = locations.get_assetlocation_detail("BBA01", projectsite="Belwind")
seen["places"] = {
    "site": int(site["id"]),
    "sites": sorted(locations.get_projectsites()["data"]["title"]),
    "assets": dict(zip(assets["data"]["title"], assets["data"]["id"].astype(int).tolist())),
    "chosen": chosen["data"]["title"].tolist(),
    "detail": [int(detail["id"]), detail["data"].iloc[0]["projectsite_name"]],
    "plotted": len(locations.plot_assetlocations(return_fig=True).data),
    "definition": int(geometry.get_modeldefinition_id(projectsite="Belwind", model_definition="as-built Belwind")["id"]),
    "definition of location": int(geometry.get_modeldefinition_id(assetlocation="BBA01", model_definition="as-built Belwind")["id"]),
    "subassemblies": geometry.get_subassemblies(projectsite="Belwind", assetlocation="BBA01", subassembly_type="TW", model_definition="as-built Belwind")["exists"],
}

FREQUENCIES = {
    "rows": [
        {"turbine": turbine, "reference": reference, "FA1": 0.34 + index / 100, "SS1": 0.33, "location_id": location, "site_id": 35}
        for turbine, location in turbines.items()
        for index, reference in enumerate(["INFL", "ACTU", "FLEX"])
    ]
}
VERIFICATION = {
    "rows": [
        {"timestamp": (START + timedelta(hours=hour)).isoformat(), "turbine": turbine, "FA1": 0.35 + hour / 1000, "SS1": 0.34, "location_id": location, "site_id": 35}
        for turbine, location in turbines.items()
        for hour in range(6)
    ]
}
HISTOGRAM = {
    "series": [
        {"title": "WTG1 - Y1", "scope_label": "Belwind", "bins": [[0, 1], [1, 2], [2, 3]], "values": [5, 7, 2], "site_id": 35},
        {"title": "WTG2 - Y1", "scope_label": "BBA01", "bins": [[0, 1], [1, 2]], "values": [1, 2], "site_id": 35, "location_id": 435},
    ]
}
CORROSION = {
    "rows": [
        {"date": "2026-01-01", "time": f"0{hour}:00:00", "sensor_identifier": "S1", "temperatura": 8.5 + hour, "bateria": 3.6, "Tof": [12.5], "Amplitude": 4, "MeasGain": 2, "site_id": 35, "location_id": 435, "related_object": {"type": "shm.sensor", "id": 92}}
        for hour in range(3)
    ]
}


def upload(analysis, inputs, **additional):
    definition = AnalysisDefinition(
        name=analysis.analysis_name, model_definition_id=12, timestamp=datetime.fromisoformat(given["timestamp"]),
        source="https://example.org/results.xlsx", source_type="notebook", additional_data=additional,
    )
    id_ = int(api.create_analysis(DjangoAnalysisSerializer().to_payload(definition))["id"])
    rows = [DjangoResultSerializer().to_payload(series, analysis_id=id_) for series in analysis.to_results(inputs)]
    api.create_results_bulk(rows)
    return id_


def compare(analysis, inputs, id_):
    """Compare what the analysis computes with what comes back from the server, as sets of records."""
    expected, actual = analysis.compute(inputs), service.get_results(analysis.analysis_name, {"analysis_id": id_})
    shared = [column for column in expected.columns if column in actual.columns and column != "x" and column != "analysis_name"]
    as_records = lambda frame: sorted(json.dumps(one, sort_keys=True, default=str) for one in frame[shared].to_dict(orient="records"))
    return {"same": as_records(expected) == as_records(actual), "rows": len(actual), "columns": shared}


def plots(name, id_, *types, **source_filters):
    made = {}
    for plot_type in types:
        response = service.plot_results(name, {"analysis_id": id_}, plot_type=plot_type, **source_filters)
        made[str(plot_type)] = [len(response.html) > 1000, len(response.json_options) > 100]
    return made


frequencies = upload(owi.LifetimeDesignFrequencies(), FREQUENCIES, permissable_frequency=[0.3, 0.4])
verification = upload(owi.LifetimeDesignVerification(), VERIFICATION)
histogram = upload(owi.WindSpeedHistogram(), HISTOGRAM)
corrosion = upload(CorrosionMonitoring(), CORROSION)
seen["frequencies"] = compare(owi.LifetimeDesignFrequencies(), FREQUENCIES, frequencies)
seen["verification"] = compare(owi.LifetimeDesignVerification(), VERIFICATION, verification)
seen["histogram"] = compare(owi.WindSpeedHistogram(), HISTOGRAM, histogram)
seen["corrosion"] = compare(CorrosionMonitoring(), CORROSION, corrosion)
seen["related"] = api.list_results(analysis=corrosion)["data"].iloc[0]["related_object"]
seen["plots"] = {
    **plots("LifetimeDesignFrequencies", frequencies, "comparison", "location", "geo", "map"),
    **{f"verification {k}": v for k, v in plots("LifetimeDesignVerification", verification, "time_series", "comparison", "water_depth_trend").items()},
    **plots("WindSpeedHistogram", histogram, "histogram"),
    **{f"corrosion {k}": v for k, v in plots("CeitCorrosionMonitoring", corrosion, "time_series").items()},
}
both = {"frequency": {"analysis_id": frequencies}, "verification": {"analysis_id": verification}}
for plot_type in ("cross_analysis_fleetwide", "cross_analysis_asset", "cross_analysis_fleetwide_delta_histogram"):
    filters = {"location_id": 435} if plot_type == "cross_analysis_asset" else None
    response = service.plot_results(filters=filters, plot_type=plot_type, source_filters=both)
    seen["plots"][plot_type] = [len(response.html) > 1000, len(response.json_options) > 100]

# Filters
narrow = lambda **filters: len(service.get_result_series("LifetimeDesignVerification", {"backend_filters": {"analysis": verification}, **filters}))
seen["filters"] = {
    "all": narrow(),
    "location": narrow(location_id=435),
    "site": narrow(site_id=35),
    "turbine": narrow(turbine="BBA02"),
    "short description": narrow(short_description="BBA01 - FA1"),
    "from": narrow(timestamp_from=START + timedelta(hours=5)),
    "past the end": narrow(timestamp_from=START + timedelta(hours=6)),
    "to": narrow(timestamp_to=START - timedelta(seconds=1)),
    "between": narrow(timestamp_from=START + timedelta(minutes=61), timestamp_to=START + timedelta(minutes=119)),
}
# Gaps in vectors, and parts of structures, which no method of this client makes
def post(path, payload):
    answer = requests.post(given["api_root"] + path, json=payload, headers=api.header, auth=api.auth)
    answer.raise_for_status()
    return answer.json()


gaps = {
    "analysis": histogram, "site": 35, "short_description": "gaps", "name_col1": "depth", "units_col1": "m",
    "value_col1": [0, 5, 10], "name_col2": "strain", "units_col2": "1", "value_col2": [None, 2.5, None],
}
made = post("/results/routes/result/", gaps)
(series,) = service.get_result_series("any", {"analysis_id": histogram, "short_description": "gaps"})
updated = api.create_or_update_results_bulk([{**gaps, "value_col2": [1.0, 2.5, 3.5]}])
seen["gaps"] = {
    "made": made["value_col2"],
    "read": [None if value != value else value for value in series.vectors[1].values],
    "described": api.update_result(made["id"], {"description": "x"})["response"].status_code,
    "updated": updated["summary"][0]["action"],
}
steel = post("/geometry/userroutes/materials/", {"title": "S355", "density": 7850, "poisson_ratio": 0.3, "young_modulus": 210})
tower = {"title": "TW", "subassembly_type": "TW", "asset": 436, "x_position": 0, "y_position": 0, "z_position": 1000}
tower = post("/geometry/userroutes/subassemblies/", {**tower, "vertical_position_reference_system": "LAT"})
for z in (0, 2500):
    block = {"title": f"can {z}", "sub_assembly": tower["id"], "material": steel["id"], "z_position": z, "height": 2500}
    block |= {"bottom_outer_diameter": 4000, "top_outer_diameter": 4000, "wall_thickness": 40, "x_position": 0, "y_position": 0}
    post("/geometry/userroutes/buildingblocks/", {**block, "alpha": 0, "beta": 0, "gamma": 0})
towers = geometry.get_subassembly_objects("BBA02")["TW"]
towers = towers if isinstance(towers, list) else [towers]
(built,) = [one for one in towers if one.id == tower["id"]]
seen["structure"] = {
    "blocks": sorted(block.title for block in built.building_blocks),
    "material": built.building_blocks[0].material.title,
    "bottom": float(built.absolute_bottom),
    "listed": len(geometry.get_buildingblocks(subassembly_id=tower["id"])["data"]),
}
Path(sys.argv[2]).write_text(json.dumps(seen))
