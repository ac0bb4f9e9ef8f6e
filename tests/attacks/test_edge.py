"""Heads that mean two things, pages that load from elsewhere, metrics and streams for whoever asks."""

import asyncio
import random
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.routing import Match, Router
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.errors import TooManyRequests
from entrepot.identity import Principal, Role, Vault, keys, users
from entrepot.server.connections import Connections, Timed
from entrepot.server.router import Table
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.server.streaming import Waiting
from entrepot.settings import Settings
from tests.support.asgi import call, routes


@pytest.fixture
def database_kind() -> str:
    """What is at the edge does not depend on the database."""
    return "sqlite"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    data = tmp_path / "data"
    data.mkdir()
    Vault.create(data / "secret.key")
    return Settings(data_dir=data, max_streams_per_user=2)


@pytest.fixture
def app(database: Database, settings: Settings) -> FastAPI:
    return create_app(Services(settings, database))


@pytest.fixture
def token(database: Database) -> str:
    with database.write() as session:
        organization = users.create_organization(session, "o")
        user, _ = users.create_user(session, "admin")
        users.set_member(session, user, organization, Role.ADMIN)
        return keys.create_key(session, user.id, organization.id)[1]


def test_a_host_that_is_none_is_refused(app: FastAPI) -> None:
    wrong = ["", "a b", "[::1", "a/../b", "a@b", "a:b", "a:999999", "x" * 300, "a,b", "<script>", "a%00"]
    for host in wrong:
        answer = call(app, "GET", "/console/login", [("host", host)], host=False)
        assert (answer.status, b"Host" in answer.body) == (400, True), host
    for host in ["a", "a.example:8000", "127.0.0.1:1", "[::1]:8000", "a_b-c"]:
        assert call(app, "GET", "/console/login", [("host", host)], host=False).status == 200, host
    assert call(app, "GET", "/console/login", host=False).status == 400


def test_a_header_given_twice_is_refused(app: FastAPI) -> None:
    for name in ("host", "authorization", "x-access-token", "content-type", "content-length"):
        assert call(app, "POST", "/api/v1/points", [(name, "1"), (name, "1")], host=name != "host").status == 400


def test_every_answer_protects_itself(app: FastAPI, token: str) -> None:
    """Errors, pages, open routes and such as are none, of every door."""
    known = [("authorization", f"Token {token}")]
    seen = set()
    for path, method, _ in routes(app.router.routes):
        if path.endswith("/") or "//" in path:  # another spelling
            continue
        for headers in ([], known) if method == "GET" else ([],):
            answer = call(app, method, re.sub(r"{\w+(:\w+)?}", "1", path), headers)
            seen.add(answer.status)
            assert answer.headers["x-content-type-options"] == "nosniff", (method, path)
            assert "referrer-policy" in answer.headers
            assert "frame-ancestors" in answer.headers["content-security-policy"] or answer.status == 200
            if headers and answer.headers.get("content-type") == "application/json":
                assert {"no-store", "private"} & set(re.split(", ?", answer.headers["cache-control"])), (method, path)
    assert {200, 400, 401, 404} <= seen


def test_the_page_of_the_api_loads_nothing_from_elsewhere(app: FastAPI) -> None:
    client = TestClient(app)
    answer = client.get("/docs")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert re.findall("<script[^>]*", answer.text) == re.findall(
        '<script type="module" src="/console/static/console-[A-Z0-9]+.js"', answer.text
    ), "its own, and none of what is described"
    assert set(re.findall(r'(?:src|href|action)="(?![/#])([^"]*)"', answer.text)) <= {"data:,"}
    for path, method, declared in routes(app.router.routes):
        if path.startswith("/api/v1/") and declared is not None and not path.endswith("/"):
            spelt = re.sub(r":\w+}", "}", path)
            assert f"<code>{method} {spelt}</code>" in answer.text
    for schema in client.get("/api/v1/openapi.json").json()["components"]["schemas"]:
        assert f"<code>{schema}</code>" in answer.text


def test_metrics_are_for_this_machine_or_a_token(database: Database, settings: Settings) -> None:
    def asked(settings: Settings, client: str, *headers: tuple[str, str]) -> int:
        return call(create_app(Services(settings, database)), "GET", "/metrics", headers, client=client).status

    closed = settings.model_copy(update={"metrics_token": SecretStr("m-secret")})
    assert asked(settings, "127.0.0.1") == 200
    assert asked(settings, "203.0.113.9") == 403
    assert asked(closed, "127.0.0.1") == 401
    assert asked(closed, "203.0.113.9", ("authorization", "Bearer m-secre")) == 401
    assert asked(closed, "203.0.113.9", ("authorization", "Bearer m-secret")) == 200


