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
    RowMapping,
    String,
    Text,
    Update,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.orm import Session

from entrepot.db import Instant, now
from entrepot.events import log
from entrepot.events.models import Event, Webhook

Rows = Sequence[RowMapping] | Sequence[dict[str, Any]]
_COLUMNS = ("id", "created_at", "type", "action", "object_id", "organization_id", "user_id", "data")


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

    def entered(self, dialect: str, change: Insert | Update | Delete | CTE, *others: CTE) -> Executable:
        """Return a statement that changes rows and, on PostgreSQL, records an event for each.

        Parameters
        ----------
        change
            An INSERT, UPDATE or DELETE, or the common table expression of one, that returns, at least, ``id``,
            ``organization_id``, ``action`` (the events') and the columns of `data`.
        others
            What the statement does besides; PostgreSQL only.
        """
        if dialect != "postgresql":
            assert not isinstance(change, CTE)
            return change
        changed = change if isinstance(change, CTE) else change.cte("changed")
        kept = [part for name in self.data for part in (literal(name, Text()), changed.c[name])]
        entry = select(
            cast(func.gen_random_uuid(), String()),
            bindparam("entered_at", callable_=now, type_=Instant()),
            literal(self.type, String()),
            changed.c.action,
            changed.c.id,
            changed.c.organization_id,
            bindparam("entered_by", type_=String()),
            func.jsonb_build_object(*kept),
        )
        entered = insert(Event).from_select(_COLUMNS, entry, include_defaults=False).cte("entered")
        listened = exists().where(Webhook.organization_id == changed.c.organization_id, Webhook.state.in_(log.ACTIVE))
        return select(*changed.c, listened.label("listened")).add_cte(entered, *others)

    def enter(
        self, session: Session, statement: Executable, parameters: Mapping[str, Any], *, user_id: str | None = None
    ) -> Sequence[RowMapping]:
        """Run a statement of :meth:`entered` and return the rows that it changed."""
        connection = session.connection()
        if connection.dialect.name != "postgresql":
            rows = connection.execute(statement, parameters).mappings().all()
            self.add(session, rows, user_id=user_id)
            return rows
        rows = connection.execute(statement, {**parameters, "entered_by": user_id}).mappings().all()
        log.listened(session, any(row["listened"] for row in rows))
        self._react(session, rows)
        return rows

    def add(self, session: Session, rows: Rows, *, user_id: str | None = None) -> None:
        """Record events for rows that were changed already."""
        if not rows:
            return
        entries = [
            {
                "type": self.type,
                "action": row["action"],
                "object_id": row["id"],
                "organization_id": row["organization_id"],
                "user_id": user_id,
                "data": {name: row[name] for name in self.data},
            }
            for row in rows
        ]
        session.connection().execute(insert(Event), entries)
        for organization_id in {row["organization_id"] for row in rows}:
            log.wrote(session, organization_id)
        self._react(session, rows)

    def _react(self, session: Session, rows: Rows) -> None:
        for row in rows:
            data = {name: row[name] for name in self.data}
            log.react_to(session, self.type, row["action"], row["id"], row["organization_id"], data)
