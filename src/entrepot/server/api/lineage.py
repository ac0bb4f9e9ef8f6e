"""Where results come from."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import select

from entrepot import lineage
from entrepot.errors import NotFound
from entrepot.lineage import Link, Run
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["lineage"])


@router.serve("GET", "/lineage/{kind}/{result_id:path}", area="series", right="read")
def explain(
    unit: Unit,
    kind: str,
    result_id: str,
    at: Annotated[datetime | None, Query(description="For series: the instant of the point in question.")] = None,
    depth: Annotated[int, Query(ge=0, le=20, description="How many runs upstream to follow.")] = 5,
) -> list[dict[str, Any]]:
    """Return the runs that made a result, each with what it read and where that came from."""
    within = unit.principal.within(Run)
    known = (
        select(Run.id)
        .join(Link, Link.run_id == Run.id)
        .where(Link.kind == kind, Link.result_id == result_id, within)
        .limit(1)
    )
    if unit.session.scalar(known) is None:
        raise NotFound("Nothing is known of this result.")
    instant = None
    if at is not None:
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        instant = round(aware.timestamp() * 1_000_000)
    return lineage.explain(unit.session, kind, result_id, instant, depth, within=within)
