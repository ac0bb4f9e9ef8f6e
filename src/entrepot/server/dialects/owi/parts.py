"""Geometry and SHM: parts of structures, what measures them, and the files that are attached to these."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entrepot.bounds.text import read_json
from entrepot.errors import InvalidInput
from entrepot.rows import attachments, checks, parts, structures
from entrepot.rows.parts import BUILDING_BLOCK, PARTS, Part, Stored
from entrepot.server import forms
from entrepot.server.api.attachments import content
from entrepot.server.dialects.owi import render
from entrepot.server.dialects.owi.listing import listed
from entrepot.server.dialects.owi.names import PART_NAMES, Names
from entrepot.server.endpoint import Call, Endpoint, Json
from entrepot.server.forms import Form
from entrepot.server.names import reached_at

Record = dict[str, Any]
_GEOMETRY, _SHM = "/geometry/userroutes", "/shm/routes"
#: Where each kind of parts is.
PATHS = {
    "materials": f"{_GEOMETRY}/materials",
    "subassemblies": f"{_GEOMETRY}/subassemblies",
    "building-blocks": f"{_GEOMETRY}/buildingblocks",
    "sensor-types": f"{_SHM}/sensortype",
    "sensors": f"{_SHM}/sensor",
    "sensor-calibrations": f"{_SHM}/sensorcalibration",
    "signals": f"{_SHM}/signal",
    "signal-history": f"{_SHM}/signalhistory",
    "signal-calibrations": f"{_SHM}/signalcalibration",
    "derived-signals": f"{_SHM}/derivedsignal",
    "derived-signal-history": f"{_SHM}/derivedsignalhistory",
    "derived-signal-calibrations": f"{_SHM}/derivedsignalcalibration",
}


def _list(call: Call, part: Part) -> Any:
    return listed(call, part.entity, _names(part), partial(_shown, call, part), ["id"])


def _create(call: Call, part: Part) -> Any:
    """Create one of an object or of a form, or all of an array."""
    payload, received = _sent(call, part), _names(part).received
    if isinstance(payload, list):
        made = parts.create_many(call.session, call.principal, part, [*map(received, payload)])
        return _shown(call, part, made)
    return _with_files(call, part, parts.create(call.session, call.principal, part, received(payload)))


def _get(call: Call, part: Part) -> Record:
    return _with_files(call, part, parts.get(call.session, call.principal, part, int(call.path["id"])))


def _patch(call: Call, part: Part) -> Record:
    payload = _names(part).received(_sent(call, part))
    return _with_files(call, part, parts.patch(call.session, call.principal, part, int(call.path["id"]), payload))


def _remove(call: Call, part: Part) -> Json:
    parts.remove(call.session, call.principal, part, int(call.path["id"]))
    return Json({})


def _download(call: Call, part: Part) -> Response:
    id_, field = int(call.path["id"]), call.path["field"]
    return content(call, attachments.get(call.session, call.principal, part, id_, field))


def _with_files(call: Call, part: Part, stored: Stored) -> Record:
    """Attach the files that came with a record, and return it."""
    form: Form | None = call.content
    most = call.services.settings.attachment_max_bytes
    for field, (name, brought) in (form.files if form else {}).items():
        if field in {*_names(part).sent, "visibility", "visibility_groups"} and field != attachments.FILE:
            raise InvalidInput.field(field, "This field takes no file.")
        attachments.put(call.session, call.principal, part, stored["id"], field, name, brought, most)
    return _shown(call, part, [stored])[0]


def _shown(call: Call, part: Part, stored: Sequence[Mapping[str, Any]]) -> list[Record]:
    """Return records with what is around them, and the addresses of their files under the names of their fields."""
    ids = [one["id"] for one in stored]
    attached = attachments.of(call.session, call.principal, part, ids)
    around = structures.around(call.session, call.principal, ids) if part is BUILDING_BLOCK else {}
    path = _path(part)
    url = call.request.url
    root = f"{reached_at(call.services.settings, url)}{url.path.partition(path)[0].rstrip('/')}{path}"
    records = []
    for one in stored:
        id_ = one["id"]
        files = {file.field: f"{root}/{id_}/{file.field}" for file in attached.get(id_, ())}
        more = render.around(around[id_]) if id_ in around else {}
        records.append(render.part(part, _names(part), one, files) | more)
    return records


def _form(request: Request, body: bytes) -> Form | None:
    return forms.read(request, body) if forms.is_form(request) else None


def _sent(call: Call, part: Part) -> Any:
    """Return the fields of a record, sent as JSON or as a form."""
    if call.content is None:
        return call.json
    return {name: _value(part, name, texts) for name, texts in call.content.fields.items()}


def _value(part: Part, name: str, texts: Sequence[str]) -> Any:
    """Return what texts of a form mean: those of a field that takes any value are JSON where they can be read so."""
    words = _names(part).sent
    column = part.spec.get(words.get(name, ""))
    if column is not None and column.convert is checks.anything:
        values = [_read(text) for text in texts]
        return values if len(values) > 1 else values[0]
    if len(texts) > 1 and name in {*words, "visibility"}:
        raise InvalidInput.field(name, "It is given more than once.")
    is_text = column is not None and (column.convert is checks.text or column.required)
    return texts[0] if texts[0] or is_text else None


def _read(text: str) -> Any:
    python = {"True": True, "False": False, "None": None, "": None}
    if text in python:
        return python[text]
    try:
        return read_json(text.encode())
    except ValueError:
        return text


def _path(part: Part) -> str:
    return PATHS[_kind(part)]


def _names(part: Part) -> Names:
    return PART_NAMES[_kind(part)]


def _kind(part: Part) -> str:
    return next(kind for kind, one in PARTS.items() if one is part)


def _endpoints(part: Part) -> list[Endpoint]:
    path = _path(part)
    detail, spoken = f"{path}/{{id:int}}", _names(part).spoken
    create, patch = spoken(partial(_create, part=part)), spoken(partial(_patch, part=part))
    return [
        Endpoint("GET", path, partial(_list, part=part), "rows", "read"),
        Endpoint("POST", path, create, "rows", "write", status=201, parse=_form, body="large"),
        Endpoint("GET", detail, partial(_get, part=part), "rows", "read"),
        Endpoint("PATCH", detail, patch, "rows", "write", parse=_form, body="large"),
        Endpoint("DELETE", detail, partial(_remove, part=part), "rows", "admin"),
        Endpoint("GET", f"{detail}/{{field}}", partial(_download, part=part), "rows", "read"),
    ]


ENDPOINTS = tuple(endpoint for part in PARTS.values() for endpoint in _endpoints(part))
