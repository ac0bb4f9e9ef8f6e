"""Where results come from."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import String, cast, select

from entrepot import lineage
from entrepot.errors import NotFound
from entrepot.lineage import Link, Run
from entrepot.rows import result_sets
from entrepot.rows.models import Row
from entrepot.server.api.nouns import Page, instant
from entrepot.server.api.places import number_of
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.endpoint import Call

router = NativeRouter(tags=["lineage"])
_MOST_RUNS = 100
_SAID = ("kind", "id", "start", "stop", "sha256", "made_by")
Kind = Annotated[str, Path(description="`series`, `result_set`, `row`, `work`, `file` or `gate file`.")]


class Ran(BaseModel):
    """What ran: an importer, a cleaner, an analysis, an upload; of works, their pipeline."""

    kind: str
    id: str


class ReadResult(BaseModel):
    """What a run read, and the runs that made it."""

    model_config = ConfigDict(populate_by_name=True)

    kind: str
    id: str
    from_: Annotated[datetime | None, Field(alias="from", description="Of series: the first instant; null: all.")]
    to: Annotated[datetime | None, Field(description="The first instant after it.")]
    sha256: Annotated[str | None, Field(description="Of files, as they were read.")]
    detail: Annotated[dict[str, Any], Field(description="What else is known of it, such as its column.")]
    made_by: "list[MakingRun]"


class MakingRun(BaseModel):
    """A run that made a result; what it read is told where it is first met."""

    run: Annotated[str, Field(description="Id.")]
    generator: Ran
    script_sha256: str | None
    started_at: datetime
    ended_at: datetime | None
    status: str
    inputs: list[ReadResult]


@router.serve("GET", "/lineage/{kind}/{result_id:path}", area="series", right="read")
def explain(
    unit: Unit,
    kind: Kind,
    result_id: str,
    at: Annotated[datetime | None, Query(description="For series: the instant of the point in question.")] = None,
    depth: Annotated[int, Query(ge=0, le=20, description="How many runs upstream to follow.")] = 5,
) -> Page[MakingRun]:
    """Return the runs that made a result, each with what it read and where that came from."""
    return Page(items=[_shown(run) for run in explained(unit, kind, result_id, at, depth)])


def explained(
    asker: Unit | Call, kind: str, result_id: str, at: datetime | None = None, depth: int = 5
) -> list[dict[str, Any]]:
    """Return what :func:`explain` answers, to whoever may read the runs in question."""
    within = asker.principal.within(Run)
    if kind == "result_set":
        stored = result_sets.get(asker.session, asker.principal, number_of(result_id))
        rows = select(cast(Row.id, String)).where(
            Row.organization_id == stored["organization_id"], Row.result_set_id == stored["id"]
        )
        made = (Link.kind == "row", Link.direction == "out", Link.result_id.in_(rows))
        query = select(Link.run_id, Link.result_id).join(Run, Run.id == Link.run_id).where(*made, within)
        by_run = dict(asker.session.execute(query.order_by(Run.started_at.desc()).limit(_MOST_RUNS)).all())
        found = [lineage.explain(asker.session, "row", row, None, depth, within=within) for row in {*by_run.values()}]
        return list({run["run"]: run for runs in found for run in runs}.values())
    known = (
        select(Run.id)
        .join(Link, Link.run_id == Run.id)
        .where(Link.kind == kind, Link.result_id == result_id, within)
        .limit(1)
    )
    if asker.session.scalar(known) is None:
        raise NotFound("Nothing is known of this result.")
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    point = None if at is None else round(at.timestamp() * 1_000_000)
    return lineage.explain(asker.session, kind, result_id, point, depth, within=within)


def sha256_of(read: Mapping[str, Any]) -> str | None:
    """Return the hash of what a run read, where it is known; of works, it is what their documents say."""
    told = read.get("sha256")
    return told if isinstance(told, str) else None


def _shown(run: Mapping[str, Any]) -> MakingRun:
    return MakingRun(**{**run, "inputs": [_read(one) for one in run["inputs"]]})


def _read(one: Mapping[str, Any]) -> ReadResult:
    return ReadResult(
        kind=one["kind"],
        id=one["id"],
        from_=_instant(one["start"]),
        to=_instant(one["stop"]),
        sha256=sha256_of(one),
        detail={name: value for name, value in one.items() if name not in _SAID},
        made_by=[_shown(run) for run in one["made_by"]],
    )


def _instant(microseconds: int | None) -> datetime | None:
    """Return an instant; None for one beyond the calendar, by which all is meant."""
    try:
        return instant(microseconds)
    except (OverflowError, ValueError):
        return None
