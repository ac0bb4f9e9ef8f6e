"""Works in the SDK: the queue and the archive."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from entrepot.client.aio._http import Connection

Document = dict[str, Any]


class Works:
    """The queue, or the archive, of the server.

    Parameters
    ----------
    connection
        To the server.
    place
        ``works`` or ``archive``.
    """

    def __init__(self, connection: Connection, place: str) -> None:
        self._connection = connection
        self._path = f"/api/v1/{place}"

    async def deposit(self, works: Sequence[Document]) -> list[str]:
        """Queue works, or archive those that are done, all or none, and return their ids; those given are kept."""
        answer = await self._connection.json("POST", self._path, body=list(works), once=True)
        ids: list[str] = answer["ids"]
        return ids

    async def walk(
        self, query: dict[str, Any] | None = None, projection: dict[str, Any] | None = None, *, at_once: int = 100
    ) -> AsyncIterator[Document]:
        """Yield the works that match a MongoDB query, in the order of their ids.

        Works that are there all the while are met once each, whatever is added or deleted meanwhile.

        Parameters
        ----------
        query
            By default, all works.
        projection
            Which fields are returned; by default all.
        at_once
            How many are asked for at a time: 1000 at most.
        """
        cursor = None
        while True:
            body = {"query": query or {}, "projection": projection, "limit": at_once, "cursor": cursor}
            page = await self._connection.json("POST", f"{self._path}/view", body=body)
            for work in page["items"]:
                yield work
            cursor = page["next"]
            if cursor is None:
                return

    async def count(self, query: dict[str, Any] | None = None) -> int:
        """Return how many works match a MongoDB query; by default, how many there are."""
        found = await self._connection.json("POST", f"{self._path}/count", body={"query": query or {}})
        return int(found["count"])

    async def facets(self, query: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return which pipelines, states, sites, users and tags the works have that match, and how many have each."""
        found: dict[str, Any] = await self._connection.json("POST", f"{self._path}/facets", body={"query": query or {}})
        return found

    async def failures(self, query: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return why works failed, the most frequent cause first, each with the ``query`` that finds its works."""
        found = await self._connection.json("POST", f"{self._path}/failures", body={"query": query or {}})
        causes: list[dict[str, Any]] = found["items"]
        return causes

    async def change(self, action: str, query: dict[str, Any]) -> str:
        """Have all works changed that match now, some at a time, and return the id of the run that does it.

        Parameters
        ----------
        action
            Of the queue, ``retry``, ``cancel`` or ``delete``; of the archive, ``lock``, ``unlock`` or ``delete``.
        """
        body = {"action": action, "query": query}
        begun = await self._connection.json("POST", f"{self._path}/changes", body=body, once=True)
        return str(begun["id"])


class Queue(Works):
    """The queue of works."""

    async def board(self) -> list[dict[str, Any]]:
        """Return how each pipeline stands: its works by status, how old the oldest is, how many ended in an hour."""
        found = await self._connection.json("GET", f"{self._path}/board")
        pipelines: list[dict[str, Any]] = found["items"]
        return pipelines

    async def retry(self, ids: Sequence[str]) -> int:
        """Queue works that failed again, with all their attempts, and return how many were."""
        done = await self._connection.json("POST", f"{self._path}/retry", body={"ids": list(ids)})
        return int(done["requeued"])

    async def cancel(self, ids: Sequence[str]) -> int:
        """Give up works that wait or run, and return how many were: they fail, with no attempt left."""
        done = await self._connection.json("POST", f"{self._path}/cancel", body={"ids": list(ids)})
        return int(done["cancelled"])

    async def withdraw(
        self, query: dict[str, Any] | None = None, *, limit: int = 1, lease_seconds: float | None = None
    ) -> list[Document]:
        """Take works to do that match a MongoDB query, those of the highest priority first.

        Parameters
        ----------
        lease_seconds
            Give them to others unless they are reported, or a heartbeat comes, in so many seconds; None: their timeout.
        """
        body = {"query": query or {}, "limit": limit, "lease_seconds": lease_seconds}
        taken: list[Document] = await self._connection.json("POST", f"{self._path}/withdraw", body=body, once=True)
        return taken

    async def report(self, works: Sequence[Document]) -> bool:
        """Replace works by what became of them; False where one was withdrawn by somebody else since."""
        answer = await self._connection.json("PUT", self._path, body=list(works))
        return bool(answer["updated"])
