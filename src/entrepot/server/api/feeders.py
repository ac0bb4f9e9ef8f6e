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
from entrepot.pipeline.models import BaseFeeder
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.runs import Job

router = NativeRouter(tags=["feeders"])


class Feeder(BaseModel):
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
def list_feeders(unit: Unit, project_id: str | None = None, gate_id: str | None = None) -> list[Feeder]:
    """List feeders, newest first."""
    equal = {"project_id": project_id, "gate_id": gate_id}
    found = configuration.listed(unit.session, unit.principal, BaseFeeder, equal, load=("gate",))
    return [_shown(feeder) for feeder in found]


@router.serve("POST", "/feeders", area="series", right="write", status=201, body="large")
def create_feeder(unit: Unit, request_: FeederRequest) -> Feeder:
    """Give a gate a feeder."""
    if (request_.url is None) == (request_.script is None):
        raise InvalidInput.field("url", "Give either a url or a script.")
    fields = request_.model_dump(include={"crontab", "timezone", "active"})
    feeder = feeders.create_feeder(unit.session, unit.principal, {"gate": request_.gate_id, **fields})
    model = feeders.GENERIC if request_.url is None else feeders.STATIC_WEBSERVICE
    child = request_.model_dump(include={"url", "script", "parameters", "credentials"}, exclude_none=True)
    services = unit.services
    feeders.set_child(unit.session, unit.principal, services.vault, services.settings, feeder.id, model, child)
    return _shown(feeder)


@router.serve("GET", "/feeders/{feeder_id}", area="series", right="read")
def get_feeder(unit: Unit, feeder_id: str) -> Feeder:
    """Return a feeder."""
    return _shown(_feeder(unit, feeder_id, "read"))


@router.serve("PATCH", "/feeders/{feeder_id}", area="series", right="write", body="large")
def update_feeder(unit: Unit, feeder_id: str, request_: FeederChanges) -> Feeder:
    """Change a feeder."""
    given = request_.model_dump(exclude_unset=True)
    nulls = [name for name, value in given.items() if value is None and name != "credentials"]
    if nulls:
        raise InvalidInput(fields={name: ["This field may not be null."] for name in nulls})
    feeder = _feeder(unit, feeder_id, "write")
    own: dict[str, Any] = {name: given.pop(name) for name in ("crontab", "timezone", "active") if name in given}
    feeders.update_feeder(unit.session, unit.principal, feeder_id, own)
    if given:
        wrong = "url" if feeder.child_model == feeders.GENERIC else "script"
        if feeder.child_model is None or wrong in given:
            raise InvalidInput.field(wrong, "This feeder fetches in another way: make it anew.")
        services, child_id = unit.services, str(feeder.child_id)
        feeders.update_child(
            unit.session, unit.principal, services.vault, services.settings, feeder.child_model, child_id, given
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


def _feeder(unit: Unit, feeder_id: str, right: Right) -> BaseFeeder:
    return configuration.get(unit.session, unit.principal, BaseFeeder, feeder_id, right)


def _job(session: Session, job: JobRecord) -> Job:
    session.flush()
    return Job.model_validate(job)


def _shown(feeder: BaseFeeder) -> Feeder:
    return Feeder(
        id=feeder.id,
        gate_id=feeder.gate_id,
        gate_name=feeder.gate.name,
        project_id=feeder.gate.project_id,
        timezone=feeder.timezone,
        crontab=feeder.crontab,
        active=feeder.active,
        url=feeder.child.get("url"),
        script=feeder.child.get("script"),
        parameters=feeder.child.get("parameters") or {},
        credentials=feeder.credential_names,
        known_host_key=feeder.known_host_key,
        last_run=feeder.last_run,
    )
