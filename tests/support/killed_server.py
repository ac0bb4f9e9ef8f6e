"""Serve HTTP on an inherited socket, and be killed (SIGKILL) around the first commit that keeps a request's answer.

    python -m tests.support.killed_server DATA_DIR SOCKET

For each line of its input (``never``, ``before`` or ``after`` the commit), a process is forked that serves; its id is
written, and how it ended once it has.
"""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from entrepot.server.child import end_with
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings


def main(data_dir: str, descriptor: str) -> None:
    """Serve as often as is asked."""
    for line in sys.stdin:
        parent = os.getpid()
        child = os.fork()
        if not child:
            end_with(parent, "killed")
            os.dup2(2, 1)  # what it logs is no answer
            serve(Path(data_dir), int(descriptor), line.strip())
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def serve(data_dir: Path, descriptor: int, when: str) -> None:
    """Serve until the end."""
    kept: set[int] = set()

    @event.listens_for(Engine, "after_cursor_execute")
    def _note(connection: Connection, _cursor: Any, statement: str, *_others: Any) -> None:
        if statement.startswith("INSERT INTO kept_answer"):
            kept.add(id(connection.connection.dbapi_connection))

    def die(connection: Any) -> None:
        if id(getattr(connection, "dbapi_connection", connection)) in kept:
            os.kill(os.getpid(), signal.SIGKILL)

    services = Services.open(Settings(data_dir=data_dir))
    commit = services.database.engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        if when == "before":
            die(connection)
        commit(connection)
        if when == "after":
            die(connection)

    services.database.engine.dialect.do_commit = do_commit  # type: ignore[assignment, method-assign]
    config = uvicorn.Config(create_app(services), log_level="warning")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(*sys.argv[1:])
