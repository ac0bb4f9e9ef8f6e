"""Recording runs that ended elsewhere, many at once."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    CTE,
    Column,
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

from entrepot.db import Instant, Json, now
from entrepot.db.driver import Among, add_rows, fetch
from entrepot.db.sought import sought
from entrepot.lineage.models import Link, Run

_runs: Table = Run.__table__  # type: ignore[assignment]
_links: Table = Link.__table__  # type: ignore[assignment]
_RUN_COLUMNS = tuple(_runs.columns)
_LINK_COLUMNS = tuple(each for each in _links.columns if each is not _links.c.number)
#: What is left out is null, or what the models say.
_RUN_FIELDS: dict[str, Any] = {each.name: None for each in _RUN_COLUMNS} | {
    "started_at": now,
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
    if session.get_bind().dialect.name == "postgresql":
        fetch(session, _STATEMENT, parameters_of(runs, links))
        return
    run_rows, link_rows = _rows(runs, _RUN_FIELDS), _rows(links, _LINK_FIELDS)
    fetch(session, _FORGET, {"ids": [row["id"] for row in run_rows]})
    add_rows(session, _runs, run_rows)
    add_rows(session, _links, link_rows)


def parameters_of(
    runs: Sequence[Fields | Run], links: Sequence[Fields | Link], of: Sequence[str] | None = None
) -> dict[str, str]:
    """Return the parameters of a statement with what :func:`recorded` gives; `of` has the ids of what was done."""
    rows = _rows(runs, _RUN_FIELDS)
    if of is not None:
        rows = [row | {"of": one} for row, one in zip(rows, of, strict=True)]
    return {"runs": orjson.dumps(rows).decode(), "links": orjson.dumps(_rows(links, _LINK_FIELDS)).decode()}


def recorded(done: CTE | None = None) -> tuple[CTE, ...]:
    """Return the parts of a statement that record runs as :func:`record_ended` does (PostgreSQL).

    Every part of it sees the tables as they were before.

    Parameters
    ----------
    done
        What else the statement does, its rows told by ``id`` and ``pipeline``: only their runs are recorded.
    """
    given, links = _given("runs", (*_RUN_COLUMNS, _OF)), _given("links", _LINK_COLUMNS)
    counted = select(*(given.c[each.name] for each in _RUN_COLUMNS))
    if done is not None:
        counted = counted.join(done, (done.c.id == given.c.of) & (done.c.pipeline == given.c.generator_id))
    runs = counted.cte("counted_runs")
    gone = delete(_links).where(sought(_links.c.run_id, runs, "id"))
    names = [each.name for each in _RUN_COLUMNS]
    put = postgresql.insert(_runs).from_select(names, select(*runs.c), include_defaults=False)
    put = put.on_conflict_do_update(index_elements=[_runs.c.id], set_={name: put.excluded[name] for name in names[1:]})
    linked = select(*links.c).join(runs, runs.c.id == links.c.run_id)
    link = insert(_links).from_select([each.name for each in _LINK_COLUMNS], linked, include_defaults=False)
    return gone.cte("gone"), put.cte("put"), link.cte("link")


def _rows(given: Sequence[Fields | Run | Link], fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [_row(one, fields) for one in given]


def _row(one: Fields | Run | Link, fields: dict[str, Any]) -> dict[str, Any]:
    given = one if isinstance(one, Mapping) else {name: getattr(one, name) for name in fields}
    row = {**fields, **given}
    for name, default in fields.items():
        if default is not None and row[name] in (None, default):
            row[name] = default() if callable(default) else default
    return row


def _given(name: str, columns: Sequence[Any]) -> Any:
    """Return the rows of a parameter as a table."""
    typed = [column(each.name, _plain(each.type)) for each in columns]
    rows = func.json_to_recordset(cast(bindparam(name, type_=Text()), JSON))
    return rows.table_valued(*typed, name=name).render_derived(with_types=True)


def _plain(type_: Any) -> Any:
    if isinstance(type_, Json):
        return postgresql.JSONB()
    return postgresql.TIMESTAMP(timezone=True) if isinstance(type_, Instant) else type_


_OF: Column[str] = Column("of", Text())
_FORGET = delete(_runs).where(Among(_runs.c.id, "ids"))
_STATEMENT: Executable = select(literal(1, Integer())).add_cte(*recorded())
