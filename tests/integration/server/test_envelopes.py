"""The envelope of a series over the interface."""

import pytest

from tests.support.interface import Api


@pytest.fixture
def wind(api: Api) -> str:
    api.ask("POST", "/projects", 201, json={"name": "Farm"})
    made = api.ask("POST", "/series", 201, json={"project": "Farm", "name": "wind", "unit": "m/s", "step": "10min"})
    stamps = [f"2024-03-01T{at // 6:02d}:{at % 6}0Z" for at in range(60)]
    api.ask("POST", "/points", json={made["id"]: {"time": stamps, "value": [float(at % 7) for at in range(60)]}})
    return f"/series/{made['id']}/envelope"


def test_pixels_hold_the_extremes_and_few_points_are_themselves(api: Api, wind: str) -> None:
    told = api.ask("GET", f"{wind}?pixels=2")
    assert (told["count"], told["exact"], told["min"], told["max"]) == (60, False, [0.0, 0.0], [6.0, 6.0])
    assert (told["name"], told["unit"], told["step"]) == ("wind", "m/s", 600_000_000)
    assert told["time"][0] == told["from"]
    converted = api.ask("GET", f"{wind}?pixels=2&unit=km/h")
    assert (converted["unit"], converted["max"]) == ("km/h", pytest.approx([21.6, 21.6]))
    assert "unit" in api.ask("GET", f"{wind}?step=1h&aggregate=count&unit=km/h", 422)["fields"]
    near = api.ask("GET", f"{wind}?from=2024-03-01T01:00Z&to=2024-03-01T02:00Z&pixels=100")
    assert (near["exact"], near["min"], near["max"]) == (True, [6.0, 0.0, 1.0, 2.0, 3.0, 4.0], near["min"])
    assert api.ask("GET", f"{wind}?from=2025-01-01&to=2025-01-02")["time"] == []


def test_steps_and_an_earlier_period_lie_over_the_window(api: Api, wind: str) -> None:
    hours = api.ask("GET", f"{wind}?step=1h&aggregate=max&from=2024-03-01T00:30Z&to=2024-03-01T03:30Z")
    assert (hours["count"], hours["max"], hours["step"]) == (3, [6.0, 6.0, 6.0], 3_600_000_000)
    asked = "from=2024-03-01T05:00Z&to=2024-03-01T06:00Z"
    now, hour_ago = (api.ask("GET", f"{wind}?{asked}{more}") for more in ("", "&before=period"))
    assert (now["offset"], hour_ago["offset"]) == (0, 3_600_000_000)
    assert (hour_ago["time"], hour_ago["max"]) == (now["time"], [3.0, 4.0, 5.0, 6.0, 0.0, 1.0])
    assert api.ask("GET", f"{wind}?{asked}&before=1Y")["count"] == 0


@pytest.mark.pairs
@pytest.mark.parametrize(
    ("query", "field"),
    [("pixels=0", "pixels"), ("pixels=10001", "pixels"), ("pixels=x", "pixels"), ("from=x", "from"),
     ("from=2024-03-02&to=2024-03-01", "to"), ("pixel=5", "pixel"), ("unit=kW", "unit"),
     ("step=x", "step"), ("aggregate=x", "aggregate"), ("clock=x", "clock"), ("before=x", "before")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(api: Api, wind: str, query: str, field: str) -> None:
    assert list(api.ask("GET", f"{wind}?{query}", 422)["fields"]) == [field]


def test_a_series_without_points_has_an_envelope(api: Api, wind: str) -> None:
    made = api.ask("POST", "/series", 201, json={"project": "Farm", "name": "calm"})
    assert api.ask("GET", f"/series/{made['id']}/envelope")["count"] == 0
    assert "unit" in api.ask("GET", f"/series/{made['id']}/envelope?unit=m/s", 422)["fields"]
    api.ask("GET", "/series/none/envelope", 404)
