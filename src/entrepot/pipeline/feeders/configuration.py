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
from entrepot.pipeline.models import FedFile, Feeder, Gate
from entrepot.settings import Settings

#: How a feeder fetches: by a script, or from an address.
SCRIPT, ADDRESS = "script", "address"
_LONGEST_SCRIPT = 1_000_000


def create_feeder(session: Session, principal: Principal, fields: Mapping[str, Any]) -> Feeder:
    """Create a gate's feeder.

    Parameters
    ----------
    fields
        ``gate`` (an id) and perhaps ``timezone``, ``schedule`` (in that zone), ``active``.
    """
    values = dict(fields)
    gate = get(session, principal, Gate, values.pop("gate"), "write")
    advisory_lock(session, "feeder", gate.id)
    if session.scalar(select(Feeder.id).where(Feeder.gate_id == gate.id)):
        raise InvalidInput.field("gate", "This gate has a feeder already.")
    _check(values)
    owner = {"organization_id": gate.organization_id, "project_id": gate.project_id}
    feeder = Feeder(gate=gate, source={}, **owner, **values)
    session.add(feeder)
    session.flush()
    _schedule(session, feeder)
    return feeder


def update_feeder(session: Session, principal: Principal, feeder_id: str, fields: Mapping[str, Any]) -> Feeder:
    """Change a feeder's ``timezone``, ``schedule`` or ``active``."""
    feeder = get(session, principal, Feeder, feeder_id, "write")
    _check(fields)
    if assign(feeder, fields):
        session.flush()
        _schedule(session, feeder)
    return feeder


def delete_feeder(session: Session, principal: Principal, feeder_id: str) -> None:
    """Delete a feeder; its gate and files stay."""
    feeder = get(session, principal, Feeder, feeder_id, "write")
    schedules.remove(session, schedule_name(feeder.id))
    jobs.idle.forget(session, key=_key(feeder))
    remove(session, feeder)


def start(session: Session, feeder: Feeder, user_id: str | None = None) -> jobs.Job:
    """Have a feeder fetch into its gate."""
    job = jobs.enqueue(
        session,
        "feeder.feed",
        {"id": feeder.id, "requested": True},
        organization_id=feeder.organization_id,
        project_id=feeder.project_id,
        user_id=user_id,
        key=_key(feeder),
        coalesce=f"feeder.feed:{feeder.id}",
    )
    limits.grown(session, job.organization_id, "jobs", job.created_now)
    return job


def start_test(session: Session, feeder: Feeder, user_id: str | None = None) -> jobs.Job:
    """Have a feeder connect and list its source, without fetching."""
    job = jobs.enqueue(
        session,
        "feeder.test",
        {"id": feeder.id},
        organization_id=feeder.organization_id,
        project_id=feeder.project_id,
        user_id=user_id,
    )
    limits.grown(session, job.organization_id, "jobs", 1)
    return job


def get_source(session: Session, principal: Principal, kind: str, source_id: str, right: Right = "read") -> Feeder:
    """Return the feeder that has this source, the settings of how it fetches."""
    query = select(Feeder.id).where(Feeder.source_id == source_id, Feeder.source_kind == kind)
    feeder_id = session.scalar(query)
    if feeder_id is None:
        raise NotFound("Feeder not found.")
    return get(session, principal, Feeder, feeder_id, right)


def set_source(
    session: Session,
    principal: Principal,
    vault: Vault,
    settings: Settings,
    feeder_id: str,
    kind: str,
    fields: Mapping[str, Any],
) -> Feeder:
    """Choose how a feeder fetches: by a ``script`` or from an ``address``.

    Parameters
    ----------
    fields
        ``script`` or ``url``; ``parameters``, those of :class:`.options.Options`; ``credentials``, those of
        :class:`.options.Credentials`, which are kept encrypted.
    """
    feeder = get(session, principal, Feeder, feeder_id, "write")
    if feeder.source_kind is not None:
        raise InvalidInput.field("feeder", "This feeder has its settings already: change or delete them.")
    feeder.source_kind, feeder.source_id, feeder.source = kind, new_id(), {}
    _assign(session, vault, settings, feeder, fields)
    return feeder


