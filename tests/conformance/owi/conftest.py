"""The published owi-metadatabase-results, in its own environment, beside a live server that has a wind farm."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.runner import run_script
from tests.support.server import ServerProcess

RunScript = Callable[..., Any]

PLACES: list[tuple[str, list[dict[str, Any]]]] = [
    ("locations/projectsites/", [{"id": 35, "title": "Belwind"}, {"id": 31, "title": "Nobelwind"}]),
    (
        "locations/assetlocations/",
        [
            {"id": 435, "title": "BBA01", "projectsite": 35, "northing": 51.67, "easting": 2.8, "elevation": -20.5},
            {"id": 436, "title": "BBA02", "projectsite": 35, "northing": 51.68, "easting": 2.81, "elevation": -22.0},
        ],
    ),
    (
        "geometry/routes/modeldefinitions/",
        [
            {"id": 12, "title": "as-built Belwind", "project": 35},
            {"id": 4, "title": "as-designed Belwind", "project": 35},
        ],
    ),
]


@pytest.fixture(scope="module")
def owi_root(shared_server: ServerProcess) -> str:
    """Address of the door, after a wind farm was made behind it."""
    root = f"{shared_server.url}/owi/api/v1"
    with shared_server.http() as http:
        for path, records in PLACES:
            for record in records:
                http.post(f"{root}/{path}", json=record).raise_for_status()
    return root


@pytest.fixture(params=["token", "basic"])
def credentials(request: pytest.FixtureRequest, shared_server: ServerProcess) -> dict[str, str]:
    """What the clients are given to prove who they are."""
    if request.param == "token":
        return {"token": shared_server.token}
    return {"uname": shared_server.login, "password": shared_server.password}


@pytest.fixture
def owi(owi_root: str, credentials: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> RunScript:
    """Run a script by name with the published client."""

    def run(script: str, /, **arguments: Any) -> Any:
        folder = tmp_path_factory.mktemp(script)
        return run_script("owi", script, folder, {"api_root": owi_root, "credentials": credentials} | arguments)

    return run
