"""Points as they are asked for: in steps and units, with what is kept and known beside them; series by their labels."""

from typing import Any

import pyarrow as pa
import pytest

from tests.support.interface import Api


def series(api: Api, name: str = "wind", **fields: Any) -> str:
    made: str = api.ask("POST", "/series", 201, json={"project": "Farm", "name": name, **fields})["id"]
    return made


@pytest.fixture
def wind(api: Api) -> str:
    api.ask("POST", "/projects", 201, json={"name": "Farm"})
    id_ = series(api, unit="m/s", step="10min", labels={"turbine": "R80711", "height": "80m"})
    stamps = [f"2024-03-01T00:{minute:02d}Z" for minute in (0, 10, 30)] + ["2024-03-01T01:30Z"]
    sent = {"time": stamps, "value": [1.0, 2.0, 3.0, 10.0], "tag": [None, "checked", None, "é"]}
    api.ask("POST", "/points", json={id_: sent})
    return id_


def test_values_come_in_another_unit_or_are_refused(api: Api, wind: str) -> None:
    path = f"/series/{wind}/points"
    told = api.ask("GET", f"{path}?unit=km/h")
    assert (told["value"], told["unit"]) == (pytest.approx([3.6, 7.2, 10.8, 36.0]), "km/h")
    assert api.ask("GET", f"{path}?unit=m/s")["value"] == [1.0, 2.0, 3.0, 10.0]
    hourly = api.ask("GET", f"{path}?unit=km/h&step=1h&aggregate=max")
    assert hourly["value"] == pytest.approx([10.8, 36.0])
    for query in ("unit=kW", "unit=nothing", "unit=m**9**9**9", "unit=km/h&step=1h&aggregate=count"):
        assert list(api.ask("GET", f"{path}?{query}", 422)["fields"]) == ["unit"], query
    bare = series(api, "bare")
    assert list(api.ask("GET", f"/series/{bare}/points?unit=m", 422)["fields"]) == ["unit"]
    answer = api.client.get("/api/v1/points", params={"series": [wind, bare], "unit": "m/s"})
    assert answer.status_code == 422, "one of them has none"


@pytest.mark.parametrize("form", ["json", "arrow", "csv", "parquet"])
def test_tags_and_completeness_are_told(api: Api, wind: str, form: str) -> None:
    path = f"/api/v1/series/{wind}/points"
    tags = [None, "checked", None, "é"]
    tagged = api.client.get(path, params={"columns": "tag", "format": form})
    complete = api.client.get(path, params={"columns": "completeness", "step": "1h", "format": form})
    assert (tagged.status_code, complete.status_code) == (200, 200), tagged.text
    if form == "json":
        assert tagged.json()["tag"] == tags
        assert complete.json()["completeness"] == [50.0, pytest.approx(100 / 6)]
    elif form == "arrow":
        assert pa.ipc.open_stream(tagged.content).read_all()["tag"].to_pylist() == tags
        shares = pa.ipc.open_stream(complete.content).read_all()["completeness"].to_pylist()
        assert shares == [50.0, pytest.approx(100 / 6)]
    elif form == "csv":
        assert [line.rpartition(",")[2] for line in tagged.text.split()] == ["tag", "", "checked", "", "é"]
        assert complete.text.startswith("time,value,completeness\n")
    many = api.client.get("/api/v1/points", params={"series": wind, "columns": "tag", "format": "arrow"})
    assert pa.ipc.open_stream(many.content).read_all()["tag"].to_pylist() == tags


def test_a_step_without_a_native_one_has_no_completeness(api: Api, wind: str) -> None:
    bare = series(api, "bare")
    api.ask("POST", "/points", json={bare: {"time": ["2024-03-01T00:00Z"], "value": [1]}})
    assert api.ask("GET", f"/series/{bare}/points?step=1h&columns=completeness")["completeness"] == [None]


def test_a_weighted_mean_counts_values_as_long_as_they_stood(api: Api, wind: str) -> None:
    path = f"/series/{wind}/points?step=1h&aggregate"
    # 1 for 10 minutes, 2 for 20, 3 for 30; then 3 for another half hour, 10 for the rest.
    assert api.ask("GET", f"{path}=weighted_mean")["value"] == pytest.approx([(10 + 40 + 90) / 60, (90 + 300) / 60])
    assert api.ask("GET", f"{path}=mean")["value"] == [2.0, 10.0]


