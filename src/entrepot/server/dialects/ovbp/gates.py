"""Gates and what feeds them."""

from functools import partial

from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.gates import configuration as gates
from entrepot.pipeline.models import Feeder, Gate
from entrepot.server.dialects.ovbp import parse, render, specs
from entrepot.server.dialects.ovbp.ftp import gate_accounts
from entrepot.server.dialects.ovbp.render import Record
from entrepot.server.dialects.ovbp.table import Action, Resource, found, one
from entrepot.server.endpoint import Call, Json

_SPECS = {feeders.SCRIPT: specs.GENERIC_FEEDER, feeders.ADDRESS: specs.WEBSERVICE_FEEDER}


def _gate(call: Call, gate: Gate) -> Record:
    return render.gate(gate, gate_accounts(call, [gate]).get(gate.id))


def _gates(call: Call) -> list[Record]:
    records = found(call, Gate, "feeder", name="name", project_id="project")
    accounts = gate_accounts(call, records)
    return [render.gate(gate, accounts.get(gate.id)) for gate in records]


def _retrieve_gate(call: Call) -> Record:
    gate = one(call, Gate)
    return render.gate(gate, gate_accounts(call, [gate]).get(gate.id), call.principal)


def _create_gate(call: Call) -> Record:
    fields = parse.created(call.fields, specs.GATE)
    project_id = fields.pop("project")
    return _gate(call, gates.create_gate(call.session, call.principal, call.services.vault, project_id, **fields))


def _update_gate(call: Call) -> Record:
    fields = parse.changed(call.fields, specs.GATE)
    return _gate(call, gates.update_gate(call.session, call.principal, call.path["id"], fields))


def _feeders(call: Call) -> list[Record]:
    records = found(call, Feeder, "gate", gate_id="gate", project_id="project")
    return [render.base_feeder(feeder) for feeder in records]


def _create_feeder(call: Call) -> Record:
    fields = parse.created(call.fields, specs.BASE_FEEDER)
    return render.base_feeder(feeders.create_feeder(call.session, call.principal, fields))


def _update_feeder(call: Call, spec: parse.Spec = specs.BASE_FEEDER) -> Record:
    fields = parse.changed(call.fields, spec)
    return render.base_feeder(feeders.update_feeder(call.session, call.principal, call.path["id"], fields))


def _activate_feeder(call: Call) -> Json:
    value = parse.created(call.fields, specs.ACTIVE)["value"]
    feeders.update_feeder(call.session, call.principal, call.path["id"], {"active": value})
    return Json({"active": value})


def _feed(call: Call) -> Record:
    feeder = one(call, Feeder, "write")
    return render.task(feeders.start(call.session, feeder, call.principal.user_id))


def _children(call: Call, kind: str) -> list[Record]:
    only = {"source_kind": kind}
    return [
        render.feeder_child(feeder)
        for feeder in found(call, Feeder, "gate", equal=only, id="base_feeder", gate_id="gate")
    ]


def _child(call: Call, kind: str) -> Record:
    feeder = feeders.get_source(call.session, call.principal, kind, call.path["id"])
    return render.feeder_child(feeder, call.principal)


def _create_child(call: Call, kind: str) -> Record:
    fields = parse.created(call.fields, _SPECS[kind])
    feeder_id = fields.pop("base_feeder")
    services = call.services
    feeder = feeders.set_source(
        call.session, call.principal, services.vault, services.settings, feeder_id, kind, fields
    )
    return render.feeder_child(feeder)


def _update_child(call: Call, kind: str) -> Record:
    fields = parse.changed(call.fields, _SPECS[kind])
    services = call.services
    feeder = feeders.change_source(
        call.session, call.principal, services.vault, services.settings, kind, call.path["id"], fields
    )
    return render.feeder_child(feeder)


def _child_resource(path: str, kind: str) -> Resource:
    return Resource(
        path,
        partial(_children, kind=kind),
        partial(_child, kind=kind),
        create=partial(_create_child, kind=kind),
        update=partial(_update_child, kind=kind),
        delete=lambda call: feeders.remove_source(call.session, call.principal, kind, call.path["id"]),
        spec=_SPECS[kind],
    )


RESOURCES = (
    Resource(
        "odata/gates",
        _gates,
        _retrieve_gate,
        create=_create_gate,
        update=_update_gate,
        delete=lambda call: gates.delete_gate(call.session, call.principal, call.path["id"]),
        spec=specs.GATE,
    ),
    Resource(
        "odata/base_feeders",
        _feeders,
        lambda call: render.base_feeder(one(call, Feeder), call.principal),
        create=_create_feeder,
        update=_update_feeder,
        delete=lambda call: feeders.delete_feeder(call.session, call.principal, call.path["id"]),
        actions=(
            Action("active", ("PATCH", "PUT", "POST"), _activate_feeder),
            Action("feed", ("POST",), _feed, status=201),
        ),
        spec=specs.BASE_FEEDER,
    ),
    _child_resource("odata/generic_basic_feeders", feeders.SCRIPT),
    _child_resource("odata/static_webservice_feeder", feeders.ADDRESS),
)
