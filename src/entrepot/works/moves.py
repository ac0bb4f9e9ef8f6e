"""Changes of a queued work's state, made by the database without reading the document."""

from typing import Any

from sqlalchemy import Double, bindparam, null

from entrepot.db.driver import word
from entrepot.works.collection import QUEUE

_table = QUEUE.table


def moved(status: str, *, stop: Any = None, keep_start: bool = False, attempt: Any = None) -> dict[str, Any]:
    """Return the values, by column, that give a work a state.

    Parameters
    ----------
    status, stop
        The new ones.
    keep_start
        Whether the work has begun; otherwise it has not.
    attempt
        The new number or an expression of it; None leaves it.
    """
    values: dict[str, Any] = {"status": word(status), "stop": null() if stop is None else stop, "lease_until": null()}
    if not keep_start:
        values["start"] = null()
    if attempt is not None:
        values["attempt"] = attempt
    return values


def taken() -> dict[str, Any]:
    """Return the values of a work that is withdrawn at ``instant``, until ``lease_until``; see `taken_at`."""
    return {
        "status": word("running"),
        "start": bindparam("instant", required=False, type_=Double()),
        "stop": null(),
        "lease_until": bindparam("lapses", required=False, type_=Double()),
        "attempt": _table.c.attempt + 1,
    }


def taken_at(instant: float, lease_seconds: float | None) -> dict[str, Any]:
    """Return the parameters of `taken`."""
    lapses = None if lease_seconds is None else instant + lease_seconds
    return {"instant": instant, "lapses": lapses}
