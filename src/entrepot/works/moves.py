"""Changes of a queued work's state, made by the database without reading the document."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Double, Text, bindparam, cast, func, literal, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from entrepot.works.collection import QUEUE
from entrepot.works.document import dumps

_table = QUEUE.table


def moved(
    dialect: str, status: str, *, stop: float | None = None, keep_start: bool = False, attempt: Any = None
) -> dict[str, Any]:
    """Return the values, by column, that give a work a state: in its columns, and in the body that is searched.

    Parameters
    ----------
    status, stop
        The new ones.
    keep_start
        Whether the work has begun; otherwise it has not.
    attempt
        The new number or an expression of it; None leaves it.
    """
    values: dict[str, Any] = {"status": status, "stop": stop, "lease_until": None}
    if not keep_start:
        values["start"] = None
    if attempt is not None:
        values["attempt"] = attempt
    kept: tuple[str, ...] = ("status", "stop") if keep_start else ("status", "start", "stop")
    state = {name: literal(dumps(values[name]), Text()) for name in kept}
    return values | {"body": _body(dialect, state, _table.c.attempt if attempt is None else attempt)}


def taken(dialect: str) -> dict[str, Any]:
    """Return the values of a work that is withdrawn at ``instant``, until ``lease_until``; see `taken_at`."""
    attempt = _table.c.attempt + 1
    state = {"status": literal('"running"', Text()), "start": bindparam("instant_text", type_=Text())}
    return {
        "status": "running",
        "start": bindparam("instant", type_=Double()),
        "stop": None,
        "lease_until": bindparam("lapses", type_=Double()),
        "attempt": attempt,
        "body": _body(dialect, state | {"stop": literal("null", Text())}, attempt),
    }


def taken_at(instant: float, lease_seconds: float | None) -> dict[str, Any]:
    """Return the parameters of `taken`."""
    lapses = None if lease_seconds is None else instant + lease_seconds
    return {"instant": instant, "instant_text": dumps(instant), "lapses": lapses}


def _body(dialect: str, state: Mapping[str, ColumnElement[str]], attempt: Any) -> Any:
    """Return the body with another state; its values are given as JSON: SQLite would write a number with 15 digits."""
    if dialect == "postgresql":
        pairs = [part for name, value in state.items() for part in (literal(name, Text()), cast(value, JSONB))]
        added = func.jsonb_build_object(*pairs, literal("attempt", Text()), attempt)
        return cast(type_coerce(_table.c.body, JSONB), JSONB).op("||")(added)
    texts = [part for name, value in state.items() for part in (f"$.{name}", func.json(value))]
    return func.json_set(_table.c.body, *texts, "$.attempt", attempt)
