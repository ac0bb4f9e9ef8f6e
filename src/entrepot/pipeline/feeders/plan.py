"""How a run of a feeder begins and ends in the database."""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import now
from entrepot.errors import EntrepotError
from entrepot.events import emit, notifications
from entrepot.jobs import schedules
from entrepot.net import Network
from entrepot.pipeline.feeders.arrivals import Deleted, require_feeder
from entrepot.pipeline.feeders.configuration import SCRIPT, schedule_name
from entrepot.pipeline.feeders.options import Address, Credentials, Options
from entrepot.pipeline.feeders.reporting import Report
from entrepot.pipeline.feeders.sources.base import Access
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.generators.notices import RUN_FAILED
from entrepot.pipeline.generators.reports import leave_a_count, payload_of
from entrepot.pipeline.models import FedFile, Feeder
from entrepot.scripts import ScriptError

KIND = "feeder"


@dataclass(frozen=True)
class Plan:
    """What a run needs to know.

    Attributes
    ----------
    address, script
        One of the two: where to fetch, or what fetches.
    state
        What the script gave to the next one.
    """

    feeder_id: str
    gate_id: str
    gate_name: str
    timezone: str
    quota: gate_files.Quota
    options: Options
    credentials: Credentials
    known_host_key: str | None
    allowed: tuple[Network, ...]
    address: Address | None
    script: str | None
    state: Any

    @property
    def origin(self) -> str:
        """What lineage calls the source."""
        return self.address.url if self.address else "script"

    @property
    def is_single(self) -> bool:
        """Whether the address is that of one file."""
        address = self.address
        return (
            address is not None
            and address.scheme.startswith("http")
            and (bool(address.query) or not address.path.endswith("/"))
        )

    def access(self, seconds: float, known_host_key: str | None) -> Access:
        """Return how to reach the source, for so long."""
        assert self.address is not None
        return Access(self.address, self.options, self.credentials, self.allowed, max(seconds, 0.1), known_host_key)


def begin(context: jobs.JobContext) -> Plan | str:
    """Record that the run begins; return why there is nothing to do, where nobody asked for the run."""
    with context.unit() as session:
        scheduled = bool(payload_of(context).get("scheduled"))
        try:
            plan = plan_of(context, session)
        except jobs.Refused as error:
            if not scheduled:
                raise
            if isinstance(error, Deleted):
                schedules.remove(session, schedule_name(payload_of(context)["id"]))
            return error.message
        gate = require_feeder(session, plan.feeder_id).gate
        context.about["name"] = gate.name
        lineage.begin_run(
            session,
            context.job.id,
            KIND,
            plan.feeder_id,
            organization_id=gate.organization_id,
            project_id=gate.project_id,
            user_id=context.job.user_id,
            script_sha256=hashlib.sha256(plan.script.encode()).hexdigest() if plan.script is not None else None,
        )
        return plan


def plan_of(context: jobs.JobContext, session: Session) -> Plan:
    """Return what the run is to do; Refused when the feeder cannot fetch as it is."""
    feeder = require_feeder(session, payload_of(context)["id"])
    gate, source = feeder.gate, feeder.source
    script = source.get("script") if feeder.source_kind == SCRIPT else None
    url = None if script is not None else source.get("url")
    if not (script or "").strip() and not url:
        raise jobs.Refused("The feeder has neither an address nor a script.")
    secret = feeder.credentials
    allowed = tuple(context.settings.webhook_allowed_networks)
    return Plan(
        feeder_id=feeder.id,
        gate_id=gate.id,
        gate_name=gate.name,
        timezone=feeder.timezone,
        quota=gate_files.Quota(gate.quota_bytes, gate.quota_files),
        options=Options.read(source.get("parameters"), "parameters"),
        credentials=Credentials()
        if secret is None
        else Credentials.read(orjson.loads(context.services["vault"].decrypt(secret)), "credentials"),
        known_host_key=feeder.known_host_key,
        allowed=allowed,
        address=None if url is None else Address.parse(url, allowed),
        script=script,
        state=feeder.state,
    )


def known_files(session: Session, feeder_id: str) -> dict[str, FedFile]:
    """Return what is remembered of a source's files, by path."""
    return {row.path: row for row in session.scalars(select(FedFile).where(FedFile.feeder_id == feeder_id))}


def finish(context: jobs.JobContext, plan: Plan, report: Report, state: Any, host_key: str | None) -> dict[str, Any]:
    """End a run that did all that it could."""
    told = report.json()
    with context.unit() as session:
        feeder = require_feeder(session, plan.feeder_id)
        feeder.last_run_at, feeder.state = now(), state
        _keep_host_key(feeder, plan, host_key)
        notifications.resolve(session, feeder.id, RUN_FAILED)
        scheduled = payload_of(context).get("scheduled")
        if scheduled and _is_old_news(session, context, feeder, told) and leave_a_count(context, session):
            return told
        _record(context, session, feeder, "run", "finished", told, {"fetched": report.fetched})
        context.finish(session, told)
    return told


def _is_old_news(session: Session, context: jobs.JobContext, feeder: Feeder, told: dict[str, Any]) -> bool:
    """Tell whether a run fetched nothing, and passed over what the last one that left a row passed over already."""
    if told["fetched_files"]:
        return False
    if not told["skipped"]:
        return True
    last = select(lineage.Run.report).where(
        lineage.Run.generator_id == feeder.id, lineage.Run.id != context.job.id, lineage.Run.ended.is_not(None)
    )
    before = session.scalar(last.order_by(lineage.Run.started.desc()).limit(1)) or {}
    return bool(before.get("skipped") == told["skipped"])


def fail(
    context: jobs.JobContext,
    plan: Plan,
    report: Report,
    error: EntrepotError | ScriptError | None,
    host_key: str | None,
) -> jobs.Failed:
    """Record that a run failed, and return what is to be raised; what it fetched stays."""
    message = report.redacted(report.summary() if error is None else error.message)
    told = {**report.json(), "error": message}
    if isinstance(error, ScriptError):
        told |= {"traceback": report.redacted(error.traceback), "output": report.redacted(error.output)}
    with context.unit() as session:
        feeder = require_feeder(session, plan.feeder_id)
        feeder.last_run_at = now()
        _keep_host_key(feeder, plan, host_key)
        gate = feeder.gate
        notifications.notify(
            session,
            RUN_FAILED,
            f"Run of the feeder of gate {gate.name} failed. {message}",
            organization_id=gate.organization_id,
            project_id=gate.project_id,
            generator_kind=KIND,
            generator_id=feeder.id,
            origin=f"gate {gate.name}",
        )
        _record(context, session, feeder, "failed", "failed", told, {"message": message, "fetched": report.fetched})
    return jobs.Failed(message, told)


def _record(
    context: jobs.JobContext,
    session: Session,
    feeder: Feeder,
    action: str,
    status: str,
    told: dict[str, Any],
    data: dict[str, Any],
) -> None:
    lineage.end_run(session, context.job.id, status, told)
    emit(
        session,
        KIND,
        action,
        feeder.id,
        organization_id=feeder.gate.organization_id,
        project_id=feeder.gate.project_id,
        data={"run": context.job.id, "gate": feeder.gate_id, **data},
    )


def _keep_host_key(feeder: Feeder, plan: Plan, host_key: str | None) -> None:
    # Not that of an address which was changed meanwhile.
    if plan.address is not None and feeder.source.get("url") == plan.address.url:
        feeder.known_host_key = host_key
