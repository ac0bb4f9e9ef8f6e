"""The database: engine, sessions, column types, the claim primitive and the migrations."""

from sqlalchemy.orm import Session

from entrepot.db.engine import Database, advisory_lock, unindexed
from entrepot.db.types import Base, Instant, Json, new_id, now, ordered_id

__all__ = [
    "Base",
    "Database",
    "Instant",
    "Json",
    "Session",
    "advisory_lock",
    "new_id",
    "now",
    "ordered_id",
    "unindexed",
]
