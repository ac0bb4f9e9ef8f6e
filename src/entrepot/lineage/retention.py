"""How long runs are kept: until they are old, and what they made is gone or was made anew by later ones.

Runs of what is still there stay as its lineage, condensed: of each generator one run a day, with the sums of the
reports. The last run of each generator stays as it is, and the last that failed.
"""

import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.lineage import results
from entrepot.lineage.models import Link, Run
from entrepot.lineage.spans import Cover, merged, span_of
from entrepot.settings import Settings

PRUNE = "lineage.prune"
_EVERY_SECONDS = 6 * 3600.0
_AT_ONCE, _MOST_LINKS = 1500, 5000
#: When what was found to be there is looked at again.
_AGAIN = timedelta(days=30)
_DAY = timedelta(days=1)
_BAD = ("failed", "server_error", "failure")


def schedule(session: Session) -> None:
    """Have old runs deleted or condensed, some times a day."""
    jobs.schedules.every(session, PRUNE, _EVERY_SECONDS, PRUNE, key=PRUNE)


@jobs.task(PRUNE)
def run(context: jobs.JobContext) -> dict[str, int]:
    """Delete, or condense, the runs of days that ended longer ago than runs are kept."""
    instant = now()
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    before = midnight - timedelta(days=context.settings.run_retention_days)
    return {"reviewed": jobs.in_units(context, lambda session: review(session, context.settings, before, instant))}


def review(session: Session, settings: Settings, before: datetime, instant: datetime) -> int:
    """Delete or condense runs of one generator and day, from before an instant; return how many were looked at."""
    runs = _due(session, before, instant)
    if not runs:
        return 0
    ids = [run.id for run in runs]
    last = _last(session, runs[0], ids)
    alive = _alive(session, settings, runs)
    kept = [run for run in runs if run.id in alive and run.id not in last]
    _delete(session, [id_ for id_ in ids if id_ not in alive and id_ not in last])
    for run in runs:
        run.reviewed_at = instant
    session.flush()
    for group in _groups(kept, alive):
        if len(group) > 1 and not _others(session, group, alive):
            _merge(session, group, alive)
        else:
            for run in group:
                run.report = _sums([run])
    session.flush()
    return len(runs)


def _due(session: Session, before: datetime, instant: datetime) -> Sequence[Run]:
    """Return the runs of one generator and day that are to be looked at: those that never were, or long ago."""
    never, long_ago = Run.reviewed_at.is_(None), Run.reviewed_at < instant - _AGAIN
    for due, order in ((never & (Run.started_at < before), Run.started_at), (long_ago, Run.reviewed_at)):
        first = session.scalar(select(Run).where(due).order_by(order).limit(1))
        if first is None:
            continue
        day = first.started_at.replace(hour=0, minute=0, second=0, microsecond=0)
        of = (Run.organization_id == first.organization_id, Run.generator_id == first.generator_id)
        that_day = (Run.started_at >= day, Run.started_at < day + _DAY, Run.generator_kind == first.generator_kind)
        query = select(Run).where(due, *of, *that_day).order_by(Run.started_at, Run.id).limit(_AT_ONCE)
        # Nobody begins one of them again meanwhile.
        return _few(session, session.scalars(query.with_for_update()).all())
    return []


def _few(session: Session, runs: Sequence[Run]) -> Sequence[Run]:
    """Return the first of these runs, of which there are not too many links for one unit; one at least."""
    count = select(Link.run_id, func.count()).where(Link.run_id.in_([run.id for run in runs])).group_by(Link.run_id)
    links = dict(session.execute(count).all())
    totals = list(itertools.accumulate(links.get(run.id, 0) for run in runs))
    return runs[: max(1, bisect_right(totals, _MOST_LINKS))]


def _last(session: Session, run: Run, ids: Collection[str]) -> set[str]:
    """Return those of the runs that are the last of their generator, or the last that failed, or that still go on."""
    of = (Run.generator_id == run.generator_id, Run.organization_id == run.organization_id)
    latest = select(Run.id).where(*of).order_by(Run.started_at.desc()).limit(1)
    going_on = set(session.scalars(select(Run.id).where(Run.id.in_(ids), Run.ended_at.is_(None))))
    going_on &= set(session.scalars(select(jobs.Job.id).where(jobs.Job.id.in_(going_on))))
    return going_on | {*session.scalars(latest), *session.scalars(latest.where(Run.status.in_(_BAD)))}


def _alive(session: Session, settings: Settings, runs: Sequence[Run]) -> dict[str, list[Link]]:
    """Return, by run, the links to what these runs made that is still there as they made it."""
    by_id = {run.id: run for run in runs}
    query = select(Link).where(Link.run_id.in_(by_id), Link.direction == "out").order_by(Link.number)
    of_kind: defaultdict[str, list[Link]] = defaultdict(list)
    for link in session.scalars(query):
        of_kind[link.kind].append(link)
    alive: defaultdict[str, list[Link]] = defaultdict(list)
    organization_id, first = runs[0].organization_id, runs[0].started_at
    own: list[Link] = []  # to what their run alone read: it keeps no run, but is told of one that stays
    for kind, links in of_kind.items():
        wanted = {link.result_id for link in links}
        there = results.existing(session, settings, kind, organization_id, wanted)
        readers = results.readers(session, kind, organization_id, wanted - there)
        makers = _makers(session, kind, organization_id, [link for link in links if link.result_id in there], first)
        for link in links:
            reading = readers.get(link.result_id, set())
            if link.number in makers or reading - {link.run_id}:
                alive[link.run_id].append(link)
            elif reading:
                own.append(link)
    for link in own:
        if link.run_id in alive:
            alive[link.run_id].append(link)
    return alive


