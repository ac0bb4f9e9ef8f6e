"""Withdrawing: the most urgent queued works that a worker can do, claimed atomically."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, RowMapping, Select, Text, and_, func, literal, select, true
from sqlalchemy.orm import Session

from entrepot.db.claim import claim
from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.works import document as documents
from entrepot.works.collection import QUEUE, Order, dialect_of
from entrepot.works.document import Document
from entrepot.works.moves import moved
from entrepot.works.queue import emit

MAX_WORKS = 1000

_table = QUEUE.table
_URGENCY = Order((("priority", False), ("creation", True), ("id", True)))
#: Works that are offered to a claim beside those wanted: as many as others may be taking at the same moment.
_SPARE = 16


def withdraw(
    session: Session, principal: Principal, query: Any, *, limit: int = 1, lease_seconds: float | None = None
) -> list[Document]:
    """Withdraw queued works that match: the highest priority first, then the oldest.

    Each becomes ``running``, its ``attempt`` one higher, and is nobody else's until it is reported, or its ``timeout``
    has passed.

    Parameters
    ----------
    query
        A MongoDB query.
    limit
        Most works to withdraw, 1000 at most.
    lease_seconds
        Unless a heartbeat comes within so many seconds, the work is given up before its timeout.

    Returns
    -------
    list of documents
        The most urgent first; empty when nothing matches.
    """
    principal.require("write")
    if not 1 <= limit <= MAX_WORKS:
        raise InvalidInput.field("limit", f"must be from 1 to {MAX_WORKS}")
    claimed = _Withdrawal(session, principal.organization_id, query, lease_seconds).take(limit)
    claimed.sort(key=lambda row: (-row["priority"], row["creation"], row["id"]))
    emit(session, principal, "withdrawn", claimed)
    return [_document(row) for row in claimed]


class _Withdrawal:
    def __init__(self, session: Session, organization_id: str, query: Any, lease_seconds: float | None) -> None:
        self._session = session
        self._organization_id = organization_id
        self._query = query
        self._dialect = dialect_of(session)
        instant = time.time()
        lease_until = None if lease_seconds is None else instant + lease_seconds
        self._values = moved(
            self._dialect, "running", start=instant, attempt=_table.c.attempt + 1, lease_until=lease_until
        )

    def take(self, limit: int) -> list[RowMapping]:
        plan = QUEUE.plan(self._session, self._query)
        if plan.residual is not None:
            return self._take_tested(limit)
        matching = and_(self._queued(_table), plan.where)
        pipelines = _pipelines_of(self._query)
        if pipelines is not None and len(pipelines) > 1:
            claimed = list(self._claim(self._heads(pipelines, limit), limit))
            if claimed or self._dialect == "sqlite":
                return claimed
            # Perhaps others are taking all that was offered; or there is none.
            pipelines = self._with_works(pipelines)
            if not pipelines:
                return []
        return list(self._claim(_ordered(select(_table.c.number).where(matching)), limit))

    def _queued(self, table: Any) -> ColumnElement[bool]:
        return and_(table.c.organization_id == self._organization_id, table.c.status == "queued")

    def _claim(self, candidates: Select[Any], limit: int) -> Sequence[RowMapping]:
        return claim(self._session, _table, candidates, self._values, limit=limit)

    def _heads(self, pipelines: list[str], limit: int) -> Select[Any]:
        """Return the most urgent works, found by asking each pipeline for its own.

        Listing the pipelines in one condition would have the database walk through the works of all the others.
        """
        head = _table.alias("head")
        plan = QUEUE.plan(self._session, self._query, head)
        if self._dialect == "sqlite":
            wanted: Any = func.json_each(literal(documents.dumps(pipelines), Text())).table_valued("value")
        else:
            wanted = _unnested(pipelines)
        heads = (
            select(head.c.number)
            .where(self._queued(head), head.c.pipeline == wanted.c.value, plan.where)
            .order_by(*_URGENCY.of(head))
            .limit(limit if self._dialect == "sqlite" else limit + _SPARE)
            .correlate(wanted)
        )
        if self._dialect == "sqlite":
            joined = wanted.join(_table, _table.c.number.in_(heads))
        else:
            lateral = heads.lateral("heads")
            joined = wanted.join(lateral, true()).join(_table, _table.c.number == lateral.c.number)
        return _ordered(select(_table.c.number).select_from(joined).where(self._queued(_table)))

    def _with_works(self, pipelines: list[str]) -> list[str]:
        wanted = _unnested(pipelines)
        some = select(_table.c.number).where(self._queued(_table), _table.c.pipeline == wanted.c.value)
        return list(self._session.scalars(select(wanted.c.value).where(some.correlate(wanted).exists())))

    def _take_tested(self, limit: int) -> list[RowMapping]:
        """Withdraw by a query of which the database cannot say all."""
        claimed: list[RowMapping] = []
        while len(claimed) < limit:
            found = QUEUE.find(
                self._session,
                self._organization_id,
                self._query,
                _table.c.status == "queued",
                limit=limit - len(claimed) + _SPARE,
                order=_URGENCY,
            )
            numbers = [row.number for row in found]
            if not numbers:
                break
            offered = select(_table.c.number).where(self._queued(_table), _table.c.number.in_(numbers))
            taken = self._claim(_ordered(offered), limit - len(claimed))
            claimed += taken
            if not taken:
                break
        return claimed


def _ordered(candidates: Select[Any]) -> Select[Any]:
    return candidates.order_by(*_URGENCY.of(_table))


def _unnested(names: list[str]) -> Any:
    return func.unnest(literal(names, ARRAY(Text()))).table_valued("value").render_derived()


def _document(row: RowMapping) -> Document:
    return QUEUE.overlaid(row["document"] or row["body"], row)


def _pipelines_of(query: Any) -> list[str] | None:
    """Return the pipelines that a query names, None when it may be any."""
    wanted = query.get("pipeline")
    if isinstance(wanted, dict) and list(wanted) == ["$in"]:
        names = wanted["$in"]
        return list(dict.fromkeys(name for name in names if isinstance(name, str)))
    return [wanted] if isinstance(wanted, str) else None
