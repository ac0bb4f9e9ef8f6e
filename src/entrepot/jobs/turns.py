"""Whose turn it is: the order in which waiting jobs are claimed, fair to organizations, projects and generators.

The next job is one of the organization that has the fewest jobs of the pool running, and of those the one whose last
turn is the longest ago; within it, of the project of which the same is true. Within a project every key (a generator, a
webhook, whoever exports) has its first job claimed before anyone's second: ``Job.place`` says how many wait before it.

What this costs depends on how many tenants wait, not on how many jobs: the index of waiting jobs is jumped through from
tenant to tenant, and of each only the head is looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from entrepot.db.types import Instant
from entrepot.jobs.models import Job, Turn

#: Jobs of one tenant that claimants of the same moment may pass on to, each finding the first ones taken.
_AHEAD = 16
#: The tenant of the server's own jobs.
SERVER = "/"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_job = cast("Table", Job.__table__)
_turn = cast("Table", Turn.__table__)


#: As the index of waiting and running jobs by their keys says it, or SQLite would not see that it can be used.
_PENDING_BY_KEY = (
    _job.c.status.in_([literal_column("'pending'"), literal_column("'running'")]),
    _job.c.status == literal_column("'pending'"),
)


def tenant_of(organization_id: str | None, project_id: str | None) -> str:
    """Return the name under which jobs take turns; that of the server's own ones is :data:`SERVER`."""
    return f"{organization_id or ''}/{project_id or ''}"


@lru_cache(32)
def candidates(kinds: tuple[str, ...], dialect: str) -> Select[Any]:
    """Return the statement that selects the numbers of claimable jobs of these kinds, fairest first.

    Its parameters are ``instant`` (now), ``pool``, and ``full``: the tenants that get no more for now.
    """
    lane = _lanes(kinds)
    head = _job.alias("head")
    first = (
        select(head.c.number)
        .where(*_waits(head), head.c.kind == lane.c.kind, head.c.tenant == lane.c.tenant, _is_free(head))
        .order_by(*_urgency(head))
        .correlate(lane)
    )
    wanted = lane.c.tenant.is_not(None) & lane.c.tenant.not_in(bindparam("full", expanding=True))
    if dialect == "postgresql":
        several = first.limit(_AHEAD).lateral("several")
        heads = select(several.c.number).select_from(lane.join(several, true())).where(wanted).cte("heads")
    else:  # one writer at a time: nobody else takes the first
        heads = select(first.limit(1).scalar_subquery().label("number")).where(wanted).cte("heads")
    running = _running(kinds)
    organization = func.coalesce(_job.c.organization_id, "")
    return (
        select(_job.c.number)
        .join(heads, heads.c.number == _job.c.number)
        .where(*_waits(_job))
        .order_by(
            _sum(running, running.c.organization == organization),
            _last_turn(organization),
            _sum(running, running.c.tenant == _job.c.tenant),
            _last_turn(_job.c.tenant),
            *_urgency(_job),
        )
    )


def took(session: Session, pool: str, jobs: Iterable[Job], instant: datetime) -> None:
    """Remember whose turn it was."""
    holders = {holder for job in jobs for holder in (job.organization_id or "", job.tenant)}
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    # In one order, or two claimants could wait for each other.
    for holder in sorted(holders):
        statement = insert(_turn).values(pool=pool, holder=holder, taken_at=instant)
        session.execute(statement.on_conflict_do_update(index_elements=["pool", "holder"], set_={"taken_at": instant}))


def forget(session: Session, before: datetime) -> None:
    """Forget turns that were so long ago that they count as none."""
    session.execute(delete(_turn).where(_turn.c.taken_at < before))


def next_place(session: Session, key: str) -> int:
    """Return how many turns the jobs of a key have to wait for, before another one that comes now."""
    last = (
        select(_job.c.place)
        .where(_job.c.key == key, *_PENDING_BY_KEY)
        .order_by(_job.c.run_at.desc(), _job.c.number.desc())
        .limit(1)
    )
    found: int | None = session.scalar(last)
    return 0 if found is None else found + 1


def next_places(session: Session, keys: Sequence[str]) -> defaultdict[str, int]:
    """Return :func:`next_place` of many keys."""
    query = select(_job.c.key, _job.c.place).where(_job.c.key.in_(keys), *_PENDING_BY_KEY)
    # The last of each key counts.
    found = session.execute(query.order_by(_job.c.run_at, _job.c.number))
    return defaultdict(int, {key: place + 1 for key, place in found})


def _lanes(kinds: tuple[str, ...]) -> CTE:
    """Return each kind with each tenant of whom jobs wait, found by as many look-ups in the index."""
    one = _job.alias("one")
    waiting = select(func.min(one.c.tenant)).where(one.c.status == literal_column("'pending'"))
    kind = union_all(*(select(literal(kind).label("kind")) for kind in kinds)).subquery("kinds").c.kind
    lane = select(kind, waiting.where(one.c.kind == kind).scalar_subquery().label("tenant")).cte("lane", recursive=True)
    following = waiting.where(one.c.kind == lane.c.kind, one.c.tenant > lane.c.tenant).scalar_subquery()
    return lane.union_all(select(lane.c.kind, following).where(lane.c.tenant.is_not(None)))


def _running(kinds: tuple[str, ...]) -> CTE:
    one = _job.alias("busy")
    organization = func.coalesce(one.c.organization_id, "").label("organization")
    return (
        select(organization, one.c.tenant, func.count().label("jobs"))
        .where(one.c.status == literal_column("'running'"), one.c.kind.in_(kinds))
        .group_by(organization, one.c.tenant)
        .cte("running")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )


def _sum(running: CTE, whose: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(select(func.sum(running.c.jobs)).where(whose).correlate(_job).scalar_subquery(), 0)


def _last_turn(holder: ColumnElement[Any]) -> ColumnElement[Any]:
    taken = select(_turn.c.taken_at).where(_turn.c.pool == bindparam("pool"), _turn.c.holder == holder).correlate(_job)
    return func.coalesce(taken.scalar_subquery(), literal(_LONG_AGO, Instant()))


def _waits(table: Any) -> tuple[ColumnElement[bool], ...]:
    # Spelled out, or the database cannot know that the index of waiting jobs has all that is asked for.
    return table.c.status == literal_column("'pending'"), table.c.ready_at <= bindparam("instant", type_=Instant())


def _urgency(table: Any) -> tuple[ColumnElement[Any], ...]:
    return table.c.priority.desc(), table.c.place, table.c.run_at, table.c.number


def _is_free(table: Any) -> ColumnElement[bool]:
    """Tell whether no earlier job of the same key waits or runs."""
    earlier = _job.alias("earlier")
    before = or_(
        earlier.c.run_at < table.c.run_at,
        and_(earlier.c.run_at == table.c.run_at, earlier.c.number < table.c.number),
    )
    blocked = (
        select(earlier.c.number)
        .where(
            earlier.c.key == table.c.key,
            earlier.c.status.in_([literal_column("'pending'"), literal_column("'running'")]),
            or_(earlier.c.status == literal_column("'running'"), before),
        )
        .exists()
    )
    return or_(table.c.key.is_(None), ~blocked)
