"""What the published notebooks do, by `entrepot.client.owi` alone: look up, compute, upload, read back, draw."""

import json
import logging
import warnings
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from entrepot.client import owi
from entrepot.db import Database
from entrepot.identity import Role, User, keys, users
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a successor of httpx
    from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def options(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every client is made with: a server that has a wind farm with sensors."""
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "entrepot.db").write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite:///{folder / 'entrepot.db'}")
    with database.write() as session:
        own = users.create_organization(session, "own")
        user = User(login="ada", password_hash="")
        session.add(user)
        session.flush()
        users.set_member(session, user, own, Role.WRITER)
        token = keys.create_key(session, user.id, own.id)[1]
    app = create_app(Services(Settings(data_dir=folder), database))
    # One that carries keys would need the server's secret: these are the creations of a test.
    transport = TestClient(app, raise_server_exceptions=False)._transport
    options: dict[str, Any] = {"token": token, "transport": Plain(transport)}
    api = owi.ResultsAPI(api_root="http://testserver/owi/api/v1", **options)
    for path, records in (
        ("/locations/projectsites/", [{"id": 35, "title": "Belwind"}]),
        (
            "/locations/assetlocations/",
            [
                {"id": 435 + n, "title": f"BBA0{n + 1}", "projectsite": 35, "northing": 51.6, "easting": 2.8 + n / 10,
                 "elevation": -20.5 - n}
                for n in range(2)
            ],
        ),
        ("/geometry/routes/modeldefinitions/", [{"id": 4, "title": "as-designed Belwind", "project": 35}]),
        ("/geometry/userroutes/materials/", [{"id": 1, "title": "S355"}]),
        ("/geometry/userroutes/subassemblies/",
         [{"id": 7, "title": "TW", "subassembly_type": "TW", "asset": 435, "model_definition": 4}]),
        ("/geometry/userroutes/buildingblocks/", [{"title": "can", "sub_assembly": 7, "material": 1}]),
    ):  # fmt: skip
        api.send("POST", path, records)
    return options


class Plain(httpx.BaseTransport):
    """The server without the secret that keeps answers."""

    def __init__(self, inside: httpx.BaseTransport) -> None:
        self.inside = inside

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.headers.pop("idempotency-key", None)
        return self.inside.handle_request(request)


def upload(options: dict[str, Any], analysis: owi.BaseAnalysis, payload: Any) -> tuple[int, list[owi.ResultSeries]]:
    """Create an analysis and its rows, and return its id and the rows as they are read back."""
    api = owi.ResultsAPI(**options)
    stamp = datetime(2026, 3, 31, 12, 0, 0)
    sought = {"name": analysis.analysis_name, "model_definition__id": 4, "timestamp": stamp, "location__id": None}
    assert not api.get_analysis(**sought)["exists"]
    definition = owi.AnalysisDefinition(
        name=analysis.analysis_name, model_definition_id=4, timestamp=stamp, source_type="json", source="rows.json"
    )
    made = int(api.create_analysis(owi.DjangoAnalysisSerializer().to_payload(definition))["id"])
    assert int(api.get_analysis(**sought)["id"]) == made
    serializer = owi.DjangoResultSerializer()
    payloads = [serializer.to_payload(one, analysis_id=made) for one in analysis.to_results(payload)]
    for action in ("created", "updated"):
        summary = api.create_or_update_results_bulk(payloads)["summary"]
        assert {one["action"] for one in summary} == {action}
    frame = api.list_results(analysis=made)["data"]
    return made, [serializer.from_mapping(row) for row in frame.to_dict(orient="records")]


def service(options: dict[str, Any]) -> owi.ResultsService:
    return owi.ResultsService(repository=owi.ApiResultsRepository(api=owi.ResultsAPI(**options)))


def test_lookups(options: dict[str, Any]) -> None:
    locations, geometry = owi.LocationsAPI(**options), owi.GeometryAPI(**options)
    assert locations.get_projectsite_detail(projectsite="Belwind")["id"] == 35
    assert list(locations.get_assetlocations(projectsite="Belwind")["data"]["title"]) == ["BBA01", "BBA02"]
    assert list(locations.get_assetlocations(assetlocations=["BBA02", "x"])["data"]["id"]) == [436]
    assert locations.get_assetlocation_detail("BBA02", "Belwind")["id"] == 436
    assert not locations.get_projectsite_detail("Nowhere")["exists"]
    asked = {"projectsite": "Belwind", "model_definition": "as-designed Belwind"}
    assert geometry.get_modeldefinition_id(**asked)["id"] == 4
    assert geometry.get_modeldefinition_id(assetlocation="BBA01")["id"] == 4
    with pytest.raises(owi.InvalidParameterError, match="has 0 model definitions 'other'"):
        geometry.get_modeldefinition_id(projectsite="Belwind", model_definition="other")
    found = geometry.get_subassemblies(assetlocation="BBA01", subassembly_type="TW", **asked)["data"]
    assert list(found["id"]) == [7]
    assert list(geometry.get_buildingblocks(subassembly_id=7)["data"]["title"]) == ["can"]
    assert list(geometry.get_materials()["data"]["title"]) == ["S355"]


def test_frequencies(options: dict[str, Any]) -> None:
    analysis = owi.LifetimeDesignFrequencies()
    rows = [
        {"turbine": turbine, "reference": reference, "site_id": 35, "location_id": location, "FA1": fa1, "ss1": None}
        for turbine, location, shift in (("BBA01", 435, 0.0), ("BBA02", 436, 0.01))
        for reference, fa1 in (("INFL", 0.34 + shift), ("ACTU", 0.33 + shift), ("FLEX", float("nan")))
    ]
    made, series = upload(options, analysis, {"rows": rows})
    assert [one.short_description for one in series] == ["BBA01 - FA1", "BBA02 - FA1"]
    frame = analysis.from_results(series)
    assert list(frame["y"]) == [0.34, 0.33, 0.35000000000000003, 0.34]
    pd.testing.assert_frame_equal(analysis.compute({"rows": rows}), frame)
    asked = service(options)
    found = asked.get_results(analysis.analysis_name, {"analysis_id": made, "location_id": 436})
    assert list(found["turbine"]) == ["BBA02", "BBA02"]
    for kind in (None, "comparison", "location", "geo", "map"):
        plot = asked.plot_results(analysis.analysis_name, filters={"analysis_id": made}, plot_type=kind)
        assert "<iframe" in plot.notebook._repr_html_()
        assert "BBA01" in plot.json_options
    location = asked.plot_results(analysis.analysis_name, plot_type="location").chart.traces
    assert (location[0].name, list(location[0].x)) == ("FA1 · INFL", ["BBA01", "BBA02"])
    with pytest.raises(owi.InvalidParameterError, match="has no plot 'pie'; it has comparison"):
        asked.plot_results(analysis.analysis_name, plot_type="pie")
    with pytest.raises(owi.InvalidParameterError, match="no filter 'nonsense'"):
        asked.get_results(analysis.analysis_name, {"nonsense": 1})
    with pytest.raises(owi.InvalidParameterError, match="no analysis 'x'"):
        asked.plot_results("x")


def test_verification(options: dict[str, Any]) -> None:
    analysis = owi.LifetimeDesignVerification()
    rows = [
        {"timestamp": datetime(2024, 1, day, tzinfo=UTC), "turbine": turbine, "site_id": 35, "location_id": location,
         "FA1": 0.35 + day / 100, "SS1": None}
        for turbine, location in (("BBA01", 435), ("BBA02", 436))
        for day in (2, 1)
    ]  # fmt: skip
    made, series = upload(options, analysis, {"rows": rows})
    assert series[0].vectors[0].values == [1704067200.0, 1704153600.0]
    frame = analysis.from_results(series)
    assert list(frame["x"])[:2] == ["2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00"]
    asked = service(options)
    for kind in ("time_series", "comparison", "water_depth_trend"):
        assert asked.plot_results(analysis.analysis_name, {"analysis_id": made}, plot_type=kind).html
    depths = asked.plot_results(analysis.analysis_name, plot_type="water_depth_trend").chart.traces[0]
    assert list(depths.x) == [20.5, 21.5]
    window = {"timestamp_from": datetime(2025, 1, 1, tzinfo=UTC)}
    assert asked.get_results(analysis.analysis_name, window).empty
    assert len(asked.get_results(analysis.analysis_name, {"turbine": "BBA02"})) == 2
    with pytest.raises(ValueError, match=r"Row 0, timestamp: .* has no zone"):
        analysis.to_results({"rows": [{"timestamp": "2024-01-01", "turbine": "a", "FA1": 1}]})
    with pytest.raises(ValueError, match="Bounds of time need a zone"):
        owi.ResultQuery(timestamp_from=datetime(2024, 1, 1))


def test_the_fleet(options: dict[str, Any]) -> None:
    """Depends on what the two tests above uploaded, or makes nothing of it: both sources are drawn, or named."""
    asked = service(options)
    names = ("LifetimeDesignFrequencies", "LifetimeDesignVerification")
    if any(asked.get_results(name).empty for name in names):
        pytest.skip("run with the tests above")
    plot = asked.plot_results(plot_type="cross_analysis_fleetwide", filters={"site_id": 35})
    assert {trace.name for trace in plot.chart.traces} == {"FA1 · INFL", "FA1 · ACTU", "FA1 · verification"}
    with pytest.raises(owi.InvalidParameterError, match="no source 'x'"):
        asked.plot_results(plot_type="cross_analysis_fleetwide", source_filters={"x": {}})


def test_histogram(options: dict[str, Any]) -> None:
    analysis = owi.WindSpeedHistogram()
    one = {"title": "WTG1", "scope_label": "farm", "bins": [(0, 1), (1, 2)], "values": [3, 5], "site_id": 35}
    made, series = upload(
        options, analysis, {"series": [one | {"metadata": {"height": 90}, "description": float("nan")}]}
    )
    assert series[0].data_additional["height"] == 90
    frame = analysis.from_results(series)
    assert frame.to_dict(orient="list") == {
        "series_name": ["WTG1"] * 2, "scope": ["farm"] * 2, "bin_left": [0.0, 1.0], "bin_right": [1.0, 2.0],
        "value": [3.0, 5.0],
    }  # fmt: skip
    assert service(options).plot_results(analysis.analysis_name, {"analysis_id": made}, plot_type="histogram").html
    with pytest.raises(ValueError, match="2 bins and 1 values"):
        analysis.to_results({"series": [one | {"values": [1]}]})


def test_corrosion(options: dict[str, Any], tmp_path: Path) -> None:
    item = {"date": "2024-01-02", "time": "03:04:05", "sensor_identifier": "S1", "temperatura": 8.5, "bateria": 3.6}
    item |= {"Tof": [12.0, 13.0], "Amplitude": 100, "MeasGain": 20}
    file, env = tmp_path / "measured.json", tmp_path / ".env"
    file.write_text(json.dumps([item, item | {"time": "03:04:04"}])[:-1] + ",]")
    env.write_text('# keys\nOTHER=x\nOWI_METADATABASE_API_TOKEN="abc"\n')
    assert owi.load_token_from_env_file(env) == "abc"
    assert owi.load_token_from_env_file(tmp_path / "none") is None
    shm = owi.ShmAPI(**options)
    kind = shm.create_sensor_type({"name": "CB", "unit": None, "file": None}, files={"file": ("cb.png", b"PNG")})
    assert kind["data"].iloc[0]["file"].endswith(f"/shm/routes/sensortype/{kind['id']}/file")
    sheet = {"file": ("sheet.pdf", BytesIO(b"PDF"))}
    calibrated = shm.create_sensor_calibration({"sensor_id": 3, "calibration_date": "2024-03-01"}, files=sheet)
    assert [calibrated["data"].iloc[0][name] for name in ("sensor_id", "value")] == [3, None]
    sensor = int(shm.create_sensor({"serial_number": "S1-07"})["id"])
    shm.create_signal_history({"signal_id": 1, "legacy_signal_id": "S1", "status": "ok"})
    assert list(shm.list_signal_history()["data"]["legacy_signal_id"]) == ["S1"]
    assert list(shm.list_sensors(serial_number__startswith="S1-")["data"]["id"]) == [sensor]
    related = {"type": "shm.sensor", "id": sensor}
    rows = [
        one.model_copy(update={"site_id": 35, "location_id": 435, "related_object": related})
        for one in owi.load_ceit_measurements(file)
    ]
    analysis = owi.CorrosionMonitoring()
    _, series = upload(options, analysis, owi.CorrosionMonitoringInput(rows=rows))
    assert len(series) == len(owi.CEIT_METRICS)
    assert series[0].related_object == owi.RelatedObject(**related)  # type: ignore[arg-type]
    frame = analysis.from_results(series)
    keys_ = ["metric", "timestamp"]
    measured = owi.ceit_frame_from_measurements(rows)
    pd.testing.assert_frame_equal(
        frame.sort_values(keys_, ignore_index=True), measured.sort_values(keys_, ignore_index=True)
    )
    assert "S1 - tof" in owi.plot_ceit_analyses(frame).json_options
    with pytest.raises(ValueError, match="lacks 'Tof'"):
        owi.CorrosionMonitoringRow.model_validate({name: value for name, value in item.items() if name != "Tof"})


def test_no_request_writes_a_line_into_the_log(options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "httpx")
    owi.LocationsAPI(**options).get_projectsites()
    assert not caplog.records
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as others:
        others.get("http://example.org")
    assert [record.name for record in caplog.records] == ["httpx"]
