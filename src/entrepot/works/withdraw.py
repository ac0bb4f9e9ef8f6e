"""Withdrawing: the most urgent queued works that a worker can do, claimed atomically."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    Text,
    and_,
    column,
    func,
    literal,
    literal_column,
    select,
    true,
    values,
)
from sqlalchemy.orm import Session

from entrepot.db.claim import claiming
from entrepot.db.driver import fetch, whole, word
from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.works import document as documents
from entrepot.works.collection import QUEUE
from entrepot.works.document import Document
from entrepot.works.limits import WRITE_SECONDS
from entrepot.works.moves import taken, taken_at
from entrepot.works.order import Order
from entrepot.works.query import Steps, matches, parse
from entrepot.works.search import dialect_of

MAX_WORKS = 1000

_table = QUEUE.table
_URGENCY = Order((("priority", False), ("creation", True), ("id", True)))
#: Works that are offered to a claim beside those wanted: as many as others may be taking at the same moment.
_SPARE = 8


def is_quick(dialect: str, query: Any) -> bool:
    """Tell whether no document need be read to withdraw by a query."""
    return QUEUE.is_quick(dialect, query)


def candidates(session: Session, principal: Principal, query: Any, limit: int = 1) -> list[int] | None:
    """Return the numbers of works to withdraw by a query that documents must be read for; None where `is_quick`.

    To be asked in a snapshot of its own, before the transaction that withdraws: reading documents takes long, and a
    writer keeps others waiting.
    """
    principal.require("write")
    _check(limit)
    if is_quick(dialect_of(session), query):
        return None
    queued = _table.c.status == word("queued")
    most = limit + _SPARE
    found = QUEUE.find(session, principal.organization_id, query, queued, limit=most, order=_URGENCY)
    return [row.number for row in found]


def withdraw(
    session: Session,
    principal: Principal,
    query: Any,
    *,
    limit: int = 1,
    lease_seconds: float | None = None,
    found: Sequence[int] | None = None,
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
    found
        What `candidates` found, looked at once more; None: they are looked for here, within a short time.

    Returns
    -------
    list of documents
        The most urgent first; empty when nothing matches.
    """
    principal.require("write")
    _check(limit)
    withdrawal = _Withdrawal(session, principal, query, lease_seconds)
    claimed = withdrawal.take(limit) if found is None else withdrawal.take_found(found, limit)
    claimed.sort(key=lambda row: (-row["priority"], row["creation"], row["id"]))
    return [QUEUE.overlaid(row["text"], row) for row in claimed]


def _check(limit: int) -> None:
    if not 1 <= limit <= MAX_WORKS:
        raise InvalidInput.field("limit", f"must be from 1 to {MAX_WORKS}")


