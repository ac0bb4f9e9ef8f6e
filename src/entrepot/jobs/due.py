"""Whether anything is due: looks that cost next to nothing, by index, however much waits that is not.

Whoever polls asks here first, and opens no session and takes no lock where the answer is no.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, DateTime, Table, bindparam, func, literal_column, or_, select

from entrepot.db import Instant, now
from entrepot.db.driver import Among, fetch, given
from entrepot.jobs.models import Job, Schedule

_job = cast("Table", Job.__table__)
_schedule = cast("Table", Schedule.__table__)
_INSTANT = Instant()


def jobs(connection: Connection, kinds: Collection[str]) -> bool:
    """Tell whether a job of these kinds waits that may begin, or a worker that has one fell silent."""
    statement = _CLAIMABLE[connection.dialect.name]
    parameters = {"instant": given(now(), _INSTANT, connection.dialect), "kinds": [*kinds]}
    return bool(fetch(connection, statement, parameters))


def running(connection: Connection) -> bool:
    """Tell whether a job runs, anywhere."""
    return bool(fetch(connection, _RUNNING, {}))


def schedules(connection: Connection, instant: datetime) -> bool:
    """Tell whether a schedule is due."""
    return bool(fetch(connection, _FIRING, {"instant": given(instant, _INSTANT, connection.dialect)}))


_instant = bindparam("instant", type_=_INSTANT)
_waits: Any = select(literal_column("1")).select_from(_job)
_waits = _waits.where(_job.c.status == literal_column("'pending'"), _job.c.ready_at <= _instant)
_waits = _waits.where(Among(_job.c.kind, "kinds")).limit(1)
_RUNNING: Any = (
    select(literal_column("1")).select_from(_job).where(_job.c.status == literal_column("'running'")).limit(1)
)
_CLAIMABLE: dict[str, Any] = {
    dialect: select(literal_column("1")).where(
        or_(_waits.exists(), _RUNNING.where(_job.c.lease_until < instant).exists())
    )
    for dialect, instant in (("sqlite", _instant), ("postgresql", func.clock_timestamp(type_=DateTime(timezone=True))))
}
_FIRING: Any = (
    select(literal_column("1")).select_from(_schedule).where(_schedule.c.enabled, _schedule.c.next_at <= _instant)
)
_FIRING = _FIRING.limit(1)
