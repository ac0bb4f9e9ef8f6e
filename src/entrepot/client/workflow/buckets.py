"""Buckets: works that wait to be done."""

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from entrepot.client.workflow.backend import Backend, confirmed, in_parts
from entrepot.client.workflow.exceptions import failed

_Document = dict[str, Any]
T = TypeVar("T")

#: How long deposits and updates are tried again.
RETRY_SECONDS = 30.0


class Buckets(Backend):
    """HTTP client of the Buckets backend."""

    name = "buckets"

    def deposit(self, works: list[_Document], return_ids: bool = False) -> bool | list[str]:
        """Deposit works, all or none; tried again for half a minute when the server does not take them.

        Returns
        -------
        bool or list of str
            True, or the works' ids in order.
        """
        path = f"/work?return_ids={return_ids}"
        ids = _patiently(lambda: self._connection.json("POST", path, body=works, timeout=self.timeout))
        return list(ids) if return_ids else True

    def withdraw(
        self,
        pipeline: str | list[str],
        event: list[int] | None = None,
        site: str | None = None,
        priority: int | None = None,
        user: str | None = None,
        tags: list[str] | None = None,
        parent: list[str] | None = None,
    ) -> _Document:
        """Withdraw the most urgent queued work that fits; an empty dictionary when there is none."""
        query: _Document = {"pipeline": {"$in": [pipeline] if isinstance(pipeline, str) else pipeline}}
        equal = {"site": site, "priority": priority, "user": user}
        among = {"event": event, "tags": tags, "config.parent": parent}
        query |= {name: value for name, value in equal.items() if value}
        query |= {name: {"$in": values} for name, values in among.items() if values}
        found: _Document = self._connection.json("POST", "/work/withdraw", body=query)
        return found

    def update(self, works: list[_Document]) -> bool:
        """Update works, and return whether all were; tried again for half a minute."""
        return bool(_patiently(lambda: self._connection.json("PUT", "/work", body=works)))

    def delete_ids(self, ids: list[str]) -> bool:
        """Delete works, and return whether there were any."""
        parts = [[("ids", one) for one in part] for part in in_parts(ids)]
        try:
            deleted = [self._connection.json("DELETE", "/work", params=part) for part in parts]
        except httpx.HTTPError as error:
            raise failed(error, gave_up=True) from error
        return any(deleted)

    def delete_many(
        self,
        pipeline: str,
        status: str | None = None,
        events: list[int] | None = None,
        tags: list[str] | None = None,
        parent: str | None = None,
        force: bool = False,
        limit: int | None = 100,
    ) -> bool:
        """Delete works of a pipeline, having asked on the terminal unless `force`; return whether any were."""
        query: _Document = {"pipeline": pipeline}
        query |= {name: value for name, value in (("status", status), ("config.parent", parent)) if value}
        query |= {name: {"$in": values} for name, values in (("event", events), ("tags", tags)) if values}
        ids = [work["id"] for work in self.view(query, {"id": True}, limit=limit)]
        if not ids or not (force or confirmed(f"Are you sure you want to delete {len(ids)} works of {pipeline}?")):
            return False
        return self.delete_ids(ids)

    def status(self, pipeline: str | None = None) -> dict[str, Any]:
        """Return how many works there are in all and by status, of a pipeline or of all."""
        path = f"/status/details/{pipeline}" if pipeline else "/status"
        result: dict[str, Any] = self._connection.json("GET", path)
        return result

    def pipelines(self) -> list[str]:
        """Return the pipelines that have works."""
        result: list[str] = self._connection.json("GET", "/status/pipelines")
        return result

    def view(
        self,
        query: _Document,
        projection: dict[str, bool] = {},  # noqa: B006 - as documented, and never changed
        skip: int = 0,
        limit: int | None = 100,
    ) -> list[_Document]:
        """Return works that match a MongoDB query; None: no limit."""
        return self._search(query, {**projection, "_id": False}, skip, limit)

    def audit(self) -> dict[str, Any]:
        """Try failed works again, fail those past their timeout, and count those older than 7 days."""
        paths = {"failed": "/audit/failed", "expired": "/audit/expired", "stale": "/audit/stale/7.0"}
        return {name: self._connection.json("GET", path) for name, path in paths.items()}


def _patiently(ask: Callable[[], T]) -> T:
    give_up = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            return ask()
        except httpx.HTTPError as error:
            refused = isinstance(error, httpx.HTTPStatusError) and error.response.is_client_error
            # What was refused for what it is will be refused again.
            if refused or time.monotonic() >= give_up:
                raise failed(error, gave_up=True) from error
        time.sleep(random.uniform(0.1, 2.0))  # noqa: S311 - no secret
