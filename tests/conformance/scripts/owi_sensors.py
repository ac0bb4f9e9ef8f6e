"""The steps of the two notebooks of owi-metadatabase-shm, and each method of its clients, against the server itself."""

import json
import sys
from pathlib import Path

import requests
from owi.metadatabase.geometry.io import GeometryAPI
from owi.metadatabase.locations.io import LocationsAPI
from owi.metadatabase.shm import (
    DEFAULT_SERIALIZERS,
    ApiShmRepository,
    SensorService,
    ShmAPI,
    ShmEntityName,
    ShmEntityService,
    ShmQuery,
    ShmSensorUploader,
    ShmSignalUploader,
    SignalService,
    default_registry,
)

given = json.loads(Path(sys.argv[1]).read_text())
options = {"api_root": given["api_root"], **given["credentials"]}
name = given["name"]
api = ShmAPI(**options)
locations, geometry = LocationsAPI(**options), GeometryAPI(**options)
seen = {"ping": api.ping()}


def post(path, payload):
    answer = requests.post(given["api_root"] + path, json=payload, headers=api.header, auth=api.auth)
    answer.raise_for_status()
    return answer.json()["id"]


site = post("/locations/projectsites/", {"title": name})
asset = post("/locations/assetlocations/", {"title": f"{name} 1", "projectsite": site})
model = post("/geometry/routes/modeldefinitions/", {"title": "as-built", "project": site})
for kind in ("TP", "TW", "MP"):
    post("/geometry/userroutes/subassemblies/", {"title": kind, "subassembly_type": kind, "asset": asset, "model_definition": model})

# 1.0.upload-sensors
Path("img").mkdir()
Path("img/393B04.png").write_bytes(b"\x89PNG picture")
Path("sheet.pdf").write_bytes(b"%PDF sheet")
uploader = ShmSensorUploader(shm_api=api)
kinds = [
    {"name": f"393B04 {name}", "type": "ACC", "type_extended": "accelerometer", "hardware_supplier": "PCB", "file": "393B04.png"},
    {"name": f"CLY41 {name}", "type": "SG", "type_extended": "strain gauge", "hardware_supplier": "HBM"},
]
types = uploader.upload_sensor_types(kinds, permission_group_ids=[1, 2], path_to_images="img")
turbine = f"{name} 1"
data = {turbine: {"accelerometers": {"serial_numbers": [f"{name}-1", f"{name}-2"], "cabinets": [1, None]}, "strain_gages": None}}
sensors = uploader.upload_sensors("accelerometers", {"name": kinds[0]["name"]}, data, permission_group_ids=[1, 2])
signal = f"BE_{name}_TP_SG_LAT02_DEG270_Y"
lookup = {turbine: {signal: {"serial_number": f"{name}-1", "sensor_type_id": {"name": kinds[0]["name"]}}}}
sheets = {turbine: {signal: {"date": "01/03/2024", "filename": "sheet.pdf"}}}
calibrations = uploader.upload_sensor_calibrations(lookup, sheets, path_to_datasheets=".")
entity_service = ShmEntityService(repository=ApiShmRepository(api=api), registry=default_registry)
service = SensorService(entity_service=entity_service)
sensor_id = int(sensors[0]["id"])
kind = service.get_sensor_type(ShmQuery(entity=ShmEntityName.SENSOR_TYPE, backend_filters={"name": kinds[0]["name"]}))
picture, sheet = types[0]["data"].iloc[0]["file"], calibrations[0]["data"].iloc[0]["file"]
seen["sensors"] = {
    "made": [len(types), len(sensors), len(calibrations)],
    "typed": [len(service.list_sensors({"sensor_type_id": kind.id})), kind.name == kinds[0]["name"], kind.hardware_supplier],
    "cabinets": [one.cabinet for one in service.list_sensors({"sensor_type_id": kind.id})],
    "sensor": service.get_sensor({"serial_number": f"{name}-2"}).serial_number == f"{name}-2",
    "calibration": service.get_sensor_calibration({"sensor_serial_number": sensor_id}).file == sheet,
    "dated": str(service.list_sensor_calibrations({"sensor_serial_number": sensor_id})[0].calibration_date),
    "files": [requests.get(url, headers=api.header, auth=api.auth).content.decode("latin-1") for url in (picture, sheet)],
    "refused": [requests.get(url).status_code for url in (picture, sheet)],
    "none": types[1]["data"].iloc[0]["file"],
}

