"""The engine and its units of work, the same on SQLite and PostgreSQL."""

import hashlib
import math
import select as select_module
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import orjson
from psycopg.pq import TransactionStatus
from sqlalchemy import ColumnElement, Connection, Engine, ExceptionContext, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute, Session

from entrepot.db import wire
from entrepot.db.brief import briefly
from entrepot.db.driver import on_driver
from entrepot.db.faults import naming, refused
from entrepot.db.replica import Replica
from entrepot.db.together import Together
from entrepot.db.watch import CONNECT_SECONDS, Watch
from entrepot.errors import Unavailable

T = TypeVar("T")

BUSY_TIMEOUT_SECONDS = 60
#: Until when (of the monotonic clock) whoever asks may wait for its turn to write.
write_by: ContextVar[float | None] = ContextVar("write_by", default=None)
#: A connection that was silent for so long is asked whether it lives before it is used.
PING_SECONDS = 10.0
#: Longest wait for a connection of the pool.
POOL_SECONDS = 10.0
#: A wait that is shorter by less is not worth a round trip.
_WORTH_SECONDS = 0.5
_WAITS = "entrepot_waits"  # tenths of a second for which a connection to SQLite waits for other processes
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
        SQLAlchemy URL (``sqlite:///file`` or ``postgresql+psycopg://...``); with ``?pooler=transaction``, each
        transaction may have another connection to the server, which keeps nothing of the one before.
    synchronous
        SQLite only: ``FULL`` keeps every acknowledged write through a power cut, ``NORMAL`` may lose the last ones.
    pool_size
        PostgreSQL only: most connections that this process keeps.
    patience
        Seconds after which :meth:`write` gives up waiting for others; None: as long as it takes, but at most
        `BUSY_TIMEOUT_SECONDS` for other processes on SQLite.
    read_url
        PostgreSQL only: a replica of this database, for :meth:`read_long`.
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: str = "FULL",
        pool_size: int = 20,
        patience: float | None = None,
        read_url: str | None = None,
    ) -> None:
        self.url = url
        self._patience = patience
        self.engine = _engine(url, synchronous, pool_size, patience)
        event.listen(self.engine, "handle_error", _heed_guard)
        self.dialect = self.engine.dialect.name
        self._snapshots = self.engine.execution_options(**_READ_OPTIONS[self.dialect])
        # SQLite lets one writer in at a time and makes the others poll: inside a process they queue here instead.
        self._lane = threading.RLock() if self.dialect == "sqlite" else None
        self._together = Together(self.engine, self._turn) if self._lane is not None else None
        self._glance: Connection | None = None
        self._glancing = threading.Lock()
        self._watch = Watch(self.engine) if self.dialect == "postgresql" else None
        self.replica = None if read_url is None else Replica(Database(read_url, pool_size=pool_size))

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

    def together(self, function: Callable[[Session], T]) -> T:
        """Return what a function returns within a unit of work as :meth:`write` opens them, once that is committed.

        On SQLite it may share a transaction, and the sync of its commit, with others that come at this moment: for
        what is short. What it raises takes back what it did, and nothing of the others.
        """
        return self._unit(function, ends=False)

    def at_once(self, function: Callable[[Session], T]) -> T:
        """Return what :meth:`together` does of a function that calls one verb, and writes nothing after it.

        So on PostgreSQL the verb's last statement takes the commit with it: both are one round trip.
        """
        return self._unit(function, ends=True)

    def _unit(self, function: Callable[[Session], T], *, ends: bool) -> T:
        if self._together is not None:
            return self._together.write(function)
        with naming(), self._watched(), self.engine.connect() as connection, connection.begin():
            return briefly(connection, function, ends=ends)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._lane is None:
            yield
            return
        left = _left(self._patience)
        if not self._lane.acquire(timeout=-1 if left == math.inf else left):
            raise Unavailable("The database is busy with what others write; try again.", retry_after=2)
        try:
            yield
        finally:
            self._lane.release()

    def _watched(self) -> AbstractContextManager[None]:
        return nullcontext() if self._watch is None else self._watch.using()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open one snapshot to read from by statements alone; nothing may be written in it."""
        # It ends with a commit: at a rollback, the driver would forget the statements that it has prepared.
        with naming(), self._watched(), self._snapshots.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """Open a snapshot as :meth:`snapshot` does, on SQLite, for whoever must not wait; its connection stays.

        Raises
        ------
        Unavailable
            Another thread has it.
        DBAPIError
            It cannot be read without a wait, or not at all.
        """
        if not self._glancing.acquire(blocking=False):
            raise Unavailable
        try:
            if self._glance is None:
                self._glance = self._snapshots.connect()
                on_driver(self._glance, "PRAGMA busy_timeout=0")
            with self._glance.begin():
                yield self._glance
        except DBAPIError:
            self._look_away()
            raise
        finally:
            self._glancing.release()

    def _look_away(self) -> None:
        if self._glance is not None:
            self._glance.invalidate()  # nobody else shall have one that does not wait
            self._glance.close()
            self._glance = None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open one snapshot to read from; nothing may be written in it."""
        with (
            self.snapshot() as connection,
            Session(
                connection, autoflush=False, expire_on_commit=False, join_transaction_mode="rollback_only"
            ) as session,
        ):
            yield session

    def read_long(self, function: Callable[[Session], T]) -> T:
        """Return what a function finds in one snapshot that may be held for long.

        That is a snapshot of the replica, where there is one and it has all that was acknowledged by now; what fails
        there is read again here, so the function has to bear being called twice.
        """
        if self.replica is not None and (found := self.replica.read(self, function)) is not None:
            return found[0]
        with self.read() as session:
            return function(session)

    def close(self) -> None:
        """Close every connection."""
        if self.replica is not None:
            self.replica.close()
        if self._watch is not None:
            self._watch.close()
        self._look_away()
        self.engine.dispose()