class _Withdrawal:
    def __init__(self, session: Session, principal: Principal, query: Any, lease_seconds: float | None) -> None:
        self._session = session
        self._principal = principal
        self._query = query
        self._dialect = dialect_of(session)
        self._parameters = taken_at(time.time(), lease_seconds)

    def take(self, limit: int) -> list[dict[str, Any]]:
        found = candidates(self._session, self._principal, self._query, limit)
        if found is not None:
            return self.take_found(found, limit)
        text = documents.query_text(self._query)
        claims = _compiled(self._dialect, self._principal.organization_id, text, limit)
        if claims.of_heads is not None and claims.some is not None:
            claimed = self._enter(claims.of_heads, last=claims.kinds)
            if claimed or self._dialect == "sqlite" or not fetch(self._session, claims.some, {}):
                return claimed
            # There are some, and others are taking all that were offered.
        return self._enter(claims.of_every, last=claims.kinds)

    def _enter(
        self, claim: Executable, *, anew: bool = False, last: list[dict[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        journal, user_id = QUEUE.storage.journal, self._principal.user_id
        return journal.enter(self._session, claim, self._parameters, user_id=user_id, anew=anew, last=last)

    def take_found(self, found: Sequence[int], limit: int) -> list[dict[str, Any]]:
        """Withdraw works that were found by a query, where they are still queued and match."""
        offered = select(_table.c.number).where(
            _queued(_table, self._principal.organization_id), _table.c.number.in_(found)
        )
        text, live = QUEUE.text_column(self._dialect), [_table.c[name] for name in QUEUE.live]
        rows = self._session.execute(_ordered(offered).add_columns(text, *live)).all()
        steps, parsed = Steps(WRITE_SECONDS), parse(self._query)
        right: list[int] = []
        for row in rows:
            if len(right) < limit + _SPARE and matches(parsed, QUEUE.document_of(row), steps):
                right.append(row.number)
        claim = _claim(self._dialect, _ordered(offered.where(_table.c.number.in_(right))), limit)
        return self._enter(claim, anew=True) if right else []


@dataclass(frozen=True)
class _Claims:
    """Statements that claim works in order of urgency: of all, and, of several pipelines, of the first of each."""

    every: Select[Any]
    of_every: Executable
    #: The events that there may be, one of each kind; None: any.
    kinds: list[dict[str, Any]] | None
    heads: Select[Any] | None = None
    #: Whether there are any of these.
    some: Executable | None = None
    of_heads: Executable | None = None


# Workers ask for the same again and again, and a statement costs more to build than to run.
@lru_cache(maxsize=256)
def _compiled(dialect: str, organization_id: str, text: str, limit: int) -> _Claims:
    """Return the claims for a query that columns and side tables decide."""
    query = documents.loads(text)
    plan = QUEUE.plan_for(dialect, query, _table)
    every = _ordered(select(_table.c.number).where(_queued(_table, organization_id), plan.where))
    pipelines = _pipelines_of(query)
    kinds = None if pipelines is None else [_withdrawn(name) for name in pipelines]
    claims = _Claims(every, _claim(dialect, every, limit), kinds)
    if pipelines is None or len(pipelines) < 2:
        return claims
    heads = _heads(dialect, organization_id, query, pipelines, limit)
    return replace(claims, heads=heads, some=heads.limit(whole(1)), of_heads=_claim(dialect, heads, limit))


def _withdrawn(pipeline: str) -> dict[str, Any]:
    """Return what an event tells of a work of a pipeline that is withdrawn."""
    return {"action": "withdrawn", "pipeline": pipeline, "status": "running"}


def _claim(dialect: str, candidates: Select[Any], limit: int) -> Executable:
    """Return the statement that claims works, with their events where that can be one."""
    kept = [_table.c[name] for name in ("id", "organization_id", "pipeline", "priority", "creation", *QUEUE.live)]
    claim = claiming(_table, candidates, taken(), limit=limit)
    claim = claim.returning(*kept, QUEUE.text_column(dialect), word("withdrawn").label("action"))
    return QUEUE.storage.journal.entered(dialect, claim)


def _heads(dialect: str, organization_id: str, query: Any, pipelines: list[str], limit: int) -> Select[Any]:
    """Return the most urgent works, found by asking each pipeline for its own.

    Listing the pipelines in one condition would have the database walk through the works of all the others.
    """
    head = _table.alias("head")
    plan = QUEUE.plan_for(dialect, {name: test for name, test in query.items() if name != "pipeline"}, head)
    if dialect == "sqlite":
        wanted: Any = func.json_each(literal(documents.dumps(pipelines), Text())).table_valued("value")
    else:
        # Not an array, of which a plan for all parameters would not know how long it is.
        wanted = values(column("value", Text()), name="wanted").data([(name,) for name in pipelines])
    offered = limit if dialect == "sqlite" else limit + _SPARE
    heads = (
        select(head.c.number, head.c.priority, head.c.creation, head.c.id)
        .where(_queued(head, organization_id), head.c.pipeline == wanted.c.value, plan.where)
        .order_by(*_URGENCY.of(head))
        .limit(whole(offered))
        .correlate(wanted)
    )
    # Once the works are known, a condition that an index serves would have the database start from all that wait.
    if dialect == "sqlite":
        numbers = heads.with_only_columns(head.c.number)
        return _ordered(select(_table.c.number).select_from(wanted.join(_table, _table.c.number.in_(numbers))))
    lateral = heads.lateral("heads")
    best = (
        select(lateral.c.number)
        .select_from(wanted.join(lateral, true()))
        .order_by(*_URGENCY.of(lateral))
        .limit(whole(offered))
        .cte("best")
        .prefix_with("MATERIALIZED")
    )
    still_queued = _table.c.status.concat(literal_column("''")) == word("queued")
    return _ordered(
        select(_table.c.number).join_from(best, _table, _table.c.number == best.c.number).where(still_queued)
    )


def _queued(table: Any, organization_id: str) -> ColumnElement[bool]:
    return and_(table.c.organization_id == organization_id, table.c.status == word("queued"))


def _ordered(candidates: Select[Any]) -> Select[Any]:
    return candidates.order_by(*_URGENCY.of(_table))


def _pipelines_of(query: Any) -> list[str] | None:
    """Return the pipelines that a query names, None when it may be any."""
    wanted = query.get("pipeline")
    if isinstance(wanted, dict) and list(wanted) == ["$in"]:
        names = wanted["$in"]
        return list(dict.fromkeys(name for name in names if isinstance(name, str)))
    return [wanted] if isinstance(wanted, str) else None
