"""Sites, locations and model definitions."""

from collections.abc import Callable
from functools import partial
from typing import Any

from entrepot.rows import places
from entrepot.rows.places import LOCATION, MODEL_DEFINITION, SITE, Place, Stored
from entrepot.server.dialects.owi import names, render
from entrepot.server.dialects.owi.listing import listed
from entrepot.server.endpoint import Call, Endpoint, Json

Record = dict[str, Any]
_NAMES = {"site": names.SITE, "location": names.LOCATION, "model definition": names.MODEL_DEFINITION}


def _record(call: Call, place: Place, stored: Stored) -> Record:
    if place is SITE:
        return render.site(stored)
    if place is MODEL_DEFINITION:
        return render.model_definition(stored)
    return render.location(stored, places.site_names(call.session, call.principal)[stored["site_id"]])


def _sites(call: Call) -> Any:
    return listed(call, SITE.entity, names.SITE, partial(map, render.site), ["id"], {"projectsite": "title"})


def _locations(call: Call) -> Any:
    names_of_sites = places.site_names(call.session, call.principal)
    return listed(
        call,
        LOCATION.entity,
        names.LOCATION,
        partial(map, lambda stored: render.location(stored, names_of_sites[stored["site_id"]])),
        ["name", "id"],
        {"projectsite": "projectsite__title", "site": "projectsite__title", "assetlocation": "title"},
        # The client repeats its own argument here while it asks for one location at a time.
        frozenset({"assetlocations"}),
    )


def _model_definitions(call: Call) -> Any:
    return listed(
        call,
        MODEL_DEFINITION.entity,
        names.MODEL_DEFINITION,
        partial(map, render.model_definition),
        ["id"],
        {"site": "project__title", "projectsite": "project__title"},
    )


def _create(call: Call, place: Place) -> Any:
    """Create one of an object, or all of an array."""

    def make(payload: Any) -> Stored:
        return places.create(call.session, call.principal, place, _NAMES[place.name].received(payload))

    if isinstance(call.json, list):
        return [_record(call, place, make(payload)) for payload in call.json]
    return _record(call, place, make(call.json))


def _get(call: Call, place: Place) -> Record:
    return _record(call, place, places.get(call.session, call.principal, place, int(call.path["id"])))


def _patch(call: Call, place: Place) -> Record:
    payload = _NAMES[place.name].received(call.json)
    stored = places.patch(call.session, call.principal, place, int(call.path["id"]), payload)
    return _record(call, place, stored)


def _remove(call: Call, place: Place) -> Json:
    places.remove(call.session, call.principal, place, int(call.path["id"]))
    return Json({})


def _endpoints(path: str, place: Place, list_: Callable[[Call], Any]) -> list[Endpoint]:
    detail, spoken = f"{path}/{{id:int}}", _NAMES[place.name].spoken
    return [
        Endpoint("GET", path, list_, "rows", "read"),
        Endpoint("POST", path, spoken(partial(_create, place=place)), "rows", "write", status=201, body="large"),
        Endpoint("GET", detail, partial(_get, place=place), "rows", "read"),
        Endpoint("PATCH", detail, spoken(partial(_patch, place=place)), "rows", "write", body="large"),
        Endpoint("DELETE", detail, partial(_remove, place=place), "rows", "admin"),
    ]


ENDPOINTS = (
    *_endpoints("/locations/projectsites", SITE, _sites),
    *_endpoints("/locations/assetlocations", LOCATION, _locations),
    *_endpoints("/geometry/routes/modeldefinitions", MODEL_DEFINITION, _model_definitions),
)
