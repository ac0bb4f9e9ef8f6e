"""Recording runs, and answering where a result came from."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, delete, exists, or_, select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.db.driver import add_rows
from entrepot.lineage.models import Link, Run

_links: Table = Link.__table__  # type: ignore[assignment]
_DEEPEST = 20
#: Of a result that has no intervals, so many of the runs that made it; and runs told with what they read.
_MOST_MAKERS, _MOST_TOLD = 20, 1000


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
    run.started_at, run.ended_at, run.status = now(), None, "running"
    session.flush()
    return run


def end_run(session: Session, run_id: str, status: str, report: dict[str, Any]) -> None:
    """Record how a run ended and its report."""
    run = session.get(Run, run_id)
    if run is not None:
        run.ended_at, run.status, run.report = now(), status, report


def drop_run(session: Session, run_id: str) -> None:
    """Forget a run that neither read nor made anything."""
    session.execute(delete(Run).where(Run.id == run_id))


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


class Linked(NamedTuple):
    """A result that a run read (``in``) or made (``out``), for series an interval of it."""

    direction: str
    kind: str
    result_id: str
    detail: dict[str, Any]
    start: int | None = None
    stop: int | None = None


def record_links(session: Session, run_id: str, links: Iterable[Linked]) -> None:
    """Record many results that a run read and made."""
    add_rows(session, _links, [{"run_id": run_id, **link._asdict()} for link in links])


def made_many(session: Session, run_id: str, kind: str, results: Mapping[str, dict[str, Any]]) -> None:
    """Record that the run made many results, each with its detail."""
    common = {"run_id": run_id, "direction": "out", "kind": kind}
    add_rows(session, _links, [common | {"result_id": id_, "detail": d} for id_, d in results.items()])


def last_made(session: Session, generator_id: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return what the latest run that made results of this kind made of them, each with its detail."""
    out = (Link.kind == kind, Link.direction == "out")
    latest = (
        select(Run.id)
        .where(Run.generator_id == generator_id, exists().where(Link.run_id == Run.id, *out))
        .order_by(Run.started_at.desc())
        .limit(1)
    )
    run_id = session.scalar(latest)
    links = session.scalars(select(Link).where(Link.run_id == run_id, *out)) if run_id else ()
    return {link.result_id: link.detail for link in links}


def forget(session: Session, kind: str, result_ids: Iterable[str], organization_id: str | None = None) -> None:
    """Drop what is known of results that were deleted; of ids that are not unique, an organization's alone."""
    gone = delete(Link).where(Link.kind == kind, Link.result_id.in_(list(result_ids)))
    if organization_id is not None:
        gone = gone.where(Link.run_id.in_(select(Run.id).where(Run.organization_id == organization_id)))
    session.execute(gone)


def explain(
    session: Session,
    kind: str,
    result_id: str,
    at: int | None = None,
    depth: int = 5,
    *,
    within: ColumnElement[bool] | None = None,
) -> list[dict[str, Any]]:
    """Return the runs that made a result, newest first, each with what it read and where that came from.

    A run is told with what it read where it is first met, and by its id alone after that.

    Parameters
    ----------
    kind, result_id
        The result, as it was recorded.
    at
        For series: the instant of the point in question, in microseconds since the epoch.
    depth
        How many runs upstream to follow, 20 at most.
    within
        Only runs of which this holds: two organizations may use one id (of works) for results of their own.
    """
    span = None if at is None else (at, at + 1)
    return _makers(session, kind, result_id, span, min(depth, _DEEPEST), set(), within)


def _makers(
    session: Session,
    kind: str,
    result_id: str,
    span: tuple[int, int] | None,
    depth: int,
    told: set[str],
    within: ColumnElement[bool] | None,
) -> list[dict[str, Any]]:
    """Return the runs whose part of a result is still there: what a later run made takes the place of it."""
    query = (
        select(Link.start, Link.stop, Run)
        .join(Run, Run.id == Link.run_id)
        .where(Link.kind == kind, Link.result_id == result_id, Link.direction == "out")
        .order_by(Run.started_at.desc(), Link.number.desc())
    )
    if within is not None:
        query = query.where(within)
    if span is None:
        runs = dict.fromkeys(run for _, _, run in session.execute(query.limit(_MOST_MAKERS)))
    else:
        query = query.where(
            or_(Link.start.is_(None), Link.start < span[1]), or_(Link.stop.is_(None), Link.stop > span[0])
        )
        runs, left = {}, [span]
        for start, stop, run in session.execute(query):
            low, high = span[0] if start is None else start, span[1] if stop is None else stop
            rest = [
                (a, b) for first, last in left for a, b in ((first, min(last, low)), (max(first, high), last)) if a < b
            ]
            if rest != left:
                runs[run] = None
            left = rest
            if not left:
                break
    return [_explained(session, run, depth, told, within) for run in runs]


def _explained(
    session: Session, run: Run, depth: int, told: set[str], within: ColumnElement[bool] | None
) -> dict[str, Any]:
    inputs: list[Link] = []
    upstream = Run.organization_id == run.organization_id
    if within is not None:
        upstream &= within
    if run.id not in told and len(told) < _MOST_TOLD:
        told.add(run.id)
        query = select(Link).where(Link.run_id == run.id, Link.direction == "in").order_by(Link.number)
        inputs = list(session.scalars(query))
    return {
        "run": run.id,
        "generator": {"kind": run.generator_kind, "id": run.generator_id},
        "script_sha256": run.script_sha256,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "status": run.status,
        "inputs": [
            {
                **link.detail,
                "kind": link.kind,
                "id": link.result_id,
                "start": link.start,
                "stop": link.stop,
                "made_by": _makers(session, link.kind, link.result_id, _span(link), depth - 1, told, upstream)
                if depth > 0
                else [],
            }
            for link in inputs
        ],
    }


def _span(link: Link) -> tuple[int, int] | None:
    return None if link.start is None or link.stop is None else (link.start, link.stop)


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
