"""A PgBouncer that pools by transactions, before a cluster of the tests."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from tests.support.bound import bound
from tests.support.deadline import eventually
from tests.support.ports import free_port
from tests.support.postgres import Cluster

_CONFIG = """
[databases]
{name} = host=127.0.0.1 port={behind} dbname={name} user=entrepot
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {most}
query_wait_timeout = 30
"""


class PgBouncer:
    """Runs as long as the context lasts.

    Parameters
    ----------
    most
        Connections to the cluster: fewer than there are of clients, so that these have to share them.

    Attributes
    ----------
    url
        Of the database behind it, as the setting `database_url` takes it.
    """

    def __init__(self, cluster: Cluster, name: str, most: int = 3) -> None:
        self.port = free_port()
        self.url = f"postgresql://entrepot@127.0.0.1:{self.port}/{name}"
        self._folder = Path(tempfile.mkdtemp(prefix="entrepot-pooler-", dir="/tmp"))
        (self._folder / "pgbouncer.ini").write_text(
            _CONFIG.format(name=name, behind=cluster.port, port=self.port, most=most)
        )
        account: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            account = {"user": "postgres", "group": "postgres", "extra_groups": []}
            for path in (self._folder, self._folder / "pgbouncer.ini"):
                shutil.chown(path, "postgres", "postgres")
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        self._process = subprocess.Popen(
            [*bound(), program, "--quiet", "pgbouncer.ini"], cwd=self._folder, stdin=subprocess.DEVNULL, **account
        )

    def __enter__(self) -> Self:
        """Wait until it answers."""
        eventually(self._answers, 30, message="PgBouncer did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(30)
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        assert self._process.poll() is None, "PgBouncer ended at once"
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url):
            return True
        return False
