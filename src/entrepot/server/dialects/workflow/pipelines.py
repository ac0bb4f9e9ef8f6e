"""The Pipelines, Configs and Schedules backends, of which Entrepot has none: empty, and no deployment is taken."""

from typing import Any

from entrepot.errors import InvalidInput
from entrepot.server.dialects.workflow import wire
from entrepot.server.endpoint import Call, Endpoint

_BASE = "/pipelines/v2"


def _none(_call: Call) -> list[Any]:
    return []


def _no_counts(_call: Call) -> dict[str, int]:
    return {}


def _refuse(_call: Call) -> None:
    raise InvalidInput(
        "Entrepot runs no pipelines, configs or schedules: deposit their works into its buckets, or keep in the"
        " workspace the server that runs them."
    )


ENDPOINTS = [
    *wire.version_endpoints(_BASE),
    *(Endpoint("GET", f"{_BASE}{path}", _none, "works", "read") for path in ("/configs", "/schedule")),
    *(
        Endpoint("GET", f"{_BASE}{path}", _no_counts, "works", "read")
        for path in ("/configs/count", "/schedule/count", "/status")
    ),
    *(
        Endpoint(method, f"{_BASE}{path}", _refuse, "works", "write", write=False)
        for method, path in (
            ("POST", "/configs"),
            ("DELETE", "/configs"),
            ("PUT", "/configs/cancel"),
            ("POST", "/configs/retry"),
            ("POST", "/configs/migrate"),
            ("POST", "/schedule"),
            ("DELETE", "/schedule"),
        )
    ),
]
