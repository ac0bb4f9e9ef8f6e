"""Where results come from."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from sqlalchemy import String, cast, select

from entrepot import lineage
from entrepot.errors import NotFound
from entrepot.lineage import Link, Run
from entrepot.rows import analyses
from entrepot.rows.models import Row
from entrepot.server.api.places import number_of
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["lineage"])
_MOST_RUNS = 100
Kind = Annotated[str, Path(description="`series`, `result_set`, `row`, `work`, `file` or `gate file`.")]


@router.serve("GET", "/lineage/{kind}/{result_id:path}", area="series", right="read")
def explain(
    unit: Unit,
    kind: Kind,
    result_id: str,
    at: Annotated[datetime | None, Query(description="For series: the instant of the point in question.")] = None,
    depth: Annotated[int, Query(ge=0, le=20, description="How many runs upstream to follow.")] = 5,
) -> list[dict[str, Any]]:
    """Return the runs that made a result, each with what it read and where that came from."""
    within = unit.principal.within(Run)
    if kind == "result_set":
        stored = analyses.get(unit.session, unit.principal, number_of(result_id))
        rows = select(cast(Row.id, String)).where(
            Row.organization_id == stored["organization_id"], Row.analysis_id == stored["id"]
        )
        made = (Link.kind == "row", Link.direction == "out", Link.result_id.in_(rows))
        query = select(Link.run_id, Link.result_id).join(Run, Run.id == Link.run_id).where(*made, within)
        by_run = dict(unit.session.execute(query.order_by(Run.started.desc()).limit(_MOST_RUNS)).all())
        found = [lineage.explain(unit.session, "row", row, None, depth, within=within) for row in {*by_run.values()}]
        return list({run["run"]: run for runs in found for run in runs}.values())
    known = (
        select(Run.id)
        .join(Link, Link.run_id == Run.id)
        .where(Link.kind == kind, Link.result_id == result_id, within)
        .limit(1)
    )
    if unit.session.scalar(known) is None:
        raise NotFound("Nothing is known of this result.")
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    instant = None if at is None else round(at.timestamp() * 1_000_000)
    return lineage.explain(unit.session, kind, result_id, instant, depth, within=within)
