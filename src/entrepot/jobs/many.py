"""Jobs that are enqueued at once, as schedules of the same minute do."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from entrepot.db import new_id, now
from entrepot.jobs import turns
from entrepot.jobs.models import Job
from entrepot.jobs.waking import wake_after_commit


def enqueue_all(session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[Job]:
    """Have jobs done at once, as `enqueue` does one by one, with as many statements for many as for one.

    Parameters
    ----------
    wanted
        What is given to each, `coalesce` and `key`, which may be None, included; at most
        :data:`entrepot.db.driver.BATCH`.
    """
    session.connection()
    instant = now()
    alike = Job.coalesce.in_([each["coalesce"] for each in wanted])
    query = select(Job).where(alike, Job.status == "pending", Job.ready_at <= instant)
    known = {
        (job.kind, job.coalesce): job.id
        for job in session.scalars(query.order_by(Job.number.desc()).with_for_update(skip_locked=True))
    }
    places = turns.next_places(session, [each["key"] for each in wanted if each["key"] is not None])
    new: dict[str, dict[str, Any]] = {}
    ids = []
    for each in wanted:
        if (id_ := known.get((each["kind"], each["coalesce"]))) is None:
            id_ = known[each["kind"], each["coalesce"]] = new_id()
            tenant = turns.tenant_of(each["organization_id"], each["project_id"])
            new[id_] = {**each, "id": id_, "tenant": tenant, "place": 0, "run_at": instant, "ready_at": instant}
            if each["key"] is not None:
                new[id_]["place"] = places[each["key"]]
                places[each["key"]] += 1
        ids.append(id_)
    if new:
        session.execute(insert(Job), [*new.values()])
        wake_after_commit(session)
    found = {job.id: job for job in session.scalars(select(Job).where(Job.id.in_(set(ids))))}
    for id_, job in found.items():
        job.created_now = id_ in new
    return [found[id_] for id_ in ids]