def _makers(session: Session, kind: str, organization_id: str, links: Sequence[Link], first: datetime) -> set[int]:
    """Return the keys of those links whose part of a result no later one took the place of.

    Of results without intervals, such as rows, it is the last one; and the first, with which they began.
    """
    found: set[int] = set()
    mine = {link.number for link in links}
    query = select(Link.result_id, Link.number, Link.start, Link.stop).join(Run, Run.id == Link.run_id)
    query = query.where(Run.organization_id == organization_id, Link.kind == kind, Link.direction == "out")
    if links:
        spans = [span_of(link) for link in links]
        low, high = min(start for start, _ in spans), max(stop for _, stop in spans)
        meets = (Link.start.is_(None) | (Link.start < high), Link.stop.is_(None) | (Link.stop > low))
        later = query.where(Run.started_at >= first, *meets).order_by(Run.started_at.desc(), Link.number.desc())
        covers: defaultdict[str, Cover] = defaultdict(Cover)
        for some in results.parts({link.result_id for link in links}):
            for result_id, number, start, stop in session.execute(later.where(Link.result_id.in_(some))):
                if covers[result_id].add(start, stop):
                    found.add(number)
    began: dict[str, int] = {}
    for some in results.parts({link.result_id for link in links if link.start is None}):
        for result_id, number, *_ in session.execute(
            query.where(Link.result_id.in_(some)).order_by(Run.started_at, Link.number)
        ):
            began.setdefault(result_id, number)
    return mine & (found | set(began.values()))


def _delete(session: Session, ids: Sequence[str]) -> None:
    quietly = {"synchronize_session": False}
    session.execute(delete(Link).where(Link.run_id.in_(ids)), execution_options=quietly)
    gone = {one for one in session.identity_map.values() if isinstance(one, Run) and one.id in set(ids)}
    for one in gone:
        session.expunge(one)
    session.execute(delete(Run).where(Run.id.in_(ids)), execution_options=quietly)


def _groups(runs: Iterable[Run], alive: dict[str, list[Link]]) -> list[list[Run]]:
    """Return runs that can be told as one: finished, by one script, of whose results intervals are known."""
    groups: defaultdict[Any, list[Run]] = defaultdict(list)
    for run in runs:
        together = run.status == "finished" and all(link.start is not None for link in alive[run.id])
        groups[run.script_sha256 if together else (run.id,)].append(run)
    return list(groups.values())


def _others(session: Session, group: Sequence[Run], alive: dict[str, list[Link]]) -> bool:
    """Tell whether another run made something of the same results amid these runs: then their order matters."""
    made = {(link.kind, link.result_id) for run in group for link in alive[run.id]}
    amid = (
        Run.started_at >= group[0].started_at,
        Run.started_at <= group[-1].started_at,
        Run.id.not_in([run.id for run in group]),
    )
    for kind in {kind for kind, _ in made}:
        ids = [result_id for of, result_id in made if of == kind]
        query = select(Link.number).join(Run, Run.id == Link.run_id).where(*amid, Link.direction == "out")
        for some in results.parts(ids):
            if session.scalar(query.where(Link.kind == kind, Link.result_id.in_(some)).limit(1)) is not None:
                return True
    return False


def _merge(session: Session, group: Sequence[Run], alive: dict[str, list[Link]]) -> None:
    """Have the first of these runs stand for all of them."""
    survivor, ids = group[0], [run.id for run in group]
    survivor.ended_at, survivor.report = max(run.ended_at for run in group if run.ended_at is not None), _sums(group)
    if len({run.user_id for run in group}) > 1:
        survivor.user_id = None
    links = [link for run in group for link in alive[run.id]]
    made = merged(links)
    for link in links:  # its number may be given again
        session.expunge(link)
    spanned = (Link.run_id.in_(ids), Link.direction == "in", Link.start.is_not(None), Link.stop.is_not(None))
    read = merged(session.scalars(select(Link).where(*spanned)))
    quietly = {"synchronize_session": False}
    session.execute(delete(Link).where(Link.run_id.in_(ids), Link.direction == "out"), execution_options=quietly)
    session.execute(delete(Link).where(*spanned), execution_options=quietly)
    session.execute(update(Link).where(Link.run_id.in_(ids[1:])).values(run_id=survivor.id), execution_options=quietly)
    session.add_all(Link(run_id=survivor.id, **link) for link in (*made, *read))
    session.flush()
    _delete(session, ids[1:])


def _sums(group: Sequence[Run]) -> dict[str, Any]:
    """Return what is kept of reports: how many runs there were, and the sums of what they counted."""
    sums: defaultdict[str, int | float] = defaultdict(int)
    for run in group:
        for name, value in run.report.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                sums[name] += value
    return {**sums, "condensed": int(sums.get("condensed", 0)) + sum("condensed" not in run.report for run in group)}
