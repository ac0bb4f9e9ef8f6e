"""From bytes to an object that a record refers to, and back: whoever is killed on the way leaves nothing for good."""

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, select, update

from entrepot.db import Database, Session, now
from entrepot.errors import Unavailable
from entrepot.objects.models import LooseObject
from entrepot.objects.stores import BucketStore

#: How long bytes may be on their way; and how long they stay for those who read, or copy, what was just let go.
PATIENCE = timedelta(days=1)
_AT_ONCE = 500


def put(database: Database, bucket: BucketStore, key: str, source: Path | bytes) -> None:
    """Store bytes under a key that nobody used before; :func:`hold` then has them stay."""
    with database.write() as session:
        session.add(LooseObject(key=key, due_at=now() + PATIENCE))
    bucket.put(key, source)


def hold(session: Session, key: str) -> None:
    """Have an object stay from now on, for a record of this unit of work refers to it."""
    held = delete(LooseObject).where(LooseObject.key == key, LooseObject.going.is_(False)).returning(LooseObject.key)
    if session.scalar(held) is None:
        raise Unavailable("What was sent took too long to be recorded: send it again.")


def let_go(session: Session, keys: Collection[str]) -> None:
    """Have objects deleted, to which no record refers once this unit of work has ended."""
    due = now() + PATIENCE
    session.add_all(LooseObject(key=key, due_at=due) for key in keys)


def drop(database: Database, key: str) -> None:
    """Have an object deleted soon that was put and is not needed after all."""
    with database.write() as session:
        session.execute(update(LooseObject).where(LooseObject.key == key).values(due_at=now()))


def sweep(database: Database, bucket: BucketStore) -> int:
    """Delete the objects that are due, and return how many these were."""
    removed = 0
    while True:
        with database.write() as session:
            due = select(LooseObject.key).where(LooseObject.due_at <= now()).limit(_AT_ONCE)
            chosen = update(LooseObject).where(LooseObject.key.in_(due)).values(going=True).returning(LooseObject.key)
            keys = session.scalars(chosen).all()
        for key in keys:
            bucket.delete(key)
        with database.write() as session:
            session.execute(delete(LooseObject).where(LooseObject.key.in_(keys), LooseObject.going))
        removed += len(keys)
        if len(keys) < _AT_ONCE:
            return removed
