"""Geometry and SHM: parts of structures, and what measures them."""

from functools import partial
from typing import Any

from entrepot.rows import parts
from entrepot.rows.parts import PARTS, Part, Stored
from entrepot.server.dialects.owi import render
from entrepot.server.dialects.owi.listing import listed
from entrepot.server.endpoint import Call, Endpoint, Json

Record = dict[str, Any]
_GEOMETRY = ("subassemblies", "buildingblocks", "materials")


def _list(call: Call, part: Part) -> Any:
    return listed(call, part.entity, partial(render.part, part), ["id"])


def _create(call: Call, part: Part) -> Any:
    """Create one of an object, or all of an array."""

    def make(payload: Any) -> Record:
        return render.part(part, parts.create(call.session, call.principal, part, payload))

    return [make(payload) for payload in call.json] if isinstance(call.json, list) else make(call.json)


def _get(call: Call, part: Part) -> Record:
    return render.part(part, parts.get(call.session, call.principal, part, int(call.path["id"])))


def _patch(call: Call, part: Part) -> Record:
    stored: Stored = parts.patch(call.session, call.principal, part, int(call.path["id"]), call.json)
    return render.part(part, stored)


def _remove(call: Call, part: Part) -> Json:
    parts.remove(call.session, call.principal, part, int(call.path["id"]))
    return Json({})


def _endpoints(path: str, part: Part) -> list[Endpoint]:
    detail = f"{path}/{{id:int}}"
    return [
        Endpoint("GET", path, partial(_list, part=part), "rows", "read"),
        Endpoint("POST", path, partial(_create, part=part), "rows", "write", status=201, body="large"),
        Endpoint("GET", detail, partial(_get, part=part), "rows", "read"),
        Endpoint("PATCH", detail, partial(_patch, part=part), "rows", "write", body="large"),
        Endpoint("DELETE", detail, partial(_remove, part=part), "rows", "admin"),
    ]


ENDPOINTS = tuple(
    endpoint
    for name, part in PARTS.items()
    for endpoint in _endpoints(f"/geometry/userroutes/{name}" if name in _GEOMETRY else f"/shm/routes/{name}", part)
)
