"""A platform in memory: it keeps records, and notes what it is asked."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from entrepot.client import _quiet
from entrepot.client.ovbp import Client

Answer = Callable[[httpx.Request], httpx.Response]


class Platform:
    """Collections of records over HTTP.

    Attributes
    ----------
    records
        By collection, then id, oldest first.
    requests
        ``(method, path, query, body)`` of each request.
    actions
        What answers the requests whose path ends so, before anything else is tried.
    """

    def __init__(self) -> None:
        self.records: dict[str, dict[str, dict[str, Any]]] = {}
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.actions: dict[str, Answer] = {}
        self._ids = (f"id-{number}" for number in itertools.count(1))

    def add(self, collection: str, **data: Any) -> dict[str, Any]:
        """Keep a record and return it."""
        record = {"id": next(self._ids), **data}
        self.records.setdefault(collection, {})[record["id"]] = record
        return record

    def writes(self) -> list[tuple[str, str, dict[str, str], Any]]:
        """Return the requests that were no reads, and forget all."""
        found = [request for request in self.requests if request[0] != "GET"]
        self.requests.clear()
        return found

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        path = request.url.path.removeprefix("/api/").strip("/")
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, path, dict(request.url.params), body))
        for ending, answer in self.actions.items():
            if path.endswith(ending):
                return answer(request)
        if path.count("/") == 1:
            return self._collection(request, path, body)
        collection, _, record_id = path.rpartition("/")
        record = self.records.get(collection, {}).get(record_id)
        if record is None:
            return httpx.Response(404, json={"detail": "Not found."})
        if request.method == "DELETE":
            del self.records[collection][record_id]
            return httpx.Response(204)
        if request.method == "PATCH":
            record.update(body)
        return httpx.Response(200, json=record)

    def _collection(self, request: httpx.Request, collection: str, body: Any) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(201, json=self.add(collection, **body))
        filters = dict(request.url.params)
        start, length = int(filters.pop("start")), int(filters.pop("length"))
        found = [
            record
            for record in reversed(self.records.get(collection, {}).values())
            if all(str(record.get(name)) == value for name, value in filters.items())
        ]
        return httpx.Response(200, json={"data": found[start : start + length]})


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def client(platform: Platform) -> Client:
    client = Client(login="ada", password="secret", url="http://platform/api")
    client.rest_client.session = _quiet.Client(transport=httpx.MockTransport(platform), auth=("ada", "secret"))
    return client
