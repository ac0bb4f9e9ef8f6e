"""Series that clients push to are cleaned and analysed like those that are parsed; points of ranges can be deleted."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from entrepot.identity import Role, keys, users
from entrepot.server.run.app import create_app
from entrepot.server.services import Services

from .conftest import World, hours

SUM = """
def analyze(df, **tools):
    return df[["p"]].rename(columns={"p": "total"})
"""


class Door:
    """The native interface, on the world's database."""

    def __init__(self, client: TestClient, tokens: dict[str, str]) -> None:
        self.client, self.tokens = client, tokens

    def ask(self, method: str, path: str, status: int = 200, login: str = "writer", **options: Any) -> Any:
        headers = {"authorization": f"Token {self.tokens[login]}"}
        answer = self.client.request(method, f"/api/v1{path}", headers=headers, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def door(world: World) -> Iterator[Door]:
    tokens = {}
    with world.database.write() as session:
        own, other = users.find_organization(session, "Openergy"), users.create_organization(session, "elsewhere")
        for login, organization, role in (
            ("writer", own, Role.WRITER),
            ("reader", own, Role.READER),
            ("stranger", other, Role.ADMIN),
        ):
            user, _ = users.create_user(session, login)
            users.set_member(session, user, organization, role)
            _, tokens[login] = keys.create_key(session, user.id, organization.id)
    client = TestClient(create_app(Services(world.settings, world.database)), raise_server_exceptions=False)
    yield Door(client, tokens)
    client.close()


def push(door: Door, series_id: str, first: str, values: list[float]) -> None:
    times = [f"{at.isoformat()}Z" for at in hours(first, len(values)).index]
    door.ask("POST", "/points", json={series_id: {"time": times, "value": values}})


def test_what_is_pushed_is_cleaned_and_analysed(world: World, door: Door) -> None:
    made = door.ask("POST", "/series", 201, json={"project": world.project, "name": "kW", "importer": "meters"})
    assert (made["of"]["kind"], made["pushed"]) == ("importer", True)
    (cleaner,) = door.ask("GET", "/cleaners", params={"project": world.project, "name": "meters"})["items"]
    fields = {"importer": made["of"]["id"], "raw": "kW", "name": "kW by day", "step": "1 D", "kind": "amount",
              "day_begins": "06:00", "clock": "Europe/Amsterdam"}  # fmt: skip
    channel = door.ask("POST", "/channels", 201, json=fields)
    config = {"input_step": "1H", "step": "1H", "clock": "utc", "timezone": "UTC"}
    analysis = world.analysis("all", {"p": (made["of"]["id"], "kW")}, ["total"], script=SUM, **config)
    # In UTC; the clock of the cleaner shifts nothing. Days go from 5 to 5 in winter.
    push(door, made["id"], "2024-03-01 00:00", [1.0] * 72)
    world.work()
    days = world.series(cleaner["id"])["kW by day"]
    assert [f"{day:%d %H:%M}" for day in days.index] == ["01 05:00", "02 05:00"]
    assert days.tolist() == [24.0, 24.0]
    # Late and corrected points are followed.
    push(door, made["id"], "2024-03-02 10:00", [5.0])
    world.work()
    assert world.series(cleaner["id"])["kW by day"].tolist() == [24.0, 28.0]
    assert world.act(analysis).status == "finished"
    assert world.series(analysis)["total"]["2024-03-02 09:00":"2024-03-02 11:00"].tolist() == [1.0, 5.0, 1.0]
    changed = door.ask("PATCH", f"/channels/{channel['id']}", json={"completeness": 100.0, "day_begins": None})
    assert (changed["completeness"], changed["day_begins"]) == (100.0, None)
    world.work()
    assert [f"{day:%d %H:%M}" for day in world.series(cleaner["id"])["kW by day"].index] == [
        "01 23:00",
        "02 23:00",
    ]
    (listed,) = door.ask("GET", "/channels", params={"importer": made["of"]["id"]})["items"]
    assert listed == changed
    # It is no series of a gate's importer, which nobody else writes, and its importer reads no gate.
    refused = {"project": world.project, "name": "kW", "importer": "scada"}
    assert list(door.ask("POST", "/series", 422, json=refused)["fields"]) == ["importer"]
    door.ask("DELETE", f"/series/{made['id']}", 204)
    world.work()
    assert world.series(cleaner["id"])["kW by day"].empty


@pytest.mark.pairs
@pytest.mark.parametrize(
    "bad", [{"day_begins": "24:00"}, {"day_begins": "6"}, {"completeness": 0}, {"completeness": 101}]
)
def test_settings_that_cannot_be_are_refused_by_name(world: World, door: Door, bad: dict[str, Any]) -> None:
    fields = {"importer": world.importer, "raw": "x", "name": "y", **bad}
    answer = door.ask("POST", "/channels", 422, json=fields)
    assert list(answer["fields"]) == list(bad)


def test_points_of_a_range_are_deleted_and_what_lies_downstream_follows(world: World, door: Door) -> None:
    world.channel("p", name="p", raw_kind="mean", kind="mean", clock="utc")
    world.put("a.csv", hours("2024-03-01", 48, p=1.0))
    world.act(world.importer)
    assert len(world.series(world.cleaner)["p"]) == 46
    (raw,) = door.ask("GET", "/series", params={"project": world.project, "of": world.importer})["items"]
    path, window = f"/series/{raw['id']}/points", {"from": "2024-03-01T10:00", "to": "2024-03-01T12:00"}
    door.ask("DELETE", path, 404, login="stranger", params=window)
    door.ask("DELETE", path, 403, login="reader", params=window)
    assert list(door.ask("DELETE", path, 422)["fields"]) == ["from"]
    assert list(door.ask("DELETE", path, 422, params={"from": "2024-03-02", "to": "2024-03-01"})["fields"]) == ["to"]
    assert door.ask("DELETE", path, params=window) == {"deleted": 2}
    world.work()
    assert pd.DatetimeIndex(world.series(world.importer)["p"].index).hour[:12].tolist() == [*range(10), 12, 13]
    assert len(world.series(world.cleaner)["p"]) == 44
    assert door.ask("DELETE", path, params=window) == {"deleted": 0}
    assert door.ask("DELETE", path, params={"from": "2024-03-02"}) == {"deleted": 24}
    world.work()
    assert str(world.series(world.cleaner)["p"].index[-1]) == "2024-03-01 22:00:00"
