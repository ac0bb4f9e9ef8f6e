"""Feeders: what fetches files into gates."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput
from entrepot.identity import Right
from entrepot.jobs import Job as JobRecord
from entrepot.pipeline import configuration
from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.models import Feeder
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.runs import Job

router = NativeRouter(tags=["feeders"])


class FeederShown(BaseModel):
    """A gate's feeder. Of its credentials, only their names are told."""

    id: str
    gate_id: str
    gate_name: str
    project_id: str
    timezone: str
    crontab: str
    active: bool
    url: str | None
    script: str | None
    parameters: dict[str, Any]
    credentials: list[str]
    known_host_key: str | None
    last_run: datetime | None


class FeederRequest(BaseModel):
    """What a new feeder is to be: it has a ``url`` or a ``script``."""

    model_config = ConfigDict(extra="forbid")

    gate_id: str
    url: str | None = None
    script: str | None = None
    parameters: dict[str, Any] = {}
    credentials: dict[str, Any] | None = None
    crontab: str = ""
    timezone: str = "UTC"
    active: bool = False


class FeederChanges(BaseModel):
    """What to change of a feeder; ``parameters`` and ``credentials`` replace those that there are."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = None
    script: str | None = None
    parameters: dict[str, Any] | None = None
    credentials: dict[str, Any] | None = None
    crontab: str | None = None
    timezone: str | None = None
    active: bool | None = None


@router.serve("GET", "/feeders", area="series", right="read")
def list_feeders(unit: Unit, project_id: str | None = None, gate_id: str | None = None) -> list[FeederShown]:
    """List feeders, newest first."""
    equal = {"project_id": project_id, "gate_id": gate_id}
    found = configuration.listed(unit.session, unit.principal, Feeder, equal, load=("gate",))
    return [_shown(feeder) for feeder in found]


@router.serve("POST", "/feeders", area="series", right="write", status=201, body="large")
def create_feeder(unit: Unit, request_: FeederRequest) -> FeederShown:
    """Give a gate a feeder."""
    if (request_.url is None) == (request_.script is None):
        raise InvalidInput.field("url", "Give either a url or a script.")
    fields = {"schedule": request_.crontab, "timezone": request_.timezone, "active": request_.active}
    feeder = feeders.create_feeder(unit.session, unit.principal, {"gate": request_.gate_id, **fields})
    model = feeders.SCRIPT if request_.url is None else feeders.ADDRESS
    child = request_.model_dump(include={"url", "script", "parameters", "credentials"}, exclude_none=True)
    services = unit.services
    feeders.set_source(unit.session, unit.principal, services.vault, services.settings, feeder.id, model, child)
    return _shown(feeder)


@router.serve("GET", "/feeders/{feeder_id}", area="series", right="read")
def get_feeder(unit: Unit, feeder_id: str) -> FeederShown:
    """Return a feeder."""
    return _shown(_feeder(unit, feeder_id, "read"))


@router.serve("PATCH", "/feeders/{feeder_id}", area="series", right="write", body="large")
def update_feeder(unit: Unit, feeder_id: str, request_: FeederChanges) -> FeederShown:
    """Change a feeder."""
    given = request_.model_dump(exclude_unset=True)
    nulls = [name for name, value in given.items() if value is None and name != "credentials"]
    if nulls:
        raise InvalidInput(fields={name: ["This field may not be null."] for name in nulls})
    feeder = _feeder(unit, feeder_id, "write")
    words = {"crontab": "schedule", "timezone": "timezone", "active": "active"}
    own: dict[str, Any] = {ours: given.pop(name) for name, ours in words.items() if name in given}
    feeders.update_feeder(unit.session, unit.principal, feeder_id, own)
    if given:
        wrong = "url" if feeder.source_kind == feeders.SCRIPT else "script"
        if feeder.source_kind is None or wrong in given:
            raise InvalidInput.field(wrong, "This feeder fetches in another way: make it anew.")
        services, child_id = unit.services, str(feeder.source_id)
        feeders.change_source(
            unit.session, unit.principal, services.vault, services.settings, feeder.source_kind, child_id, given
        )
    return _shown(feeder)


@router.serve("DELETE", "/feeders/{feeder_id}", area="series", right="write", status=204)
def delete_feeder(unit: Unit, feeder_id: str) -> None:
    """Delete a feeder; its gate and files stay."""
    feeders.delete_feeder(unit.session, unit.principal, feeder_id)


@router.serve("POST", "/feeders/{feeder_id}/run", area="series", right="write", status=201)
def run_feeder(unit: Unit, feeder_id: str) -> Job:
    """Have a feeder fetch; the job tells how far it is, and in the end its report."""
    return _job(unit.session, feeders.start(unit.session, _feeder(unit, feeder_id, "write"), unit.principal.user_id))


@router.serve("POST", "/feeders/{feeder_id}/test", area="series", right="write", status=201)
def test_feeder(unit: Unit, feeder_id: str) -> Job:
    """Have a feeder connect and list its source, without fetching; the job's result is the listing."""
    feeder = _feeder(unit, feeder_id, "write")
    return _job(unit.session, feeders.start_test(unit.session, feeder, unit.principal.user_id))


def _feeder(unit: Unit, feeder_id: str, right: Right) -> Feeder:
    return configuration.get(unit.session, unit.principal, Feeder, feeder_id, right)


def _job(session: Session, job: JobRecord) -> Job:
    session.flush()
    return Job.model_validate(job)


def _shown(feeder: Feeder) -> FeederShown:
    return FeederShown(
        id=feeder.id,
        gate_id=feeder.gate_id,
        gate_name=feeder.gate.name,
        project_id=feeder.gate.project_id,
        timezone=feeder.timezone,
        crontab=feeder.schedule,
        active=feeder.active,
        url=feeder.source.get("url"),
        script=feeder.source.get("script"),
        parameters=feeder.source.get("parameters") or {},
        credentials=feeder.credential_names,
        known_host_key=feeder.known_host_key,
        last_run=feeder.last_run_at,
    )
