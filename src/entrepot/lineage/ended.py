"""Recording runs that ended elsewhere, many at once."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    Executable,
    Integer,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Session

from entrepot.db import Instant, Json, now
from entrepot.lineage.models import Link, Run

_AT_ONCE = 1000  # databases take so many values in a statement, and no more than some times that
_runs: Table = Run.__table__  # type: ignore[assignment]
_links: Table = Link.__table__  # type: ignore[assignment]
_RUN_COLUMNS = tuple(_runs.columns)
_LINK_COLUMNS = tuple(each for each in _links.columns if each is not _links.c.pk)
#: What is left out is null, or what the models say.
_RUN_FIELDS: dict[str, Any] = {each.name: None for each in _RUN_COLUMNS} | {
    "started": now,
    "status": "running",
    "report": dict,
}
_LINK_FIELDS: dict[str, Any] = dict.fromkeys(each.name for each in _LINK_COLUMNS)
_LINK_FIELDS["detail"] = dict
Fields = Mapping[str, Any]


def record_ended(session: Session, runs: Sequence[Fields | Run], links: Sequence[Fields | Link]) -> None:
    """Record runs that ended elsewhere; one that is known by its id is replaced, with its links.

    Parameters
    ----------
    runs, links
        Their columns by name, or objects, which are not added to the session; what is left out has its default.
    """
    if not runs:
        return
    connection = session.connection()
    run_rows, link_rows = [_row(run, _RUN_FIELDS) for run in runs], [_row(link, _LINK_FIELDS) for link in links]
    ids = [row["id"] for row in run_rows]
    if connection.dialect.name == "postgresql":
        connection.execute(_STATEMENT, {"runs": _json(run_rows), "links": _json(link_rows), "ids": ids})
        return
    for start in range(0, len(ids), _AT_ONCE):
        connection.execute(delete(_runs).where(_runs.c.id.in_(ids[start : start + _AT_ONCE])))
    connection.execute(insert(_runs), run_rows)
    if links:
        connection.execute(insert(_links), link_rows)


def _row(one: Fields | Run | Link, fields: dict[str, Any]) -> dict[str, Any]:
    given = one if isinstance(one, Mapping) else {name: getattr(one, name) for name in fields}
    row = {**fields, **given}
    for name, default in fields.items():
        if default is not None and row[name] in (None, default):
            row[name] = default() if callable(default) else default
    return row


def _json(rows: Sequence[Fields]) -> str:
    return json.dumps(rows, default=datetime.isoformat)


def _given(name: str, columns: Sequence[Any]) -> Any:
    """Return the rows of a parameter as a table."""
    typed = [column(each.name, _plain(each.type)) for each in columns]
    rows = func.json_to_recordset(cast(bindparam(name, type_=Text()), JSON))
    return rows.table_valued(*typed, name=name).render_derived(with_types=True)


def _plain(type_: Any) -> Any:
    if isinstance(type_, Json):
        return postgresql.JSONB()
    return postgresql.TIMESTAMP(timezone=True) if isinstance(type_, Instant) else type_


def _statement() -> Executable:
    """Return one statement for all: every part of it sees the tables as they were before."""
    runs, links = _given("runs", _RUN_COLUMNS), _given("links", _LINK_COLUMNS)
    # By a list, which makes it plain to the database that there are few, and that the index finds them.
    gone = delete(_links).where(_links.c.run_id == any_(bindparam("ids", type_=ARRAY(Text()))))
    names = [each.name for each in _RUN_COLUMNS]
    put = postgresql.insert(_runs).from_select(names, select(*runs.c), include_defaults=False)
    put = put.on_conflict_do_update(index_elements=[_runs.c.id], set_={name: put.excluded[name] for name in names[1:]})
    link = insert(_links).from_select([each.name for each in _LINK_COLUMNS], select(*links.c), include_defaults=False)
    return select(literal(1, Integer())).add_cte(gone.cte("gone"), put.cte("put"), link.cte("link"))


_STATEMENT = _statement()
