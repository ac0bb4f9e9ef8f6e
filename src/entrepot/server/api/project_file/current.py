"""A project as the file that says it."""

from collections import Counter
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import select

from entrepot.events.models import Webhook
from entrepot.events.styles import STANDARD
from entrepot.identity import Project
from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.models import Analysis, Channel, Feeder, Gate, Importer, SilenceWatch
from entrepot.pipeline.records import Owned
from entrepot.rows.models import Location, ModelDefinition, ResultSet, Site
from entrepot.server.api.analysis_models import AnalysisShown, Output
from entrepot.server.api.gates import GateShown
from entrepot.server.api.importer_models import ChannelShown, ImporterShown
from entrepot.server.api.nouns import makers
from entrepot.server.api.place_models import LocationShown, ModelDefinitionShown, SiteShown
from entrepot.server.api.project_file.models import (
    AnalysisInFile,
    ChannelInFile,
    FeederInFile,
    GateInFile,
    ImporterInFile,
    InputInFile,
    LocationInFile,
    PlaceInFile,
    ProjectFile,
    ResultSetInFile,
    SiteInFile,
    WatchInFile,
    WebhookInFile,
)
from entrepot.server.api.routing import Unit

ModelT = TypeVar("ModelT", bound=BaseModel)
OwnedT = TypeVar("OwnedT", bound=Owned)
#: The ids of things, by their kinds and names in the file.
Ids = dict[tuple[str, ...], str]


def read(unit: Unit, project: Project) -> tuple[ProjectFile, Ids]:
    """Return a project as a file, and the ids of all that is in it."""
    ids: Ids = {}
    file = ProjectFile(project=project.name, description=project.description)
    for gate in _own(unit, Gate, project):
        ids["gate", gate.name] = gate.id
        file.gates[gate.name] = _like(GateInFile, GateShown.showing(gate, project=None), feeder=_feeder(gate, ids))
    for importer in _own(unit, Importer, project):
        ids["importer", importer.name], ids["cleaner", importer.name] = importer.id, importer.cleaner.id
        shown = ImporterShown.shown(importer, None)
        gate_name = importer.gate.name if importer.gate is not None else None
        file.importers[importer.name] = made = _like(ImporterInFile, shown, gate=gate_name, channels={})
        channels = select(Channel).where(Channel.cleaner_id == importer.cleaner.id)
        for channel in unit.session.scalars(channels.order_by(Channel.raw)):
            ids["channel", importer.name, channel.raw] = channel.id
            made.channels[channel.raw] = _like(ChannelInFile, ChannelShown.shown(channel))
    _read_analyses(unit, project, file, ids)
    _read_watches(unit, project, file, ids)
    _read_webhooks(unit, file, ids)
    return normal(file), ids


def read_shared(unit: Unit, wanted: ProjectFile, file: ProjectFile, ids: Ids) -> None:
    """Read into the file what is wanted and the organization has, though the project has no use of it yet."""
    own = unit.principal.organization_id
    sites = select(Site).where(Site.organization_id == own, Site.name.in_(wanted.sites)).order_by(Site.id)
    for site in unit.session.scalars(sites):
        _read_site(unit, file, ids, site)
    sets: dict[int, str] = {}
    for name, given in wanted.result_sets.items():
        query = (
            select(ResultSet.id)
            .join(ModelDefinition, ModelDefinition.id == ResultSet.model_definition_id)
            .join(Site, Site.id == ModelDefinition.site_id)
            .where(
                *(one.organization_id == own for one in (ResultSet, ModelDefinition, Site)),
                ResultSet.name == name, ModelDefinition.name == given.model, Site.name == given.site,
            )
        )  # fmt: skip
        number = unit.session.scalar(query.order_by(ResultSet.id).limit(1))
        if number is not None and name not in file.result_sets:
            sets[number] = name
    _read_sets(unit, file, ids, sets)


def normal(file: ProjectFile) -> ProjectFile:
    """Return the file with inputs and watches said in one way: `of` is left out where nothing else can be meant."""
    named = makers_of(file)
    for analysis in file.analyses.values():
        given = [InputInFile(series=one) if isinstance(one, str) else one for one in analysis.inputs]
        analysis.inputs = [
            InputInFile(series=one.series, column=one.column or one.series, of=_needed(named, one.series, one.of))
            for one in given
        ]
        outputs = [Output(name=one) if isinstance(one, str) else one for one in analysis.outputs]
        analysis.outputs = [*sorted(outputs, key=lambda one: one.name)]
    for name, watch in file.watches.items():
        watch.of = _needed(named, name, watch.of)
    return file


def makers_of(file: ProjectFile) -> dict[str, list[str]]:
    """Return what makes series, as `cleaner scada`, by the names of the series; raw ones are left out."""
    named: dict[str, list[str]] = {}
    for importer, settings in file.importers.items():
        for channel in settings.channels.values():
            named.setdefault(channel.name, []).append(f"cleaner {importer}")
    for analysis, computing in file.analyses.items():
        for output in computing.outputs:
            named.setdefault(output if isinstance(output, str) else output.name, []).append(f"analysis {analysis}")
    return named


def _needed(named: dict[str, list[str]], series: str, of: str | None) -> str | None:
    return None if named.get(series) == [of] else of