def _heed_guard(context: ExceptionContext) -> None:
    """Raise what a guard says: to those who look for what stands in the way, it is no row of somebody else's."""
    if (guarded := refused(context.original_exception)) is not None:
        raise guarded from context.original_exception


def _left(patience: float | None) -> float:
    """Return for how many seconds whoever asks now may wait."""
    deadline, patience = write_by.get(), math.inf if patience is None else patience
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
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        pooled = address.query.get("pooler") == "transaction"
        engine = create_engine(
            address.difference_update_query(["pooler"]),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=POOL_SECONDS,
            pool_pre_ping=True,
            pool_recycle=1800,
            # A statement that was prepared on one connection is unknown to the next.
            connect_args={"connect_timeout": CONNECT_SECONDS} | ({"prepare_threshold": None} if pooled else {}),
            **options,
        )
        _ping_seldom(engine)
        _end_on_the_wire(engine)
        if patience is not None:
            _give_up_locks(engine, patience, each_time=pooled)
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
        _keep_wal(connection)
        for pragma in (
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
        if connection.get_execution_options().get("entrepot_read", False):
            on_driver(connection, "BEGIN")
            return
        tenths = math.ceil(min(_left(patience), BUSY_TIMEOUT_SECONDS) * 10)
        if connection.info.get(_WAITS) != tenths:
            on_driver(connection, f"PRAGMA busy_timeout={tenths * 100}")
            connection.info[_WAITS] = tenths
        # A deferred transaction that later writes can fail with "database is locked" whatever the timeout.
        on_driver(connection, "BEGIN IMMEDIATE")

    return engine


def _keep_wal(connection: Any) -> None:
    """Have a database keep its journal as WAL.

    Where several open a new database at once, SQLite refuses this to all but one of them without any wait.
    """
    by = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except connection.OperationalError as failure:
            if "locked" not in str(failure) or time.monotonic() > by:
                raise
            time.sleep(0.01)


def _give_up_locks(engine: Engine, seconds: float, *, each_time: bool) -> None:
    """Have nobody wait for a lock for longer than this; said to each transaction where a connection forgets it."""

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        if not each_time:
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{math.ceil(seconds * 1000)}ms",))
            connection.commit()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Who waited elsewhere already, for a turn or a connection, waits here for what is left.
        if (left := _left(seconds)) < seconds - _WORTH_SECONDS or each_time:
            on_driver(connection, "SELECT set_config('lock_timeout', %s, true)", (f"{math.ceil(left * 1000)}ms",))


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


def _end_on_the_wire(engine: Engine) -> None:
    dialect: Any = engine.dialect
    rollback, rollback_to = dialect.do_rollback, dialect.do_rollback_to_savepoint

    def do_rollback(connection: Any) -> None:
        own = getattr(connection, "driver_connection", connection)
        if own.info.transaction_status == TransactionStatus.IDLE:  # as whenever the pool takes one back
            return
        wire.doubt(own)
        rollback(connection)

    def do_rollback_to_savepoint(connection: Connection, name: str) -> None:
        wire.doubt(connection.connection.driver_connection)  # type: ignore[arg-type]
        rollback_to(connection, name)

    def do_commit(connection: Any) -> None:
        wire.commit(getattr(connection, "driver_connection", connection))

    dialect.do_commit, dialect.do_rollback = do_commit, do_rollback
    dialect.do_rollback_to_savepoint = do_rollback_to_savepoint


def _has_news(descriptor: int) -> bool:
    poll = select_module.poll()
    poll.register(descriptor, select_module.POLLIN)
    return bool(poll.poll(0))
