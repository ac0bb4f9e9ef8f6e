"""Configuring what fetches files into gates."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import advisory_lock, new_id
from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import Principal, Right
from entrepot.pipeline.configuration import assign, check_crontab, check_timezone, get, remove
from entrepot.pipeline.models import BaseFeeder, Gate

GENERIC, STATIC_WEBSERVICE = "genericbasicfeeder", "staticwebservicefeeder"


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
    return feeder


def update_feeder(session: Session, principal: Principal, feeder_id: str, fields: Mapping[str, Any]) -> BaseFeeder:
    """Change a feeder's ``timezone``, ``crontab`` or ``active``."""
    feeder = get(session, principal, BaseFeeder, feeder_id, "write")
    _check(fields)
    assign(feeder, fields)
    session.flush()
    return feeder


def delete_feeder(session: Session, principal: Principal, feeder_id: str) -> None:
    """Delete a feeder; its gate and files stay."""
    remove(session, get(session, principal, BaseFeeder, feeder_id, "write"))


def get_child(session: Session, principal: Principal, model: str, child_id: str, right: Right = "read") -> BaseFeeder:
    """Return the feeder that has this child, the settings of how it fetches."""
    query = select(BaseFeeder.id).where(BaseFeeder.child_id == child_id, BaseFeeder.child_model == model)
    feeder_id = session.scalar(query)
    if feeder_id is None:
        raise NotFound("Feeder not found.")
    return get(session, principal, BaseFeeder, feeder_id, right)


def set_child(
    session: Session, principal: Principal, feeder_id: str, model: str, settings: Mapping[str, Any]
) -> BaseFeeder:
    """Choose how a feeder fetches: by a ``genericbasicfeeder`` (a script) or a ``staticwebservicefeeder``."""
    feeder = get(session, principal, BaseFeeder, feeder_id, "write")
    if feeder.child_model is not None:
        raise InvalidInput.field("base_feeder", "This feeder has its settings already: change or delete them.")
    feeder.child_model, feeder.child_id, feeder.child = model, new_id(), dict(settings)
    session.flush()
    return feeder


def update_child(
    session: Session, principal: Principal, model: str, child_id: str, settings: Mapping[str, Any]
) -> BaseFeeder:
    """Change settings of how a feeder fetches; those not given stay."""
    feeder = get_child(session, principal, model, child_id, "write")
    feeder.child = {**feeder.child, **settings}
    session.flush()
    return feeder


def remove_child(session: Session, principal: Principal, model: str, child_id: str) -> None:
    """Leave a feeder without a way to fetch."""
    feeder = get_child(session, principal, model, child_id, "write")
    feeder.child_model, feeder.child_id, feeder.child = None, None, {}
    session.flush()


@jobs.task("feeder.feed")
def feed(_: jobs.JobContext) -> None:
    """Refuse to fetch: feeders keep their settings here, and files come in by the gate's own account."""
    raise jobs.Refused("This server does not fetch from remote sources: send the files to the gate.")


def _check(fields: Mapping[str, Any]) -> None:
    check_timezone(fields)
    check_crontab(fields)
