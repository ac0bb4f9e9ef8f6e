"""Changes of a queued work's state, made by the database without reading the document."""

from typing import Any

from sqlalchemy import Text, cast, func, literal, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from entrepot.works.collection import QUEUE
from entrepot.works.document import dumps


def moved(
    dialect: str,
    status: str,
    *,
    start: Any = None,
    stop: float | None = None,
    attempt: Any = None,
    **other: Any,
) -> dict[str, Any]:
    """Return the values, by column, that give a work a state: in its columns, and in the body that is searched.

    Parameters
    ----------
    status, start, stop
        The new ones; `start` stays as it is when the column is given.
    attempt
        The new number or an expression of it; None leaves it.
    other
        More columns.
    """
    table = QUEUE.table
    keep_start = start is table.c.start
    attempt = table.c.attempt if attempt is None else attempt
    state: dict[str, Any] = {"status": status, "stop": stop}
    if not keep_start:
        state["start"] = start
    body: Any
    if dialect == "postgresql":
        body = cast(type_coerce(table.c.body, JSONB), JSONB).op("||")(cast(literal(dumps(state), Text()), JSONB))
        body = body.op("||")(func.jsonb_build_object("attempt", attempt))
    else:
        # By json(), because SQLite would write a number with 15 digits only.
        pairs = [part for name, value in state.items() for part in (f"$.{name}", func.json(dumps(value)))]
        body = func.json_set(table.c.body, *pairs, "$.attempt", attempt)
    values = {**other, "status": status, "stop": stop, "attempt": attempt, "body": body, "lease_until": None} | other
    return values if keep_start else {**values, "start": start}
