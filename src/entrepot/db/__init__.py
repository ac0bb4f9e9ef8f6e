"""The database: engine, sessions, column types, the claim primitive and the migrations."""

from entrepot.db.engine import Database, advisory_lock, unindexed
from entrepot.db.types import Base, Instant, Json, new_id, now

__all__ = ["Base", "Database", "Instant", "Json", "advisory_lock", "new_id", "now", "unindexed"]
