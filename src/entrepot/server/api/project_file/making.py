"""Making a project what a file says, by the verbs of the interface."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.identity import Project
from entrepot.pipeline import configuration
from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.models import Importer
from entrepot.pipeline.runs import freshness as silence
from entrepot.rows import places as row_places
from entrepot.server.api import analyses, channels, gates, importers, places, result_sets, webhooks
from entrepot.server.api.analysis_models import AnalysisChanges, AnalysisRequest
from entrepot.server.api.gates import GateChanges, GateRequest
from entrepot.server.api.importer_models import ChannelChanges, ChannelRequest, ImporterChanges, ImporterRequest
from entrepot.server.api.place_models import (
    LocationChanges,
    LocationRequest,
    ModelDefinitionRequest,
    PlaceChanges,
    SiteChanges,
    SiteRequest,
)
from entrepot.server.api.places import number_of
from entrepot.server.api.project_file.changes import Step
from entrepot.server.api.project_file.current import Ids, makers_of
from entrepot.server.api.project_file.models import ProjectFile
from entrepot.server.api.routing import Unit
from entrepot.server.api.row_models import ResultSetChanges, ResultSetRequest

Settings = Mapping[str, Any]
#: Of analyses, what is settled once all of them are there.
_LATE = ("inputs", "active")
_WORDS = {
    "feeder": {"schedule": "schedule", "timezone": "zone", "parameters": "options", "url": "from"},
    "watch": {"grace": "silent_for"},
}
_PLACES: dict[str, tuple[row_places.Place, type[PlaceChanges]]] = {
    "site": (row_places.SITE, SiteChanges),
    "location": (row_places.LOCATION, LocationChanges),
    "model definition": (row_places.MODEL_DEFINITION, PlaceChanges),
}


class Making:
    """Takes the steps from a project to a file.

    Parameters
    ----------
    ids
        Of what there is; what is made is added.
    secrets
        Credentials of feeders, by the names that the file gives them.

    Attributes
    ----------
    missing
        The secrets that are not there.
    made
        The secrets of webhooks that were made, by address.
    """

    def __init__(
        self, unit: Unit, project: Project, wanted: ProjectFile, ids: Ids, secrets: Mapping[str, dict[str, Any]]
    ) -> None:
        self._unit, self._project, self._wanted, self._ids, self._secrets = unit, project, wanted, ids, secrets
        self.missing: list[str] = []
        self.made: dict[str, str] = {}
        session, principal = unit.session, unit.principal
        self._removers: dict[str, Callable[[str], None]] = {
            "gate": lambda id_: gates.delete_gate(unit, id_),
            "feeder": lambda id_: feeders.delete_feeder(session, principal, id_),
            "importer": lambda id_: importers.delete_importer(unit, id_),
            "channel": lambda id_: channels.delete_channel(unit, id_),
            "analysis": lambda id_: analyses.delete_analysis(unit, id_),
            "watch": lambda id_: silence.unwatch(session, principal, id_),
        }

    def take(self, steps: list[Step]) -> None:
        """Take steps; what is wrong is named by its place in the file."""
        late = []
        for step in steps:
            with _placed(step):
                self._take(step)
            if step.kind == "analysis" and step.action != "removed":
                late.append(step)
        for step in late:
            with _placed(step):
                self._settle(step)

    def _take(self, step: Step) -> None:
        if step.action == "removed":
            self._remove(step)
        elif step.action == "made":
            made = getattr(self, f"_make_{step.kind.replace(' ', '_')}")(*step.path, dict(step.settings))
            self._ids[step.key] = made
        elif step.kind == "feeder" and self._is_another_way(step):
            self._remove(step)
            self._ids[step.key] = self._make_feeder(step.name, dict(step.settings))
        else:
            kind = "place" if step.kind in _PLACES else step.kind.replace(" ", "_")
            change = getattr(self, f"_change_{kind}")
            change(self._ids[step.key], dict(step.new), step)

    def _remove(self, step: Step) -> None:
        id_ = self._ids.pop(step.key)
        self._removers[step.kind](id_)

    # Places and result sets ------------------------------------------------------------------------------------------

    def _make_site(self, name: str, given: dict[str, Any]) -> str:
        return str(places.create_site(self._unit, SiteRequest.model_validate({"name": name, **given})).id)

    def _make_location(self, site: str, name: str, given: dict[str, Any]) -> str:
        return self._placed_at_site(site, name, given, LocationRequest, places.create_location)

    def _make_model_definition(self, site: str, name: str, given: dict[str, Any]) -> str:
        return self._placed_at_site(site, name, given, ModelDefinitionRequest, places.create_model_definition)

    def _placed_at_site(self, site: str, name: str, given: dict[str, Any], model: Any, create: Any) -> str:
        request = model.model_validate({"name": name, "site": self._ids["site", site], **given})
        return str(create(self._unit, request).id)

    def _make_result_set(self, name: str, given: dict[str, Any]) -> str:
        given["site"] = self._ids.get(("site", given["site"]), given["site"])
        request = ResultSetRequest.model_validate({"name": name, **given})
        return str(result_sets.create_result_set(self._unit, request).id)

    def _change_place(self, id_: str, new: dict[str, Any], step: Step) -> None:
        place, model = _PLACES[step.kind]
        with model.naming():
            fields = model.model_validate(new).kept()
            row_places.patch(self._unit.session, self._unit.principal, place, number_of(id_), fields)

    def _change_result_set(self, id_: str, new: dict[str, Any], step: Step) -> None:
        if fixed := {"site", "model", "location"} & new.keys():
            raise InvalidInput.field(fixed.pop(), "This cannot be changed: give the result set another name.")
        result_sets.change_result_set(self._unit, id_, ResultSetChanges.model_validate(new))

    # Gates and feeders -----------------------------------------------------------------------------------------------

    def _make_gate(self, name: str, given: dict[str, Any]) -> str:
        request = GateRequest.model_validate({"project": self._project.id, "name": name, **given})
        return gates.create_gate(self._unit, request).id

    def _change_gate(self, id_: str, new: dict[str, Any], step: Step) -> None:
        gates.change_gate(self._unit, id_, GateChanges.model_validate(new))

    def _make_feeder(self, name: str, given: dict[str, Any]) -> str:
        if (given["from"] is None) == (given["script"] is None):
            raise InvalidInput.field("from", "Give either an address or a script.")
        unit = self._unit
        feeder = feeders.create_feeder(unit.session, unit.principal, {"gate": self._ids["gate", name], **_own(given)})
        way = feeders.SCRIPT if given["from"] is None else feeders.ADDRESS
        child = {name: value for name, value in _child(given).items() if value is not None}
        if (credentials := self._credentials(given["secret"])) is not None:
            child["credentials"] = credentials
        feeders.set_source(
            unit.session, unit.principal, unit.services.vault, unit.services.settings, feeder.id, way, child
        )
        return feeder.id

    def _is_another_way(self, step: Step) -> bool:
        """Tell whether a feeder is to fetch by a script instead of from an address, or the other way round."""
        return any(name in step.old and None in (step.old[name], step.new[name]) for name in ("from", "script"))

    def _change_feeder(self, id_: str, new: dict[str, Any], step: Step) -> None:
        unit, services = self._unit, self._unit.services
        feeder = feeders.update_feeder(unit.session, unit.principal, id_, _own(new))
        child = _child(new)
        secret = step.settings["secret"]
        if "secret" in new or secret in self._secrets:
            child["credentials"] = self._credentials(secret)
        if child and feeder.source_kind is not None:
            feeders.change_source(
                unit.session, unit.principal, services.vault, services.settings, feeder.source_kind,
                str(feeder.source_id), child,
            )  # fmt: skip

    def _credentials(self, secret: str | None) -> dict[str, Any] | None:
        if secret is not None and secret not in self._secrets:
            self.missing.append(secret)
        return None if secret is None else self._secrets.get(secret)

    # Importers and channels ------------------------------------------------------------------------------------------

    def _make_importer(self, name: str, given: dict[str, Any]) -> str:
        given["gate"] = self._gate(given["gate"])
        request = ImporterRequest.model_validate({"project": self._project.id, "name": name, **given})
        made = importers.create_importer(self._unit, request)
        importer = configuration.get(self._unit.session, self._unit.principal, Importer, made.id)
        self._ids["cleaner", name] = importer.cleaner.id
        return made.id

    def _change_importer(self, id_: str, new: dict[str, Any], step: Step) -> None:
        if "gate" in new:
            new["gate"] = self._gate(new["gate"])
        importers.change_importer(self._unit, id_, ImporterChanges.model_validate(new))

    def _make_channel(self, importer: str, raw: str, given: dict[str, Any]) -> str:
        request = {"importer": self._ids["importer", importer], "raw": raw, **given}
        return channels.create_channel(self._unit, ChannelRequest.model_validate(request)).id

    def _change_channel(self, id_: str, new: dict[str, Any], step: Step) -> None:
        channels.change_channel(self._unit, id_, ChannelChanges.model_validate(new))

    def _gate(self, name: str | None) -> str | None:
        if name is not None and ("gate", name) not in self._ids:
            raise InvalidInput.field("gate", f"There is no gate {name!r} in the file.")
        return None if name is None else self._ids["gate", name]

    # Analyses and watches --------------------------------------------------------------------------------------------

    def _make_analysis(self, name: str, given: dict[str, Any]) -> str:
        early = {field: value for field, value in given.items() if field not in _LATE}
        request = {"project": self._project.id, "name": name, **self._into(early)}
        return analyses.create_analysis(self._unit, AnalysisRequest.model_validate(request)).id

    def _change_analysis(self, id_: str, new: dict[str, Any], step: Step) -> None:
        early = self._into({field: value for field, value in new.items() if field not in _LATE})
        if early:
            analyses.change_analysis(self._unit, id_, AnalysisChanges.model_validate(early))

    def _settle(self, step: Step) -> None:
        given = step.settings if step.action == "made" else step.new
        late = {field: given[field] for field in _LATE if field in given}
        if "inputs" in late:
            late["inputs"] = [one | {"of": self._maker(one)} for one in late["inputs"]]
        if late:
            id_ = self._ids[step.key]
            analyses.change_analysis(self._unit, id_, AnalysisChanges.model_validate(late))

    def _into(self, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("into") is not None:
            given["into"] = self._ids.get(("result set", given["into"]), given["into"])
        return given

    def _maker(self, given: Settings) -> str | None:
        """Return the id of what makes a series; None where only the database can know."""
        of = given["of"]
        if of is None:
            named = makers_of(self._wanted).get(given["series"], [])
            if len(named) > 1:
                raise InvalidInput.field("of", f"Several make {given['series']!r}: say which of {', '.join(named)}.")
            of = named[0] if named else None
        return None if of is None else self._id_of(of)

    def _id_of(self, of: str) -> str:
        kind, _, name = of.partition(" ")
        found = self._ids.get((kind, name))
        if found is None:
            raise InvalidInput.field("of", f"There is no {of!r} in the file: say `importer NAME` or the like.")
        return found

    def _make_watch(self, name: str, given: dict[str, Any]) -> str:
        kind, _, maker = name.partition(" ")
        whole = given["of"] is None and (kind, maker) in self._ids
        generator = self._ids[kind, maker] if whole else self._maker({"series": name, "of": given["of"]})
        if generator is None:
            raise InvalidInput.field("of", f"Nothing in the file makes {name!r}: say `of`, such as `importer scada`.")
        unit, series = self._unit, "" if whole else name
        return silence.watch(unit.session, unit.principal, generator, given["silent_for"], series).id

    def _change_watch(self, id_: str, new: dict[str, Any], step: Step) -> None:
        if "of" in new:
            silence.unwatch(self._unit.session, self._unit.principal, id_)
        self._ids[step.key] = self._make_watch(step.name, dict(step.settings))

    # Webhooks --------------------------------------------------------------------------------------------------------

    def _make_webhook(self, address: str, given: dict[str, Any]) -> str:
        self._unit.principal.require_scope("events", "admin")
        request = webhooks.WebhookRequest(url=address, types=given["types"])
        made = webhooks.create_webhook(self._unit, request)
        if not given["active"]:
            webhooks.change_webhook(self._unit, made.id, webhooks.WebhookChanges(status="deactivated"))
        self.made[address] = made.secret
        return str(made.id)

    def _change_webhook(self, id_: str, new: dict[str, Any], step: Step) -> None:
        self._unit.principal.require_scope("events", "admin")
        if "active" in new:
            new["status"] = "new" if new.pop("active") else "deactivated"
        webhooks.change_webhook(self._unit, id_, webhooks.WebhookChanges.model_validate(new))


def _own(given: Settings) -> dict[str, Any]:
    """Return the settings that are of a feeder itself, by column."""
    words = {"schedule": "schedule", "zone": "timezone", "active": "active"}
    return {column: given[word] for word, column in words.items() if word in given}


def _child(given: Settings) -> dict[str, Any]:
    """Return the settings of how a feeder fetches."""
    words = {"from": "url", "script": "script", "options": "parameters"}
    return {name: given[word] for word, name in words.items() if word in given}


def _worded(step: Step, name: str) -> str:
    """Return what a file calls a field of the domain."""
    first, dot, more = name.partition(".")
    return f"{_WORDS.get(step.kind, {}).get(first, first)}{dot}{more}"


@contextmanager
def _placed(step: Step) -> Iterator[None]:
    """Say of what is refused inside which thing of the file it is."""
    place = f"{step.kind} {step.name}"
    try:
        yield
    except InvalidInput as error:
        fields = error.fields or {"": [error.message]}
        raise InvalidInput(
            fields={f"{place}: {_worded(step, name)}" if name else place: reasons for name, reasons in fields.items()}
        ) from error
    except EntrepotError as error:
        error.message = f"{place}: {error.message}"
        raise
