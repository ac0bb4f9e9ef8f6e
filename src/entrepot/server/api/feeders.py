"""Feeders: what fetches files into gates, from an address or by a script."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from sqlalchemy.orm import selectinload

from entrepot.errors import InvalidInput
from entrepot.identity import Right
from entrepot.pipeline import configuration
from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.models import Feeder, Gate
from entrepot.server.api.nouns import (
    NOT_KEPT,
    Asked,
    InProject,
    Noun,
    Page,
    Reference,
    Script,
    column,
    listed,
    of_project,
    project_names,
    resolve,
    to_change,
)
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.runs import RunShown, begun

router = NativeRouter(tags=["feeders"])

_From = Annotated[
    str | None, NOT_KEPT, Field(alias="from", description="An address: `sftp://`, `ftp(s)://`, `http(s)://`, `s3://`.")
]
_Script = Annotated[
    Script | None, NOT_KEPT, Field(description="Python with `feed(state, credentials, **tools)`, in place of it.")
]
_Options = Annotated[dict[str, Any], NOT_KEPT, Field(description="What is taken, and how much at a time.")]
_Credentials = Annotated[
    dict[str, Any] | None, NOT_KEPT, Field(description="What the source wants to see; never shown again.")
]


class FeederSettings(Noun):
    """When a feeder fetches; what is left out stays, or has its default."""

    schedule: Annotated[str, Field(description="A cron of six fields, seconds first.")] = ""
    zone: Annotated[str, column("timezone"), Field(description="Of the schedule.")] = "UTC"
    active: Annotated[bool, Field(description="Whether it runs by its schedule.")] = False


class FeederChanges(FeederSettings):
    """What is to change of a feeder; `options` and `credentials` replace those that there are."""

    from_: _From = None
    script: _Script = None
    options: _Options = Field({})
    credentials: _Credentials = None

    @property
    def way(self) -> dict[str, Any]:
        """What was given of how it fetches, in the words of the domain."""
        words = {"from_": "url", "script": "script", "options": "parameters", "credentials": "credentials"}
        return {words[name]: getattr(self, name) for name in words if name in self.model_fields_set}


class FeederRequest(FeederChanges):
    """A new feeder: it has `from` or a `script`."""

    gate: Annotated[str, NOT_KEPT, Field(description="Id or name.")]
    project: Annotated[str | None, NOT_KEPT, Field(description="Of the gate, where that is given by name.")] = None


class FeederShown(FeederSettings):
    """A gate's feeder. Of its credentials, only the names are told."""

    id: str
    gate: Annotated[Reference | None, NOT_KEPT]
    project: Annotated[Reference | None, NOT_KEPT]
    from_: _From
    script: _Script
    options: _Options
    credentials: Annotated[list[str], column("credential_names")]
    known_host_key: str | None
    version: int
    created_at: datetime
    changed_at: datetime
    last_run_at: datetime | None


@router.serve("GET", "/feeders", area="series", right="read")
def list_feeders(
    unit: Unit,
    asked: Asked,
    project: InProject = None,
    gate: Annotated[str | None, Query(max_length=300, description="Id or name of the gate.")] = None,
) -> Page[FeederShown]:
    """List feeders, newest first."""
    query = configuration.readable(unit.principal, Feeder).options(selectinload(Feeder.gate))
    wanted = of_project(unit, project)
    if gate is not None:
        wanted = {"gate_id": resolve(unit.session, unit.principal, Gate, gate, "gate", wanted.get("project_id")).id}
    query = query.filter_by(**wanted)
    return listed(unit, query, (Feeder.number,), asked, lambda rows: _shown(unit, rows), newest_first=True)


@router.serve("POST", "/feeders", area="series", right="write", status=201, body="large")
def create_feeder(unit: Unit, given: FeederRequest) -> FeederShown:
    """Give a gate a feeder."""
    if (given.from_ is None) == (given.script is None):
        raise InvalidInput.field("from", "Give either an address or a script.")
    project_id = of_project(unit, given.project).get("project_id")
    gate = resolve(unit.session, unit.principal, Gate, given.gate, "gate", project_id)
    with _naming():
        feeder = feeders.create_feeder(unit.session, unit.principal, {"gate": gate.id, **given.kept(unset=True)})
        model = feeders.SCRIPT if given.from_ is None else feeders.ADDRESS
        way = {name: value for name, value in given.way.items() if value is not None}
        services = unit.services
        feeders.set_source(unit.session, unit.principal, services.vault, services.settings, feeder.id, model, way)
    return _shown(unit, [feeder])[0]


@router.serve("GET", "/feeders/{feeder_id}", area="series", right="read")
def get_feeder(unit: Unit, feeder_id: str) -> FeederShown:
    """Return a feeder."""
    return _shown(unit, [_feeder(unit, feeder_id, "read")])[0]


@router.serve("PATCH", "/feeders/{feeder_id}", area="series", right="write", body="large")
def change_feeder(unit: Unit, feeder_id: str, given: FeederChanges) -> FeederShown:
    """Change a feeder; with another address, credentials have to be given again."""
    feeder = to_change(unit, Feeder, feeder_id)
    way = given.way
    other = "url" if feeder.source_kind == feeders.SCRIPT else "script"
    with _naming():
        if way and (feeder.source_kind is None or other in way):
            raise InvalidInput.field(other, "This feeder fetches in another way: make it anew.")
        if nulls := [name for name in ("url", "script") if name in way and way[name] is None]:
            raise InvalidInput.field(nulls[0], "This may not be null.")
        feeders.update_feeder(unit.session, unit.principal, feeder_id, given.kept())
        if way:
            services, source_id = unit.services, str(feeder.source_id)
            feeders.change_source(
                unit.session,
                unit.principal,
                services.vault,
                services.settings,
                str(feeder.source_kind),
                source_id,
                way,
            )
    return _shown(unit, [feeder])[0]


@router.serve("DELETE", "/feeders/{feeder_id}", area="series", right="write", status=204)
def delete_feeder(unit: Unit, feeder_id: str) -> None:
    """Delete a feeder; its gate and files stay."""
    to_change(unit, Feeder, feeder_id)
    feeders.delete_feeder(unit.session, unit.principal, feeder_id)


@router.serve("POST", "/feeders/{feeder_id}/runs", area="series", right="write", status=202)
def run_feeder(unit: Unit, feeder_id: str) -> RunShown:
    """Have a feeder fetch; the run tells how far it is, and in the end its report."""
    return begun(unit, feeders.start(unit.session, _feeder(unit, feeder_id, "write"), unit.principal.user_id))


@router.serve("POST", "/feeders/{feeder_id}/test", area="series", right="write", status=202)
def test_feeder(unit: Unit, feeder_id: str) -> RunShown:
    """Have a feeder connect and list its source, without fetching; the run's `result` is the listing."""
    return begun(unit, feeders.start_test(unit.session, _feeder(unit, feeder_id, "write"), unit.principal.user_id))


def _feeder(unit: Unit, feeder_id: str, right: Right) -> Feeder:
    return configuration.get(unit.session, unit.principal, Feeder, feeder_id, right)


def _naming() -> Any:
    return FeederRequest.naming(url="from", parameters="options")


def _shown(unit: Unit, rows: Sequence[Feeder]) -> list[FeederShown]:
    names = project_names(unit, rows)
    return [
        FeederShown.showing(
            feeder,
            gate=Reference.to(feeder.gate),
            project=names[feeder.project_id],
            from_=feeder.source.get("url"),
            script=feeder.source.get("script"),
            options=feeder.source.get("parameters") or {},
        )
        for feeder in rows
    ]
