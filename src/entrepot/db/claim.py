"""Taking rows out of a queue: the one claim primitive, for jobs and works alike.

A claim is a lease with a fencing number. Every claim of a row raises its ``fence``; whoever later writes as the
claimant first makes sure with :func:`hold`, in the same transaction, that the number still is the one it was given.
A claimant that was given up for dead and comes back thus changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, Table, Update, update
from sqlalchemy.orm import Session

from entrepot.db.driver import whole


def claim(
    session: Session, table: Table, candidates: Select[Any], values: Mapping[str, Any], *, limit: int = 1
) -> Sequence[RowMapping]:
    """Take the best rows that nobody else is taking, atomically, and return them as they are afterwards.

    Takes what :func:`claiming` does.

    Returns
    -------
    sequence of mappings
        The rows, all columns, in no particular order; fewer than `limit`, or none, when there are no more.
    """
    statement = claiming(table, candidates, values, limit=limit).returning(*table.columns)
    return session.execute(statement, execution_options={"synchronize_session": False}).mappings().all()


def claiming(table: Table, candidates: Select[Any], values: Mapping[str, Any], *, limit: int = 1) -> Update:
    """Return the statement of a claim, for those who claim the same way again and again.

    Parameters
    ----------
    table
        A table with a primary key of one column and a column ``fence``, which the claim raises by one.
    candidates
        Selects the primary key of claimable rows of `table`, in order of urgency. What makes a row claimable must
        stand in its WHERE clause on `table` itself, not only in a subquery: PostgreSQL asks that again once it has the
        row. A list of best rows computed in a subquery must offer at least as many as there are concurrent claimants,
        each of which passes over those that others are taking.
    values
        What else changes in the claimed rows: values or expressions by column.
    limit
        Most rows to take.
    """
    (key,) = table.primary_key.columns
    # Materialized, or PostgreSQL may run a limited, locking subquery more than once and take too many. SQLite ignores
    # FOR UPDATE: there the write transaction that the session is in keeps everybody else out.
    taken = (
        candidates.limit(whole(limit))
        .with_for_update(skip_locked=True, of=table)
        .cte("taken")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    return update(table).values({**values, "fence": table.c.fence + 1}).where(key == taken.c[key.name])


def hold(
    session: Session, table: Table, identity: Any, fence: int, condition: ColumnElement[bool], values: Mapping[str, Any]
) -> bool:
    """Change a claimed row as its claimant, and keep it from being claimed until the transaction ends.

    Parameters
    ----------
    identity
        The row's primary key.
    fence
        The number that the claim gave.
    condition
        What else must be so for the claim to be good (its status).
    values
        What to change.

    Returns
    -------
    bool
        False when the claim has been lost; nothing is changed then.
    """
    (key,) = table.primary_key.columns
    statement = update(table).where(key == identity, table.c.fence == fence, condition).values(values).returning(key)
    return session.execute(statement, execution_options={"synchronize_session": False}).first() is not None