# 2.0.upload-signals
Path("sensors.json").write_text(json.dumps(lookup))
signals = {
    signal: {
        "heading": "N",
        "level": 2,
        "orientation": "Y",
        "stats": {"max": 1},
        "custom_factor": 1.5,
        "status": [{"time": "24/03/2024 08:00:00", "status": "ok", "name": "old"}, {"time": "25/03/2024", "status": "broken"}],
        "offset": [{"time": "24/03/2024 08:15:00", "offset": 1.25, "TCSensor": "TC", "Coefficients": [1.0, 2.0], "t_ref": 21.5}],
        "cwl": [{"time": "24/03/2024 08:30:00", "cwl": 13.4}],
    },
    f"BE_{name}_TP_TEMP_LAT02": {"heading": "N", "level": 2, "stats": None},
}
derived = f"BE_{name}_TP_YAW_LAT01_DEG000_Y"
deriveds = {
    derived: {
        "heading": "N",
        "level": 1,
        "data": {"window": "10m"},
        "parent_signals": [signal],
        "calibration": [{"time": "24/03/2024 07:45:00", "yaw_parameter": "offset", "yaw_offset": 4.5}],
    }
}


class Processor:
    """What reads signals' configurations: theirs reads the files of a farm that is not published."""

    signals_data = {turbine: signals}
    signals_derived_data = {turbine: deriveds}

    def signals_process_data(self):
        """Nothing is left to read."""


Path("compensations.json").write_text(json.dumps({turbine: [f"BE_{name}_TP_TEMP_LAT02"]}))
results = ShmSignalUploader.from_clients(api, locations, geometry).upload_from_processor_files(
    projectsite=name,
    processor=Processor(),
    path_signal_sensor_map="sensors.json",
    path_sensor_tc_map="compensations.json",
    permission_group_ids=[1, 2],
)
service = SignalService(entity_service=entity_service)
signal_id = results[turbine].signal_ids_by_name[signal]
derived_id = results[turbine].derived_signal_ids_by_name[derived]
found = service.get_signal({"signal_id": signal})
history = service.list_signal_history({"signal_id": signal_id})
of_derived = service.list_derived_signal_history({"derived_signal_id": derived_id})
seen["signals"] = {
    "signal": [found.id == signal_id, found.site == site, found.asset_location == asset, found.model_definition == model],
    "more": [found.level, found.stats, found.data_additional],
    "history": sorted([str(one.activity_start_timestamp), one.status, one.is_latest_status, one.legacy_signal_id] for one in history),
    "sensor": {one.sensor_serial_number for one in history} == {sensor_id},
    "calibrations": sorted(str(one.data) for one in service.list_signal_calibrations({"signal_id": signal_id})),
    "derived": [service.get_derived_signal({"derived_signal_id": derived}).data_additional, [one.parent_signals == [signal_id] for one in of_derived]],
    "derived calibrations": [one.data for one in service.list_derived_signal_calibrations({"derived_signal_id": derived_id})],
    "of asset": len(service.list_signals({"asset_location": asset})),
}

# Each method once
lists = [
    "sensor_types", "sensors", "sensor_calibrations", "signals", "signal_history", "signal_calibrations",
    "derived_signals", "derived_signal_history", "derived_signal_calibrations",
]
gets = [
    "sensor_type", "sensor", "sensor_calibration", "signal_history", "signal_calibration", "derived_signal",
    "derived_signal_history", "derived_signal_calibration",
]
first = {one: int(getattr(api, f"list_{one}")()["data"]["id"].iloc[0]) for one in lists}
seen["lists"] = [bool(getattr(api, f"list_{one}")()["exists"]) for one in lists]
plurals = {one: next(many for many in lists if many.rstrip("s") == one) for one in gets}
seen["gets"] = [int(getattr(api, f"get_{one}")(id=first[plurals[one]])["id"]) == first[plurals[one]] for one in gets]
seen["typed by serializers"] = [
    type(serializer.from_mapping(ApiShmRepository(api=api).list_records(entity).iloc[0].to_dict())).__name__ == serializer.record_model.__name__
    for entity, serializer in DEFAULT_SERIALIZERS.items()
]
patched = api.patch_derived_signal_history(int(of_derived[0].id), {"parent_signals": [signal_id, signal_id]})
seen["patched"] = patched["data"].iloc[0]["parent_signals"] == [signal_id] * 2
photo = api.create_sensor_type({"name": f"more {name}"}, files={"photo": open("img/393B04.png", "rb")})
seen["other names"] = requests.get(photo["data"].iloc[0]["photo"], headers=api.header, auth=api.auth).status_code
Path(sys.argv[2]).write_text(json.dumps(seen))
