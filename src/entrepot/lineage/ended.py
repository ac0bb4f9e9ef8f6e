"""Recording runs that ended elsewhere, many at once."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Executable,
    Integer,
    Table,
    Text,
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

from entrepot.db import Instant, Json
from entrepot.lineage.models import Link, Run

_AT_ONCE = 1000  # databases take so many values in a statement, and no more than some times that
_runs: Table = Run.__table__  # type: ignore[assignment]
_links: Table = Link.__table__  # type: ignore[assignment]
_RUN_COLUMNS = tuple(_runs.columns)
_LINK_COLUMNS = tuple(each for each in _links.columns if each is not _links.c.pk)


def record_ended(session: Session, runs: Sequence[Run], links: Sequence[Link]) -> None:
    """Record runs that ended elsewhere; one that is known by its id is replaced, with its links.

    Parameters
    ----------
    runs, links
        As they are to be; they are written past the session.
    """
    if not runs:
        return
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        parameters = {"runs": _json(runs, _RUN_COLUMNS), "links": _json(links, _LINK_COLUMNS)}
        connection.execute(_STATEMENT, parameters)
        return
    for start in range(0, len(runs), _AT_ONCE):
        ids = [run.id for run in runs[start : start + _AT_ONCE]]
        connection.execute(delete(_runs).where(_runs.c.id.in_(ids)))
    connection.execute(insert(_runs), [_row(run, _RUN_COLUMNS) for run in runs])
    if links:
        connection.execute(insert(_links), [_row(link, _LINK_COLUMNS) for link in links])


def _row(one: Run | Link, columns: Sequence[Any]) -> dict[str, Any]:
    return {each.name: _or_default(getattr(one, each.key), each.default) for each in columns}


def _or_default(value: Any, default: Any) -> Any:
    if value is not None or default is None:
        return value
    return default.arg(None) if default.is_callable else default.arg


def _json(rows: Sequence[Run | Link], columns: Sequence[Any]) -> str:
    return json.dumps([_row(one, columns) for one in rows], default=datetime.isoformat)


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
    gone = delete(_links).where(_links.c.run_id.in_(select(runs.c.id)))
    again = _given("runs", _RUN_COLUMNS)
    names = [each.name for each in _RUN_COLUMNS]
    put = postgresql.insert(_runs).from_select(names, select(*again.c), include_defaults=False)
    put = put.on_conflict_do_update(index_elements=[_runs.c.id], set_={name: put.excluded[name] for name in names[1:]})
    link = insert(_links).from_select([each.name for each in _LINK_COLUMNS], select(*links.c), include_defaults=False)
    return select(literal(1, Integer())).add_cte(gone.cte("gone"), put.cte("put"), link.cte("link"))


_STATEMENT = _statement()
