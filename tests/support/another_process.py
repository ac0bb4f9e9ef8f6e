"""Changes a database from a process of its own: what servers and commands elsewhere do while one serves."""

import subprocess
import sys
from typing import Any, Self

import orjson
from sqlalchemy import text

from entrepot.db import Database


class AnotherProcess:
    """A process that executes what it is told, each statement in a transaction of its own."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "tests.support.another_process", url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate(timeout=30)

    def execute(self, statement: str, **parameters: Any) -> None:
        """Execute a statement; it is committed when this returns."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps([statement, parameters]) + b"\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == b"1\n", "one row is changed"


def _serve(url: str) -> None:
    database = Database(url)
    for line in sys.stdin.buffer:
        statement, parameters = orjson.loads(line)
        with database.write() as session:
            changed: Any = session.execute(text(statement), parameters)
        sys.stdout.write(f"{changed.rowcount}\n")
        sys.stdout.flush()
    database.close()


if __name__ == "__main__":
    _serve(sys.argv[1])
