"""An application called as a web server calls it, with an eye on what it takes of a body."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount

from entrepot.db import Database
from entrepot.identity import Vault
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings


def application(database: Database, folder: Path) -> FastAPI:
    """Return the application of a server of this database, whose data folder this is."""
    settings = Settings(data_dir=folder)
    Vault.create(settings.secret_key_file)
    return create_app(Services(settings, database))


@dataclass
class Answer:
    """What came of a call: the answer, and how much of the body was asked for."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    taken: int = 0  #: bytes
    asked: int = 0  #: times that anything was asked for


def call(
    app: Any,
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    body: Iterable[bytes] = (),
    *,
    host: bool = True,
    client: str = "127.0.0.1",
) -> Answer:
    """Send a request whose body comes in parts, of which the client has as many as are asked for."""
    answer, parts = Answer(), iter(body)
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "scheme": "http",
        "server": ("127.0.0.1", 80), "client": (client, 1), "state": {},
        "headers": [(b"host", b"test")] * host + [(name.lower().encode(), value.encode()) for name, value in headers],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        answer.asked += 1
        part = next(parts, None)
        if part is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        answer.taken += len(part)
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    asyncio.run(asyncio.wait_for(app(scope, receive, send), 60))
    return answer


def routes(found: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield path, method and declaration of every route."""
    for route in found:
        if isinstance(route, Mount):
            yield from routes(route.routes, prefix + route.path)
        else:
            for method in sorted(getattr(route, "methods", None) or {"GET"}):
                yield f"{prefix}{route.path}", method, getattr(route, "entrepot", None)  # type: ignore[attr-defined]
