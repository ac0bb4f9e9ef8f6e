"""Configuring what fetches files into gates."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import advisory_lock, new_id
from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import Principal, Right, Vault, limits
from entrepot.jobs import schedules
from entrepot.pipeline.configuration import assign, check_crontab, check_timezone, get, naming, remove
from entrepot.pipeline.feeders.options import Address, Credentials, Options
from entrepot.pipeline.models import BaseFeeder, FedFile, Gate
from entrepot.settings import Settings

#: How a feeder fetches: by a script, or from an address.
GENERIC, STATIC_WEBSERVICE = "genericbasicfeeder", "staticwebservicefeeder"
_LONGEST_SCRIPT = 1_000_000


def create_feeder(session: Session, principal: Principal, fields: Mapping[str, Any]) -> BaseFeeder:
    """Create a gate's feeder.

    Parameters
    ----------
    fields
        ``gate`` (an id) and perhaps ``timezone``, ``crontab`` (in that zone), ``active``.
    """
    values = dict(fields)
    gate = get(session, principal, Gate, values.pop("gate"), "write")
    advisory_lock(session, "feeder", gate.id)
    if session.scalar(select(BaseFeeder.id).where(BaseFeeder.gate_id == gate.id)):
        raise InvalidInput.field("gate", "This gate has a feeder already.")
    _check(values)
    feeder = BaseFeeder(gate=gate, child={}, **values)
    session.add(feeder)
    session.flush()
    _schedule(session, feeder)
    return feeder


def update_feeder(session: Session, principal: Principal, feeder_id: str, fields: Mapping[str, Any]) -> BaseFeeder:
    """Change a feeder's ``timezone``, ``crontab`` or ``active``."""
    feeder = get(session, principal, BaseFeeder, feeder_id, "write")
    _check(fields)
    if assign(feeder, fields):
        session.flush()
        _schedule(session, feeder)
    return feeder


def delete_feeder(session: Session, principal: Principal, feeder_id: str) -> None:
    """Delete a feeder; its gate and files stay."""
    feeder = get(session, principal, BaseFeeder, feeder_id, "write")
    schedules.remove(session, schedule_name(feeder.id))
    jobs.idle.forget(session, key=_key(feeder))
    remove(session, feeder)


def start(session: Session, feeder: BaseFeeder, user_id: str | None = None) -> jobs.Job:
    """Have a feeder fetch into its gate."""
    job = jobs.enqueue(
        session,
        "feeder.feed",
        {"id": feeder.id},
        organization_id=feeder.gate.organization_id,
        project_id=feeder.gate.project_id,
        user_id=user_id,
        key=_key(feeder),
        coalesce=f"feeder.feed:{feeder.id}",
    )
    limits.grown(session, job.organization_id, "jobs", job.created_now)
    return job


def start_test(session: Session, feeder: BaseFeeder, user_id: str | None = None) -> jobs.Job:
    """Have a feeder connect and list its source, without fetching."""
    job = jobs.enqueue(
        session,
        "feeder.test",
        {"id": feeder.id},
        organization_id=feeder.gate.organization_id,
        project_id=feeder.gate.project_id,
        user_id=user_id,
    )
    limits.grown(session, job.organization_id, "jobs", 1)
    return job


def get_child(session: Session, principal: Principal, model: str, child_id: str, right: Right = "read") -> BaseFeeder:
    """Return the feeder that has this child, the settings of how it fetches."""
    query = select(BaseFeeder.id).where(BaseFeeder.child_id == child_id, BaseFeeder.child_model == model)
    feeder_id = session.scalar(query)
    if feeder_id is None:
        raise NotFound("Feeder not found.")
    return get(session, principal, BaseFeeder, feeder_id, right)


def set_child(
    session: Session,
    principal: Principal,
    vault: Vault,
    settings: Settings,
    feeder_id: str,
    model: str,
    fields: Mapping[str, Any],
) -> BaseFeeder:
    """Choose how a feeder fetches: by a ``genericbasicfeeder`` (a script) or a ``staticwebservicefeeder`` (an address).

    Parameters
    ----------
    fields
        ``script`` or ``url``; ``parameters``, those of :class:`.options.Options`; ``credentials``, those of
        :class:`.options.Credentials`, which are kept encrypted.
    """
    feeder = get(session, principal, BaseFeeder, feeder_id, "write")
    if feeder.child_model is not None:
        raise InvalidInput.field("base_feeder", "This feeder has its settings already: change or delete them.")
    feeder.child_model, feeder.child_id, feeder.child = model, new_id(), {}
    _assign_child(session, vault, settings, feeder, fields)
    return feeder