def test_a_user_has_few_streams_and_polls_at_once(app: FastAPI, token: str) -> None:
    """The third is told when to come again; one that ends, however it does, makes room."""
    headers = {"host": "test", "authorization": f"Token {token}"}

    async def main() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            waiting = [asyncio.create_task(client.get("/api/v1/events?after=latest&wait=30")) for _ in range(2)]
            state: Waiting = app.state.waiting
            async with asyncio.timeout(20):
                while sum(state._by_user.values()) < 2:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)
            for path, accept in (("/api/v1/events?wait=1", "*/*"), ("/api/v1/events/stream", "text/event-stream")):
                refused = await client.get(path, headers={"accept": accept})
                assert (refused.status_code, refused.headers.get("retry-after")) == (429, "5")
            assert (await client.get("/api/v1/events")).status_code == 200, "what does not wait is not counted"
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            assert not state._by_user

    asyncio.run(main())


def test_streams_are_counted_by_user() -> None:
    waiting = Waiting(1)
    one, other = (Principal(user_id=name, login=name, organization_id="o", roles={}) for name in "ab")
    with waiting.one(one), waiting.one(other), pytest.raises(TooManyRequests), waiting.one(one):
        pass
    with waiting.one(one):
        pass


def test_addresses_of_a_network_count_as_one_and_proxies_do_not_count(settings: Settings) -> None:
    class Connection:
        def look(self, now: float) -> None:
            pass

    connections = Connections(settings.model_copy(update={"max_connections_per_address": 1}))
    kept: list[Timed] = [Connection() for _ in range(7)]
    hosts = ["203.0.113.1", "203.0.113.1", "::ffff:203.0.113.1", "2001:db8::1", "2001:db8::2:1", *["127.0.0.1"] * 2]
    taken = [connections.add(connection, host) for connection, host in zip(kept, hosts, strict=True)]
    assert taken == [True, False, False, True, False, True, True]
    connections.remove(kept[0], hosts[0])
    connections.remove(kept[1], hosts[1])  # was not taken
    assert connections.add(kept[1], hosts[1])
    assert not connections.add(kept[2], hosts[2])


def test_routes_are_found_as_starlette_finds_them(app: FastAPI) -> None:
    """Every route with every method, spelt in every way that may matter."""
    router: Router = app.router
    table = router.middleware_stack
    assert isinstance(table, Table)
    declared = {path for path, _, _ in routes(router.routes)}
    paths = {re.sub(r"{\w+(:\w+)?}", piece, path) for path in declared for piece in ("1", "ab", "a.b")}
    paths |= {f"{path}/" for path in paths} | {f"/{path}" for path in paths}
    paths |= {path.replace("/", "//") for path in paths} | {f"{path}/x" for path in paths}
    chosen = [*random.Random(7).sample(sorted(paths), 400), "", "/", "//", "/x", "/api", "/workflow", "/ovbp/api/v2"]
    for path in chosen:
        for method in ("GET", "HEAD", "POST", "DELETE"):
            scope: dict[str, Any] = {"type": "http", "path": path, "method": method, "root_path": "", "headers": []}
            # Natively, HEAD goes where GET goes.
            asked = "GET" if method == "HEAD" and path.startswith("/api/v1/") else method
            expected = _walk(router, scope | {"method": asked})
            try:
                table.find(scope)
                found: object = (scope["route"].endpoint, scope["path_params"])
            except HTTPException as error:
                found = (error.status_code, None)
            assert found == expected, (method, path)


def _walk(router: Router, scope: dict[str, object]) -> object:
    """Return what Starlette's walk over all routes ends at."""
    partial = False
    routes = list(router.routes)
    while routes:
        route = routes.pop(0)
        match, child = route.matches(scope)
        if match is Match.FULL:
            inner = getattr(route, "routes", None)
            if not inner:
                return child["endpoint"], child["path_params"]
            scope.update(child)
            routes, partial = list(inner), False
        elif match is Match.PARTIAL:
            partial = True
    return (405 if partial else 404), None
