"""Importers and cleaners, and what is asked of any generator of series."""

from typing import TypeVar

from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.pipeline import configuration
from entrepot.pipeline.cleaning import configuration as cleaners
from entrepot.pipeline.generators import actions
from entrepot.pipeline.importing import configuration as importers
from entrepot.pipeline.models import Analysis, Channel, Cleaner, Importer, ImporterSeries
from entrepot.server.dialects.ovbp import parse, render, specs
from entrepot.server.dialects.ovbp.ftp import gate_accounts
from entrepot.server.dialects.ovbp.render import Record
from entrepot.server.dialects.ovbp.table import Action, Resource, found, one
from entrepot.server.endpoint import Call

GeneratorT = TypeVar("GeneratorT", Importer, Cleaner, Analysis)


def generator_actions(model: type[Importer] | type[Cleaner] | type[Analysis]) -> tuple[Action, ...]:
    """Return what can be asked of a kind of generator: to run, clear or reset, and to do so by itself or not."""

    def act(call: Call) -> Record:
        body = call.fields
        # Older clients name the action by `value`.
        fields = parse.created({"name": body.get("value"), **body} if "value" in body else body, specs.ACTION)
        generator = one(call, model, "write")
        since = fields.get("partial_instant")
        job = actions.start(
            call.session,
            generator,
            fields["name"],
            instant_us=None if since is None else parse.microseconds(since),
            utc=since is not None and since.tzinfo is not None,
            user_id=call.principal.user_id,
        )
        return render.task(job)

    def activate(call: Call) -> Response:
        value = parse.created(call.fields, specs.ACTIVE)["value"]
        generator = one(call, model, "write")
        assert not isinstance(generator, Cleaner)
        actions.set_active(call.session, generator, value)
        return Response(status_code=204)

    action = Action("action", ("POST",), act, status=201)
    return (action,) if model is Cleaner else (action, Action("active", ("PATCH", "PUT", "POST"), activate))


def list_generators(call: Call, model: type[GeneratorT], /, *load: str) -> list[GeneratorT]:
    """Return the generators of a kind that a list asks for."""
    return found(call, model, *load, name="name", project_id="project")


def _importer(record: Importer) -> Record:
    return render.importer(record, record.gate_id)


def _retrieve_importer(call: Call) -> Record:
    importer = one(call, Importer)
    gate = importer.gate
    nested = render.gate(gate, gate_accounts(call, [gate]).get(gate.id)) if gate else None
    return render.importer(importer, nested, call.principal)


def _create_importer(call: Call) -> Record:
    # What is read again is said by the client's own settings alone.
    fields = {**parse.created(call.fields, specs.IMPORTER), "reads_changed": False}
    return _importer(importers.create_importer(call.session, call.principal, fields))


def _update_importer(call: Call) -> Record:
    fields = parse.changed(call.fields, specs.IMPORTER)
    return _importer(importers.update_importer(call.session, call.principal, call.path["id"], fields))


def _importer_series(call: Call) -> list[Record]:
    # Both names of a raw series are the label of its column.
    label = "external_name" if "external_name" in call.query else "name"
    records = found(call, ImporterSeries, importer_id="generator", raw=label, project_id="project")
    by_series = cleaners.channels_of(call.session, records)
    return [render.importer_series(record, by_series.get(record.id)) for record in records]


def _retrieve_importer_series(call: Call) -> Record:
    record = one(call, ImporterSeries)
    importer = configuration.get(call.session, call.principal, Importer, record.importer_id)
    by_series = cleaners.channels_of(call.session, [record])
    given = render.rights(call.principal, importer.organization_id, importer.project_id)
    return render.importer_series(record, by_series.get(record.id), given)


def _retrieve_cleaner(call: Call) -> Record:
    record = one(call, Cleaner)
    return render.cleaner(record, call.principal)


def _create_cleaner(_: Call) -> Record:
    raise InvalidInput("Cleaners come and go with their importers: create an importer.")


def _update_cleaner(call: Call) -> Record:
    fields = parse.changed(call.fields, specs.CLEANER)
    return render.cleaner(cleaners.update_cleaner(call.session, call.principal, call.path["id"], fields))


def _unitcleaners(call: Call) -> list[Record]:
    records = found(
        call,
        Channel,
        "cleaner",
        cleaner_id="cleaner",
        raw="external_name",
        name="name",
        project_id="project",
    )
    return [render.unitcleaner(record) for record in records]


def _retrieve_unitcleaner(call: Call) -> Record:
    record = one(call, Channel)
    return render.unitcleaner(record, call.principal)


def _create_unitcleaner(call: Call) -> Record:
    fields = parse.created(call.fields, specs.UNITCLEANER)
    return render.unitcleaner(cleaners.create_channel(call.session, call.principal, fields))


def _update_unitcleaner(call: Call) -> Record:
    fields = parse.changed(call.fields, specs.UNITCLEANER)
    return render.unitcleaner(cleaners.update_channel(call.session, call.principal, call.path["id"], fields))


RESOURCES = (
    Resource(
        "odata/importers",
        lambda call: [_importer(record) for record in list_generators(call, Importer)],
        _retrieve_importer,
        create=_create_importer,
        update=_update_importer,
        delete=lambda call: importers.delete_importer(call.session, call.principal, call.path["id"]),
        actions=generator_actions(Importer),
        spec=specs.IMPORTER,
    ),
    Resource("odata/importer_series", _importer_series, _retrieve_importer_series),
    Resource(
        "odata/cleaners",
        lambda call: [render.cleaner(record) for record in list_generators(call, Cleaner)],
        _retrieve_cleaner,
        create=_create_cleaner,
        update=_update_cleaner,
        actions=generator_actions(Cleaner),
    ),
    Resource(
        "odata/unitcleaners",
        _unitcleaners,
        _retrieve_unitcleaner,
        create=_create_unitcleaner,
        update=_update_unitcleaner,
        delete=lambda call: cleaners.delete_channel(call.session, call.principal, call.path["id"]),
        spec=specs.UNITCLEANER,
    ),
)
