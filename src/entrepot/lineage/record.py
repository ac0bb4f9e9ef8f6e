"""Recording runs, and answering where a result came from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.lineage.models import Link, Run

_DEEPEST = 20
_AT_ONCE = 1000  # databases take so many values in a statement, and no more than some times that


def begin_run(
    session: Session,
    run_id: str,
    generator_kind: str,
    generator_id: str,
    *,
    organization_id: str,
    project_id: str | None = None,
    user_id: str | None = None,
    script_sha256: str | None = None,
) -> Run:
    """Record that a run started; a run that starts again (its worker died) forgets what it said before."""
    run = session.get(Run, run_id)
    if run is None:
        run = Run(id=run_id, organization_id=organization_id, generator_kind=generator_kind, generator_id=generator_id)
        session.add(run)
    run.project_id, run.user_id, run.script_sha256 = project_id, user_id, script_sha256
    run.started, run.ended, run.status = now(), None, "running"
    session.flush()
    return run


def end_run(session: Session, run_id: str, status: str, report: dict[str, Any]) -> None:
    """Record how a run ended and its report."""
    run = session.get(Run, run_id)
    if run is not None:
        run.ended, run.status, run.report = now(), status, report


def record_ended(session: Session, runs: Sequence[Run], links: Sequence[Link]) -> None:
    """Record runs that ended elsewhere, many at once; one that is known by its id is replaced, with its links."""
    for start in range(0, len(runs), _AT_ONCE):
        session.execute(delete(Run).where(Run.id.in_([run.id for run in runs[start : start + _AT_ONCE]])))
    session.add_all(runs)
    session.flush()
    session.add_all(links)


def read(
    session: Session,
    run_id: str,
    kind: str,
    result_id: str,
    start: int | None = None,
    stop: int | None = None,
    **detail: Any,
) -> None:
    """Record that the run read a result, for series an interval of it."""
    _link(session, "in", run_id, kind, result_id, start, stop, detail)


def made(
    session: Session,
    run_id: str,
    kind: str,
    result_id: str,
    start: int | None = None,
    stop: int | None = None,
    **detail: Any,
) -> None:
    """Record that the run made a result, for series an interval of it."""
    _link(session, "out", run_id, kind, result_id, start, stop, detail)


def made_many(session: Session, run_id: str, kind: str, results: Mapping[str, dict[str, Any]]) -> None:
    """Record that the run made many results, each with its detail."""
    common = {"run_id": run_id, "direction": "out", "kind": kind}
    if results:
        session.connection().execute(
            insert(Link), [common | {"result_id": id_, "detail": d} for id_, d in results.items()]
        )


def forget(session: Session, kind: str, result_ids: Iterable[str]) -> None:
    """Drop what is known of results that were deleted."""
    session.execute(delete(Link).where(Link.kind == kind, Link.result_id.in_(list(result_ids))))


def explain(session: Session, kind: str, result_id: str, at: int | None = None, depth: int = 5) -> list[dict[str, Any]]:
    """Return the runs that made a result, newest first, each with what it read and where that came from.

    Parameters
    ----------
    kind, result_id
        The result, as it was recorded.
    at
        For series: the instant of the point in question, in microseconds since the epoch.
    depth
        How many runs upstream to follow, 20 at most.
    """
    query = (
        select(Link, Run)
        .join(Run, Run.id == Link.run_id)
        .where(Link.kind == kind, Link.result_id == result_id, Link.direction == "out")
        .order_by(Run.started.desc(), Link.pk.desc())
    )
    if at is not None:
        query = query.where(or_(Link.start.is_(None), Link.start <= at), or_(Link.stop.is_(None), Link.stop > at))
    return [_explained(session, run, depth) for _, run in session.execute(query.limit(1 if at is not None else 20))]


def _explained(session: Session, run: Run, depth: int) -> dict[str, Any]:
    inputs = session.scalars(select(Link).where(Link.run_id == run.id, Link.direction == "in").order_by(Link.pk))
    return {
        "run": run.id,
        "generator": {"kind": run.generator_kind, "id": run.generator_id},
        "script_sha256": run.script_sha256,
        "started": run.started.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "status": run.status,
        "inputs": [
            {
                "kind": link.kind,
                "id": link.result_id,
                "start": link.start,
                "stop": link.stop,
                **link.detail,
                "made_by": explain(session, link.kind, link.result_id, link.start, min(depth, _DEEPEST) - 1)
                if depth > 0
                else [],
            }
            for link in inputs
        ],
    }


def _link(
    session: Session,
    direction: str,
    run_id: str,
    kind: str,
    result_id: str,
    start: int | None,
    stop: int | None,
    detail: dict[str, Any],
) -> None:
    session.add(
        Link(run_id=run_id, direction=direction, kind=kind, result_id=result_id, start=start, stop=stop, detail=detail)
    )
