"""What the arrays of documents hold, in tables beside theirs: written by the documents' own statement (PostgreSQL)."""

from typing import Any

from sqlalchemy import CTE, Table, and_, bindparam, cast, delete, exists, func, select, true
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from entrepot.db.sought import sought

Sides = tuple[tuple[Table, str], ...]


def dropped(sides: Sides, changed: CTE, given: CTE | None, arrays: bool) -> list[CTE]:
    """Return the parts of a statement that drop what the arrays of replaced documents no longer hold.

    What they still hold stays: what one part of a statement drops is there yet for another that adds it.
    """
    parts = []
    for side, name in sides:
        gone = delete(side).where(sought(side.c.number, changed, "number"))
        if arrays:
            value, number, rows = _values(side, name, changed, given)
            gone = gone.where(~exists().select_from(rows).where(number == side.c.number, value == side.c.value))
        parts.append(gone.cte(f"drop_{name}"))
    return parts


def added(sides: Sides, changed: CTE, given: CTE | None) -> list[CTE]:
    """Return the parts of a statement that add what the arrays of documents hold."""
    parts = []
    for side, name in sides:
        value, number, rows = _values(side, name, changed, given)
        put = postgresql.insert(side).from_select(["value", "number"], select(value, number).select_from(rows))
        parts.append(put.on_conflict_do_nothing().cte(f"add_{name}"))
    return parts


def _values(side: Table, name: str, changed: CTE, given: CTE | None) -> tuple[Any, Any, Any]:
    """Return what an array of the new documents holds, whose it is, and the tables that this comes from."""
    if given is None:
        array = bindparam(f"new_{name}", type_=ARRAY(side.c.value.type))
        each = func.unnest(array).column_valued(f"each_{name}")
        return each, changed.c.number, changed.join(each.scalar_alias, true())
    same = and_(*(changed.c[key] == given.c[key] for key in ("pipeline", "id")))
    rows = func.json_array_elements_text(cast(given.c[name], JSON)).table_valued("value", name=f"each_{name}").lateral()
    return cast(rows.c.value, side.c.value.type), changed.c.number, changed.join(given, same).join(rows, true())
