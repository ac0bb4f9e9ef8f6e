"""Changing rows and recording an event for each of them, in one round trip where the database can.

For what is changed thousands of times a minute: the statement of :func:`entrepot.events.emit` beside it, and the look
for webhooks at the commit, would take longer than the change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    Delete,
    Executable,
    Insert,
    String,
    Table,
    Update,
    bindparam,
    exists,
    func,
    insert,
    select,
)
from sqlalchemy.orm import Session

from entrepot.db import Instant, now, ordered_id
from entrepot.db.driver import add_rows, fetch_named, word
from entrepot.events import log
from entrepot.events.models import Event, Webhook, Written

Rows = Sequence[dict[str, Any]]
_events: Table = Event.__table__  # type: ignore[assignment]
_COLUMNS = ("organization_id", "type", "user_id", "created_at", "count", "events")


@dataclass(frozen=True)
class Journal:
    """The events of one type of object.

    Attributes
    ----------
    type
        The events' type.
    data
        The columns of a changed row that an event keeps.
    """

    type: str
    data: tuple[str, ...]

    def entered(
        self, dialect: str, change: Insert | Update | Delete | CTE, *others: CTE, told: bool = True
    ) -> Executable:
        """Return a statement that changes rows and, on PostgreSQL, records an event for each, in one row.

        Parameters
        ----------
        change
            An INSERT, UPDATE or DELETE, or the common table expression of one, that returns, at least, ``id``,
            ``organization_id``, ``action`` (the events') and the columns of `data`.
        others
            What the statement does besides; PostgreSQL only.
        told
            Whether it returns the changed rows. Otherwise it says whether anybody listens, and :meth:`enter` is given
            the rows.
        """
        if dialect != "postgresql":
            assert not isinstance(change, CTE)
            return change
        changed = change if isinstance(change, CTE) else change.cte("changed")
        kept = [part for name in self.data for part in (word(name), changed.c[name])]
        one = func.jsonb_build_array(changed.c.id, changed.c.action, func.jsonb_build_object(*kept))
        entry = select(
            changed.c.organization_id,
            word(self.type),
            bindparam("entered_by", required=False, type_=String()),
            bindparam("entered_at", required=False, type_=Instant()),
            func.count(),
            func.jsonb_agg(one),
        ).group_by(changed.c.organization_id)
        entered = insert(Written).from_select(_COLUMNS, entry, include_defaults=False).cte("entered")
        if not told:
            whose = Webhook.organization_id == bindparam("owner", type_=String())
            listened = exists().where(whose, Webhook.status.in_(map(word, log.ACTIVE)))
            return select(listened.label("listened")).add_cte(entered, *others)
        listened = exists().where(
            Webhook.organization_id == changed.c.organization_id, Webhook.status.in_(map(word, log.ACTIVE))
        )
        return select(*changed.c, listened.label("listened")).add_cte(entered, *others)

    def enter(
        self,
        session: Session,
        statement: Executable,
        parameters: Mapping[str, Any],
        *,
        user_id: str | None = None,
        anew: bool = False,
        known: Rows | None = None,
        last: Rows | None = None,
    ) -> list[dict[str, Any]]:
        """Run a statement of :meth:`entered` and return the rows that it changed.

        Parameters
        ----------
        anew
            Whether the statement was made for this call, as are those that few ask for.
        known
            The rows of a statement that does not tell them.
        last
            Of the last statement of a unit of work: what it may change, one row of each kind. Unless somebody has to be
            told of one within the same transaction, it is committed with the statement.
        """
        if session.get_bind().dialect.name != "postgresql":
            rows = self._run(session, statement, parameters, anew=anew, last=False)
            self.add(session, rows, user_id=user_id)
            return rows
        entered = {"entered_at": now(), "entered_by": user_id}
        ends = last is not None and not any(log.concerned(self.type, row["action"], row) for row in last)
        rows = self._run(session, statement, {**parameters, **entered}, anew=anew, last=ends)
        log.listened(session, any(row["listened"] for row in rows))
        if not ends:  # else nobody would
            self._react(session, rows if known is None else known)
        return rows

    def add(self, session: Session, rows: Rows, *, user_id: str | None = None) -> None:
        """Record events for rows that were changed already."""
        if not rows:
            return
        instant = now()
        entries = [
            {
                "id": ordered_id(),
                "created_at": instant,
                "type": self.type,
                "action": row["action"],
                "object_id": row["id"],
                "organization_id": row["organization_id"],
                "user_id": user_id,
                "data": {name: row[name] for name in self.data},
            }
            for row in rows
        ]
        add_rows(session, _events, entries)
        for organization_id in {row["organization_id"] for row in rows}:
            log.wrote(session, organization_id)
        self._react(session, rows)

    @staticmethod
    def _run(
        session: Session, statement: Executable, parameters: Mapping[str, Any], *, anew: bool, last: bool
    ) -> list[dict[str, Any]]:
        if anew:
            return [dict(row) for row in session.connection().execute(statement, parameters).mappings()]
        return fetch_named(session, statement, parameters, last=last)

    def _react(self, session: Session, rows: Rows) -> None:
        for row in rows:
            data = {name: row[name] for name in self.data}
            log.react_to(session, self.type, row["action"], row["id"], row["organization_id"], data)
