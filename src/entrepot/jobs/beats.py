"""What parts of servers say about themselves in the database: that they live."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Row, Table, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.jobs.models import Beat

# Nothing of the ORM, which looks at all classes when first used: parts beat while they still import them.
_table = cast("Table", Beat.__table__)


def beat(session: Session, one: Mapping[str, Any], forget: timedelta) -> None:
    """Note that a part lives: all columns but when it was seen; forget those that were not heard of for so long."""
    values = {**one, "seen_at": now()}
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    session.execute(insert(_table).values(values).on_conflict_do_update(index_elements=["holder"], set_=values))
    session.execute(delete(_table).where(_table.c.seen_at < values["seen_at"] - forget))


def leave(session: Session, holder: str) -> None:
    """Note that a part has ended as it should."""
    session.execute(delete(_table).where(_table.c.holder == holder))


def all_(session: Session) -> Sequence[Row[Any]]:
    """Return the last beat of each part that was heard of lately."""
    return session.execute(select(_table).order_by(_table.c.host, _table.c.part, _table.c.started_at)).all()
