# Made of aio/works.py by `make sync-face`: change that one.
"""Works in the SDK: walking the queue and the archive."""

from collections.abc import Iterator
from typing import Any

from entrepot.client._http import Connection


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

    def walk(
        self, query: dict[str, Any] | None = None, projection: dict[str, Any] | None = None, *, at_once: int = 100
    ) -> Iterator[dict[str, Any]]:
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
            page = self._connection.json("POST", f"{self._path}/view", body=body)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def count(self, query: dict[str, Any] | None = None) -> int:
        """Return how many works match a MongoDB query; by default, how many there are."""
        found = self._connection.json("POST", f"{self._path}/count", body={"query": query or {}})
        return int(found["count"])
