"""Checking what is stored: `entrepot check`."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import RowMapping, select
from sqlalchemy.orm import Session

from entrepot.errors import EntrepotError
from entrepot.identity import Project
from entrepot.series import codec, extremes, sums
from entrepot.series.chunks import chunk_table, tail_table
from entrepot.series.heads import head_table, series_table
from entrepot.series.models import DISCARDED
from entrepot.series.points import EMPTY, Points, concatenate, merge

_REMEDY = "stop the server and run entrepot check --repair, or restore a backup"


def check(session: Session, number: int | None = None) -> list[str]:
    """Return what is wrong with the stored series (or one of them), a sentence a problem; nothing when all is well.

    Every chunk is decoded, so this takes as long as reading everything.
    """
    return [sentence for sentences in find(session, number).values() for sentence in sentences]


def find(session: Session, number: int | None = None) -> dict[int, list[str]]:
    """Return the same by the keys of the series at fault."""
    statement = (
        select(series_table, *(column for column in head_table.c if not column.primary_key))
        .join_from(series_table, head_table, head_table.c.series == series_table.c.number)
        .where(series_table.c.project_id != DISCARDED)
        .order_by(series_table.c.number)
    )
    if number is not None:
        statement = statement.where(series_table.c.number == number)
    projects = {project.id: project.name for project in session.execute(select(Project.id, Project.name))}
    found: dict[int, list[str]] = {}
    for series in session.execute(statement).mappings().all():
        where = f"series {series['name']} of project {projects.get(series['project_id'], series['project_id'])}"
        if problems := [f"{where}: {problem}; {_REMEDY}" for problem in _problems(session, series)]:
            found[series["number"]] = problems
    return found


def span(bucket: int, width: int) -> str:
    """Say which times a chunk covers."""
    first, stop = (datetime.fromtimestamp(time / 1e6, UTC).isoformat() for time in (bucket, bucket + width))
    return f"from {first} to {stop}"


def _problems(session: Session, series: RowMapping) -> Iterator[str]:
    parts: list[Points] = []
    chunks = select(chunk_table).where(chunk_table.c.series == series["number"]).order_by(chunk_table.c.bucket)
    for chunk in session.execute(chunks):
        where = f"what is stored {span(chunk.bucket, series['width'])}"
        try:
            points = codec.decode(chunk.data)
        except (EntrepotError, RuntimeError, ValueError) as error:
            yield f"{where} cannot be read: {error}"
            return
        parts.append(points)
        if not len(points) or (np.diff(points.times) <= 0).any() or not np.isfinite(points.values).all():
            yield f"{where} is empty, not sorted by time, or holds values that are not finite"
            return
        if tuple(chunk)[2:5] != (len(points), points.times[0], points.times[-1]):
            yield f"{where} does not hold what its row says"
        width = series["width"]
        if not sums.agree(chunk.sums, points, chunk.bucket, width):
            yield f"{where} does not come to the sums that are kept with it"
        if chunk.extremes not in (None, extremes.encode(points, chunk.bucket, width)):
            yield f"{where} does not have the extremes that are kept with it"
        if not width or chunk.bucket % width or not chunk.bucket <= chunk.first <= chunk.last < chunk.bucket + width:
            yield f"{where} is not a window of {width} microseconds"
    tail = session.execute(
        select(tail_table).where(tail_table.c.series == series["number"]).order_by(tail_table.c.time)
    ).all()
    if len(tail) != series["tail"]:
        yield f"the tail has {len(tail)} rows instead of {series['tail']}"
    waiting = Points(np.array([r.time for r in tail], np.int64), np.array([r.value for r in tail], np.float64))
    stored = merge(concatenate(parts) if parts else EMPTY, waiting)
    found: tuple[int, int | None, int | None, float | None] = (len(stored), None, None, None)
    if len(stored):
        found = (len(stored), int(stored.times[0]), int(stored.times[-1]), float(stored.values[-1]))
    said = (series["count"], series["first"], series["last"], series["last_value"])
    if found != said:
        yield f"it is said to hold {_summary(said)}, and holds {_summary(found)}"


def _summary(summary: tuple[int, int | None, int | None, float | None]) -> str:
    count, first, last, value = summary
    if not count or first is None or last is None:
        return f"{count} points"
    begin, end = (datetime.fromtimestamp(time / 1e6, UTC).isoformat() for time in (first, last))
    return f"{count} points from {begin} to {end}, where it is {value}"