def _like(model: type[ModelT], shown: BaseModel, **others: Any) -> ModelT:
    """Return what a thing shows, as far as a file says it."""
    own = {name: getattr(shown, name) for name in model.model_fields if name not in others}
    return model.model_validate(own | others)


def _own(unit: Unit, model: type[OwnedT], project: Project) -> list[OwnedT]:
    query = select(model).where(model.project_id == project.id).order_by(model.name)
    return list(unit.session.scalars(query))


def _feeder(gate: Gate, ids: Ids) -> FeederInFile | None:
    feeder: Feeder | None = gate.feeder
    if feeder is None:
        return None
    ids["feeder", gate.name] = feeder.id
    script = feeder.source.get("script") if feeder.source_kind == feeders.SCRIPT else None
    return FeederInFile(
        from_=feeder.source.get("url"),
        script=script,
        schedule=feeder.schedule,
        zone=feeder.timezone,
        active=feeder.active,
        secret=gate.name if feeder.credential_names else None,
        options=feeder.source.get("parameters") or {},
    )


def _read_analyses(unit: Unit, project: Project, file: ProjectFile, ids: Ids) -> None:
    analyses = _own(unit, Analysis, project)
    sources = makers(unit, (one.generator_id for each in analyses for one in each.inputs))
    sets: dict[int, str] = {}
    for analysis in analyses:
        ids["analysis", analysis.name] = analysis.id
        if analysis.result_set_id is not None:
            sets[analysis.result_set_id] = ""
    _read_sets(unit, file, ids, sets)
    for analysis in analyses:
        shown = AnalysisShown.shown(analysis, None, sources, None)
        inputs = [
            InputInFile(series=one.series, column=one.column, of=one.of and f"{one.of.kind} {one.of.name}")
            for one in shown.inputs
        ]
        into = None if analysis.result_set_id is None else sets[analysis.result_set_id]
        file.analyses[analysis.name] = _like(AnalysisInFile, shown, inputs=inputs, into=into)


def _read_sets(unit: Unit, file: ProjectFile, ids: Ids, sets: dict[int, str]) -> None:
    """Read the result sets of these numbers, with the sites that they stand on, and note their names."""
    own = unit.principal.organization_id
    query = select(ResultSet).where(ResultSet.organization_id == own, ResultSet.id.in_(sets))
    for result_set in unit.session.scalars(query.order_by(ResultSet.name, ResultSet.id)):
        model = _number(unit, ModelDefinition, result_set.model_definition_id)
        location = _number(unit, Location, result_set.location_id)
        site = _number(unit, Site, model.site_id)
        sets[result_set.id] = result_set.name
        ids["result set", result_set.name] = str(result_set.id)
        _read_site(unit, file, ids, site)
        file.result_sets[result_set.name] = ResultSetInFile(
            site=site.name,
            model=model.name,
            location=location and location.name,
            description=result_set.description,
            source=result_set.source,
        )


def _read_site(unit: Unit, file: ProjectFile, ids: Ids, site: Any) -> None:
    if site.name in file.sites:
        return
    ids["site", site.name] = str(site.id)
    file.sites[site.name] = made = _like(SiteInFile, SiteShown.showing(site), locations={}, model_definitions={})
    of_site: tuple[tuple[str, Any, Any, Any, dict[str, Any]], ...] = (
        ("location", Location, LocationShown, LocationInFile, made.locations),
        ("model definition", ModelDefinition, ModelDefinitionShown, PlaceInFile, made.model_definitions),
    )
    for kind, model, shown, in_file, into in of_site:
        own = model.organization_id == unit.principal.organization_id
        for one in unit.session.scalars(select(model).where(own, model.site_id == site.id).order_by(model.name)):
            ids[kind, site.name, one.name] = str(one.id)
            into[one.name] = _like(in_file, shown.showing(one, site=None))


def _number(unit: Unit, model: type[Any], number: int | None) -> Any:
    own = model.organization_id == unit.principal.organization_id
    return unit.session.scalar(select(model).where(own, model.id == number))


def _read_watches(unit: Unit, project: Project, file: ProjectFile, ids: Ids) -> None:
    query = select(SilenceWatch).where(SilenceWatch.project_id == project.id).order_by(SilenceWatch.number)
    watches = list(unit.session.scalars(query))
    known = makers(unit, (one.generator_id for one in watches))
    taken = Counter(one.series_name for one in watches)
    for watch in watches:
        maker = known.get(watch.generator_id)
        if maker is None:
            continue
        of = f"{maker.kind} {maker.name}"
        if taken[watch.series_name] > 1 and watch.series_name:
            continue  # one name stands for one series in a file
        name = watch.series_name or of
        ids["watch", name] = watch.id
        file.watches[name] = WatchInFile(silent_for=watch.grace, of=of if watch.series_name else None)


def _read_webhooks(unit: Unit, file: ProjectFile, ids: Ids) -> None:
    """Read the organization's webhooks, as far as the caller may know of them; of one address, the oldest."""
    own = unit.principal.organization_id
    if not unit.principal.can("read", own) or not unit.principal.reach.allows("events", "read"):
        return
    query = select(Webhook).where(Webhook.organization_id == own, Webhook.style == STANDARD)
    for webhook in unit.session.scalars(query.order_by(Webhook.number)):
        if webhook.url not in file.webhooks:
            ids["webhook", webhook.url] = webhook.id
            file.webhooks[webhook.url] = WebhookInFile(types=webhook.types, active=webhook.status != "deactivated")