def update_child(
    session: Session,
    principal: Principal,
    vault: Vault,
    settings: Settings,
    model: str,
    child_id: str,
    fields: Mapping[str, Any],
) -> BaseFeeder:
    """Change settings of how a feeder fetches; those not given stay.

    With another address, credentials have to be given again, and what was fetched from the old one is forgotten.
    """
    feeder = get_child(session, principal, model, child_id, "write")
    _assign_child(session, vault, settings, feeder, fields)
    return feeder


def remove_child(session: Session, principal: Principal, model: str, child_id: str) -> None:
    """Leave a feeder without a way to fetch."""
    feeder = get_child(session, principal, model, child_id, "write")
    feeder.child_model, feeder.child_id, feeder.child = None, None, {}
    feeder.credentials, feeder.credential_names = None, []
    _forget(session, feeder)


def schedule_name(feeder_id: str) -> str:
    """Return the name of a feeder's schedule."""
    return f"feeder:{feeder_id}"


def _assign_child(
    session: Session, vault: Vault, settings: Settings, feeder: BaseFeeder, fields: Mapping[str, Any]
) -> None:
    values = dict(fields)
    old_url = feeder.child.get("url")
    child = {**feeder.child, **{name: value for name, value in values.items() if name != "credentials"}}
    allowed = tuple(settings.webhook_allowed_networks)
    if child.get("url"):
        Address.parse(child["url"], allowed)
    if len(child.get("script") or "") > _LONGEST_SCRIPT:
        raise InvalidInput.field("script", f"This has more than {_LONGEST_SCRIPT} characters.")
    options = Options.read(child.get("parameters"), "parameters")
    if options.endpoint is not None:
        with naming("parameters"):
            Address.parse(options.endpoint, allowed)
    moved = old_url is not None and _origin(child) != _origin(feeder.child)
    if "credentials" in values:
        given = Credentials.read(values["credentials"], "credentials").model_dump(exclude_none=True)
        feeder.credentials = vault.encrypt(orjson.dumps(given).decode()) if given else None
        feeder.credential_names = sorted(given)
    elif moved and feeder.credentials is not None:
        # Otherwise whoever may change the address could have them sent to a server of their own.
        raise InvalidInput.field("credentials", "Give them again with another address.")
    if moved or "host_key" in (values.get("parameters") or {}):
        feeder.known_host_key = None
    if old_url is not None and child.get("url") != old_url:
        _forget(session, feeder)
    if child != feeder.child or "credentials" in values:
        feeder.touch()
    feeder.child = child
    session.flush()


def _origin(child: Mapping[str, Any]) -> Any:
    """Return what a source's credentials are shown to."""
    return urlsplit(child.get("url") or "")[:2], (child.get("parameters") or {}).get("endpoint")


def _forget(session: Session, feeder: BaseFeeder) -> None:
    feeder.state = feeder.known_host_key = None
    session.execute(delete(FedFile).where(FedFile.feeder_id == feeder.id, FedFile.staged.is_(None)))
    session.flush()


def _schedule(session: Session, feeder: BaseFeeder) -> None:
    """Bring a feeder's schedule in line with its configuration."""
    if not feeder.active or not feeder.crontab:
        schedules.remove(session, schedule_name(feeder.id))
        return
    schedules.set(
        session,
        schedule_name(feeder.id),
        feeder.crontab,
        feeder.timezone,
        "feeder.feed",
        {"id": feeder.id, "scheduled": True},
        key=_key(feeder),
        organization_id=feeder.gate.organization_id,
        project_id=feeder.gate.project_id,
    )


def _key(feeder: BaseFeeder) -> str:
    return f"feeder:{feeder.id}"


def _check(fields: Mapping[str, Any]) -> None:
    check_timezone(fields)
    check_crontab(fields)