def test_tags_are_written_by_tables_too(api: Api, wind: str) -> None:
    table = f"series,time,value,tag\n{wind},2024-04-01T00:00Z,1,late\n{wind},2024-04-01T00:10Z,2,\n"
    answer = api.client.post("/api/v1/points", content=table, headers={"content-type": "text/csv"})
    assert answer.status_code == 200, answer.text
    told = api.ask("GET", f"/series/{wind}/points?from=2024-04-01&columns=tag")
    assert (told["value"], told["tag"]) == ([1.0, 2.0], ["late", None])


def test_series_are_found_by_labels_words_and_patterns(api: Api, wind: str) -> None:
    other = series(api, "wind of 80", labels={"turbine": "R80736"})

    def found(**query: Any) -> list[str]:
        return [one["id"] for one in api.client.get("/api/v1/series", params=query).json()["items"]]

    assert found(label="turbine:R80711") == [wind]
    assert found(label="turbine") == [wind, other]
    assert found(label=["turbine:R80711", "height:80m"]) == [wind]
    assert found(label=["turbine:R80736", "height"]) == []
    assert found(name="*of*") == [other]
    assert found(name="WIND*") == [wind, other]
    assert found(name="wind%") == found(name="w_nd*") == []
    assert found(q="80 wind") == [other]
    changed = api.ask("PATCH", f"/series/{wind}", json={"title": "Wind", "labels": {"mast": "north"}})
    assert (changed["labels"], changed["title"]) == ({"mast": "north"}, "Wind")
    assert api.ask("PATCH", f"/series/{wind}", json={"title": "x"})["labels"] == {"mast": "north"}
    for wrong in ({"": "x"}, {"a b": "x"}, {"a": ""}, {"a": 1}, {"a:b": "x"}):
        answer = api.ask("PATCH", f"/series/{wind}", 422, json={"labels": wrong})
        assert all(name.startswith("labels") for name in answer["fields"]), wrong


def test_rows_come_in_other_units(api: Api, wind: str) -> None:
    api.ask("POST", "/sites", 201, json={"name": "Belwind"})
    api.ask("POST", "/model-definitions", 201, json={"site": "Belwind", "name": "as-built"})
    kept = api.ask("POST", "/result-sets", 201, json={"site": "Belwind", "model": "as-built", "name": "Curves"})
    vectors = [{"name": "wind", "unit": "m/s", "values": [1, None]}, {"name": "power", "unit": "kW", "values": [2, 3]}]
    (row,) = api.ask("POST", f"/result-sets/{kept['id']}/rows", json={"rows": [{"name": "a", "columns": vectors}]})
    wind_, power = api.ask("GET", f"/rows/{row['id']}?unit=km/h&unit=W")["columns"]
    assert (wind_["unit"], wind_["values"], power["values"]) == ("km/h", [pytest.approx(3.6), None], [2000.0, 3000.0])
    assert list(api.ask("GET", "/rows?unit=kelvin", 422)["fields"]) == ["unit"]


def test_problems_tell_every_field_at_once_and_which_request(api: Api, wind: str) -> None:
    answer = api.client.post(
        "/api/v1/importers", json={"name": "", "order": "size", "rereads": -1}, headers={"x-request-id": "abc"}
    )
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, told["status"], told["title"]) == (422, 422, "Four fields are wrong")
    assert set(told["fields"]) == {"name", "order", "rereads", "project"}
    assert told["instance"] == "urn:entrepot:request:abc"
    nothing = api.ask("GET", "/series/nothing", 404)
    assert (nothing["type"], nothing["detail"]) == ("/docs#problem-not-found", "Series not found.")
    page = api.client.get("/docs").text
    for told in (nothing, answer.json()):
        assert f'id="{told["type"].partition("#")[2]}"' in page


def test_numbers_beyond_64_bits_are_kept_as_what_json_makes_of_them(api: Api) -> None:
    given = '{"name": "Belwind", "extra": {"n": 123456789012345678901234567890}}'
    answer = api.client.post("/api/v1/sites", content=given, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["extra"]) == (201, {"n": 1.2345678901234568e29})
    for wrong in ('{"name": NaN}', '{"name"', '{"extra": {"n": 1e999}}'):
        answer = api.client.post("/api/v1/sites", content=wrong, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["title"]) == (422, "One field is wrong"), wrong