def change_source(
    session: Session,
    principal: Principal,
    vault: Vault,
    settings: Settings,
    kind: str,
    source_id: str,
    fields: Mapping[str, Any],
) -> Feeder:
    """Change settings of how a feeder fetches; those not given stay.

    With another address, credentials have to be given again, and what was fetched from the old one is forgotten.
    """
    feeder = get_source(session, principal, kind, source_id, "write")
    _assign(session, vault, settings, feeder, fields)
    return feeder


def remove_source(session: Session, principal: Principal, kind: str, source_id: str) -> None:
    """Leave a feeder without a way to fetch."""
    feeder = get_source(session, principal, kind, source_id, "write")
    feeder.source_kind, feeder.source_id, feeder.source = None, None, {}
    feeder.credentials, feeder.credential_names = None, []
    _forget(session, feeder)


def schedule_name(feeder_id: str) -> str:
    """Return the name of a feeder's schedule."""
    return f"feeder:{feeder_id}"


def _assign(session: Session, vault: Vault, settings: Settings, feeder: Feeder, fields: Mapping[str, Any]) -> None:
    values = dict(fields)
    old_url = feeder.source.get("url")
    source = {**feeder.source, **{name: value for name, value in values.items() if name != "credentials"}}
    allowed = tuple(settings.webhook_allowed_networks)
    if source.get("url"):
        Address.parse(source["url"], allowed)
    if len(source.get("script") or "") > _LONGEST_SCRIPT:
        raise InvalidInput.field("script", f"This has more than {_LONGEST_SCRIPT} characters.")
    options = Options.read(source.get("parameters"), "parameters")
    if options.endpoint is not None:
        with naming("parameters"):
            Address.parse(options.endpoint, allowed)
    moved = old_url is not None and _origin(source) != _origin(feeder.source)
    if "credentials" in values:
        given = Credentials.read(values["credentials"], "credentials").model_dump(exclude_none=True)
        feeder.credentials = vault.encrypt(orjson.dumps(given).decode()) if given else None
        feeder.credential_names = sorted(given)
    elif moved and feeder.credentials is not None:
        # Otherwise whoever may change the address could have them sent to a server of their own.
        raise InvalidInput.field("credentials", "Give them again with another address.")
    if moved or "host_key" in (values.get("parameters") or {}):
        feeder.known_host_key = None
    if old_url is not None and source.get("url") != old_url:
        _forget(session, feeder)
    if source != feeder.source or "credentials" in values:
        feeder.touch()
    feeder.source = source
    session.flush()


def _origin(source: Mapping[str, Any]) -> Any:
    """Return what a source's credentials are shown to."""
    return urlsplit(source.get("url") or "")[:2], (source.get("parameters") or {}).get("endpoint")


def _forget(session: Session, feeder: Feeder) -> None:
    feeder.state = feeder.known_host_key = None
    session.execute(delete(FedFile).where(FedFile.feeder_id == feeder.id, FedFile.staged.is_(None)))
    session.flush()


def _schedule(session: Session, feeder: Feeder) -> None:
    """Bring a feeder's schedule in line with its configuration."""
    if not feeder.active or not feeder.schedule:
        schedules.remove(session, schedule_name(feeder.id))
        return
    schedules.set(
        session,
        schedule_name(feeder.id),
        feeder.schedule,
        feeder.timezone,
        "feeder.feed",
        {"id": feeder.id, "scheduled": True},
        key=_key(feeder),
        organization_id=feeder.organization_id,
        project_id=feeder.project_id,
    )


def _key(feeder: Feeder) -> str:
    return f"feeder:{feeder.id}"


def _check(fields: Mapping[str, Any]) -> None:
    check_timezone(fields)
    check_crontab(fields)
