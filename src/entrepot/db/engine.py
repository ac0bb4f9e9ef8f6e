"""The engine and its units of work, the same on SQLite and PostgreSQL."""

import hashlib
import math
import select as select_module
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import ColumnElement, Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import InstrumentedAttribute, Session

from entrepot.db.faults import naming
from entrepot.db.watch import CONNECT_SECONDS, Watch
from entrepot.errors import Unavailable

BUSY_TIMEOUT_SECONDS = 60
#: Until when (of the monotonic clock) a request may wait for its turn to write.
write_by: ContextVar[float | None] = ContextVar("write_by", default=None)
#: A connection that was silent for so long is asked whether it lives before it is used.
PING_SECONDS = 10.0
#: Longest wait for a connection of the pool.
POOL_SECONDS = 10.0
_READ_OPTIONS: dict[str, dict[str, Any]] = {
    "sqlite": {"entrepot_read": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}


def _json_text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


class Database:
    """A database and the two ways to work with it: :meth:`write` and :meth:`read`.

    Parameters
    ----------
    url
        SQLAlchemy URL (``sqlite:///file`` or ``postgresql+psycopg://...``).
    synchronous
        SQLite only: ``FULL`` keeps every acknowledged write through a power cut, ``NORMAL`` may lose the last ones.
    pool_size
        PostgreSQL only: most connections that this process keeps.
    patience
        Seconds after which :meth:`write` gives up waiting for others; None: as long as it takes, but at most
        `BUSY_TIMEOUT_SECONDS` for other processes on SQLite.
    """

    def __init__(
        self, url: str, *, synchronous: str = "FULL", pool_size: int = 20, patience: float | None = None
    ) -> None:
        self.url = url
        self._patience = patience
        self.engine = _engine(url, synchronous, pool_size, patience)
        self.dialect = self.engine.dialect.name
        # SQLite lets one writer in at a time and makes the others poll: inside a process they queue here instead.
        self._lane = threading.RLock() if self.dialect == "sqlite" else None
        self._watch = Watch(self.engine) if self.dialect == "postgresql" else None

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a unit of work: one transaction, committed at the end, rolled back when it raises.

        Raises
        ------
        Unavailable
            Others kept its turn from coming in time, or the database cannot do it now.
        """
        with (
            naming(),
            self._watched(),
            self._turn(),
            Session(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._lane is None:
            yield
            return
        if not self._lane.acquire(timeout=-1 if self._patience is None else _left(self._patience)):
            raise Unavailable("The database is busy with what others write; try again.", retry_after=2)
        try:
            yield
        finally:
            self._lane.release()

    def _watched(self) -> AbstractContextManager[None]:
        return nullcontext() if self._watch is None else self._watch.using()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open one snapshot to read from; nothing may be written in it."""
        # It ends with a commit: at a rollback, the driver would forget the statements that it has prepared.
        with (
            naming(),
            self._watched(),
            self.engine.connect().execution_options(**_READ_OPTIONS[self.dialect]) as connection,
            connection.begin(),
            Session(
                connection, autoflush=False, expire_on_commit=False, join_transaction_mode="rollback_only"
            ) as session,
        ):
            yield session

    def close(self) -> None:
        """Close every connection."""
        if self._watch is not None:
            self._watch.close()
        self.engine.dispose()


def _left(patience: float) -> float:
    """Return for how many seconds whoever asks now may wait."""
    deadline = write_by.get()
    return patience if deadline is None else min(max(deadline - time.monotonic(), 0.001), patience)


def advisory_lock(session: Session, *key: str | int) -> None:
    """Make the transactions that name the same key take turns, until this one ends.

    On SQLite a writer already has the whole database, so this does nothing there.
    """
    if session.get_bind().dialect.name == "postgresql":
        digest = hashlib.blake2b("\0".join(map(str, key)).encode(), digest_size=8).digest()
        session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest, "big", signed=True))))


def unindexed(column: ColumnElement[str] | InstrumentedAttribute[str]) -> ColumnElement[str]:
    """Return a text column as a condition beside a list of ids should name it: so that no index of it is used.

    SQLite does not know how many rows an organization has, and would rather walk all of them than look up the ids.
    """
    return column.concat("")


def _engine(url: str, synchronous: str, pool_size: int, patience: float | None) -> Engine:
    options: dict[str, Any] = {"json_serializer": _json_text, "json_deserializer": orjson.loads}
    if make_url(url).get_backend_name() != "sqlite":
        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=POOL_SECONDS,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={"connect_timeout": CONNECT_SECONDS},
            **options,
        )
        _ping_seldom(engine)
        if patience is not None:
            _give_up_locks(engine, patience)
        return engine
    try:
        # Python's own SQLite may lack JSONB and later repairs; where the wheel exists it is newer.
        import pysqlite3.dbapi2 as sqlite_module
    except ImportError:
        import sqlite3 as sqlite_module
    engine = create_engine(
        url, module=sqlite_module, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False}, **options
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, see below
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # A new database gives back what is deleted. To ask this of any other would take the lock of writers.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in (
            "journal_mode=WAL",
            "journal_size_limit=67108864",
            f"synchronous={synchronous}",
            f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
            "foreign_keys=ON",
            "cache_size=-65536",
            "mmap_size=268435456",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("entrepot_read", False)
        if not reading:
            wait = BUSY_TIMEOUT_SECONDS if patience is None else _left(patience)
            connection.exec_driver_sql(f"PRAGMA busy_timeout={math.ceil(wait * 1000)}")
        # A deferred transaction that later writes can fail with "database is locked" whatever the timeout.
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _give_up_locks(engine: Engine, seconds: float) -> None:
    """Have nobody wait for a lock for longer than this."""

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{math.ceil(seconds * 1000)}ms",))
        connection.commit()


def _ping_seldom(engine: Engine) -> None:
    """Have pooled connections asked whether they live only when there is a reason: each time is a round trip.

    A server that ends a connection says so on its socket; only one that vanished, or a firewall between, does not.
    """
    ping: Any = engine.dialect.do_ping
    asked: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def do_ping(connection: Any) -> bool:
        instant = time.monotonic()
        if instant - asked.get(connection, -math.inf) > PING_SECONDS or _has_news(connection.pgconn.socket):
            ping(connection)
            asked[connection] = instant
        return True

    engine.dialect.do_ping = do_ping  # type: ignore[assignment, method-assign]


def _has_news(descriptor: int) -> bool:
    poll = select_module.poll()
    poll.register(descriptor, select_module.POLLIN)
    return bool(poll.poll(0))
