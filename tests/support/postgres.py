"""A private PostgreSQL cluster in a temporary folder, made of the machine's own PostgreSQL programs."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Collection
from itertools import count
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from tests.support.bound import bound
from tests.support.deadline import eventually
from tests.support.ports import free_port

# Small, because each pytest-xdist worker has a cluster of its own. Commits stay synchronous; without fsync they survive
# whatever is killed all the same, if not the machine's own end.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "max_connections": "150",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}

#: A table of more bytes is truncated: rows that are deleted stay in it. Few are deleted at a fraction of the cost.
_LARGE = 1 << 20
#: What a test had the planner learn of its tables would mislead it in all that follow, since nothing here learns anew.
_KNOWN = "SELECT EXISTS (SELECT FROM pg_statistic JOIN pg_class c ON c.oid = starelid WHERE c.relnamespace = {0})"
_FORGET = """
SET allow_system_table_mods = on;
DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = {0});
UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relnamespace = {0} AND reltuples >= 0
"""
_PUBLIC = sql.SQL("'public'::regnamespace")
_RESTART = """
SELECT setval(pg_sequences.schemaname || '.' || quote_ident(sequencename), start_value, false) FROM pg_sequences
WHERE last_value IS NOT NULL
"""


class Cluster:
    """A running cluster; databases made by :meth:`create` live as long as it does.

    Parameters
    ----------
    place
        Where its folder is made.
    settings
        In place of those that clusters have here.
    primary
        Another cluster, of which this one is a replica.
    """

    def __init__(self, place: str = "/tmp", *, primary: "Cluster | None" = None, **settings: str) -> None:
        self._settings = SETTINGS | settings
        # Server programs refuse to run as root, and a socket's path may not exceed 107 bytes.
        self._account: dict[str, Any] = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        )
        self._numbers = count(1)
        self.folder = Path(tempfile.mkdtemp(prefix="entrepot-pg-", dir=place))
        if self._account:
            shutil.chown(self.folder, "postgres", "postgres")
        self._copy(primary) if primary is not None else self._run(
            "initdb", "--pgdata", "data", "--username", "entrepot", "--auth", "trust", "--no-sync",
            "--encoding", "UTF8", "--locale", "C.UTF-8",
        )  # fmt: skip
        self.port = free_port()
        self._process = self._start()
        eventually(self._answers, 60, message="PostgreSQL did not start: see above")

    def url(self, name: str) -> str:
        """Return the URL of a database of this cluster, in SQLAlchemy's spelling."""
        return f"postgresql+psycopg://entrepot@127.0.0.1:{self.port}/{name}"

    def create(self, template: str = "template0") -> str:
        """Create a database, empty or copied from one that nobody uses at the moment, and return its name."""
        name = f"entrepot_{next(self._numbers)}"
        with self._connect() as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        with self._connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def empty(self, name: str, tables: Collection[str]) -> None:
        """Bring a database back to these tables, without rows; whoever is still connected to it is sent away."""
        with self._connect(name) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
            (known,) = connection.execute(sql.SQL(_KNOWN).format(_PUBLIC)).fetchall()
            if known[0]:
                connection.execute(sql.SQL(_FORGET).format(_PUBLIC))
            there = _tables(connection)
            for extra in there - set(tables):
                connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(sql.Identifier(extra)))
            look = [
                sql.SQL("SELECT {}, pg_relation_size({}) WHERE EXISTS (SELECT FROM {})").format(
                    sql.Literal(table), sql.Literal(table), sql.Identifier(table)
                )
                for table in there.intersection(tables)
            ]
            filled: dict[str, int] = dict(connection.execute(sql.SQL(" UNION ALL ").join(look)).fetchall())
            if not filled:
                return
            if max(filled.values()) > _LARGE:
                names = sql.SQL(", ").join([sql.Identifier(table) for table in filled])
                connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))
                return
            empty = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in filled]
            begin = sql.SQL("SET session_replication_role = replica")  # in any order: foreign keys are not looked at
            connection.execute(sql.SQL("; ").join([begin, *empty, sql.SQL(_RESTART)]))

    def execute(self, statement: LiteralString) -> None:
        """Execute a statement that is none of one database's."""
        with self._connect() as connection:
            connection.execute(statement)

    def backends(self, name: str) -> list[int]:
        """Return the ids of the processes that serve a database's connections."""
        with self._connect() as connection:
            found = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [name])
            return [int(row[0]) for row in found]

    def size(self, name: str) -> int:
        """Return how many bytes a database has, its indexes included."""
        with self._connect() as connection:
            return int(connection.execute("SELECT pg_database_size(%s)", [name]).fetchall()[0][0])

    def tables(self, name: str) -> set[str]:
        """Return the names of a database's tables, but for that of the migrations."""
        with self._connect(name) as connection:
            return _tables(connection)

    def restart(self, mode: str) -> None:
        """Do what ``pg_ctl restart -m MODE`` does, `fast` or `immediate`, as the new one's parent."""
        self._process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])
        self._process.wait(60)
        self._process = self._start()
        eventually(self._answers, 60, message="PostgreSQL did not start: see above")

    def stop(self) -> None:
        """Stop the cluster at once and remove its folder."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)
        shutil.rmtree(self.folder)

    def _start(self) -> subprocess.Popen[bytes]:
        options = [argument for name, value in self._settings.items() for argument in ("-c", f"{name}={value}")]
        return subprocess.Popen(
            [
                *bound(signal="QUIT"),
                _binaries() / "postgres",
                "-D",
                "data",
                "-p",
                str(self.port),
                "-k",
                self.folder,
                *options,
            ],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            **self._account,
        )

    def _copy(self, primary: "Cluster") -> None:
        self._run(
            "pg_basebackup", "--pgdata", "data", "--write-recovery-conf", "--checkpoint", "fast", "--no-sync",
            "--dbname", f"host=127.0.0.1 port={primary.port} user=entrepot",
        )  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(_binaries() / program), *arguments]
        subprocess.run(
            command, cwd=self.folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **self._account
        )

    def _connect(self, name: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(host="127.0.0.1", port=self.port, user="entrepot", dbname=name, autocommit=True)

    def _answers(self) -> bool:
        assert self._process.poll() is None, "PostgreSQL ended at once: see above"
        with contextlib.suppress(psycopg.OperationalError), self._connect():
            return True
        return False


def _tables(connection: psycopg.Connection) -> set[str]:
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row[0] for row in found} - {"alembic_version"}


def _binaries() -> Path:
    """Return the folder of the newest PostgreSQL programs on this machine."""
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "the tests need PostgreSQL's server: `apt-get install postgresql` (`make test` does it)"
    return found[-1].parent
