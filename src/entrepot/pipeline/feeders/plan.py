"""What a run of a feeder needs to know, and what it remembers for the next."""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import lineage
from entrepot.net import Network
from entrepot.pipeline.feeders.configuration import SCRIPT
from entrepot.pipeline.feeders.options import Address, Credentials, Options
from entrepot.pipeline.feeders.sources.base import Access
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.generators.frame import Run, Unready
from entrepot.pipeline.models import FedFile, Feeder


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


def plan_of(run: Run[Feeder], _session: Session, feeder: Feeder) -> Plan:
    """Return what the run is to do.

    Raises
    ------
    Unready
        The feeder cannot fetch as it is.
    """
    context, gate, source, script = run.context, feeder.gate, feeder.source, script_of(feeder)
    url = None if script is not None else source.get("url")
    if not (script or "").strip() and not url:
        raise Unready("The feeder has neither an address nor a script.")
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


def script_of(feeder: Feeder) -> str | None:
    """Return the script by which a feeder fetches, if so."""
    return feeder.source.get("script") if feeder.source_kind == SCRIPT else None


def is_news(session: Session, run: Run[Feeder]) -> bool:
    """Tell whether a run fetched anything, or passed over other files than the last one that left a row."""
    if run.report["fetched_files"]:
        return True
    last = select(lineage.Run.report).where(
        lineage.Run.generator_id == run.of, lineage.Run.id != run.id, lineage.Run.ended_at.is_not(None)
    )
    before = session.scalar(last.order_by(lineage.Run.started_at.desc()).limit(1)) or {}
    return bool(run.report["skipped"] and before.get("skipped") != run.report["skipped"])


def keep_host_key(feeder: Feeder, plan: Plan, host_key: str | None) -> None:
    """Remember by which key the source was known, but not where the address was changed meanwhile."""
    if plan.address is not None and feeder.source.get("url") == plan.address.url:
        feeder.known_host_key = host_key
