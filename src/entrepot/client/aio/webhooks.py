"""Webhooks of Entrepot's own interface: who is told of events."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from entrepot.client.aio._http import Connection

Record = dict[str, Any]


@dataclass(frozen=True)
class Webhooks:
    """Addresses that events are sent to."""

    connection: Connection = field(repr=False)
    path = "/api/v1/webhooks"

    async def all(self) -> list[Record]:
        """Return webhooks, newest first."""
        return [each async for each in self.connection.pages(self.path)]

    async def get(self, webhook_id: str) -> Record:
        """Return a webhook."""
        return await self._one("GET", f"/{webhook_id}")

    async def create(self, url: str, types: Sequence[str] | None = None) -> Record:
        """Create a webhook, told of events from now on; its ``secret`` is in this answer and nowhere else.

        Parameters
        ----------
        types
            ``type`` or ``type.action`` of the events that are sent, such as ``file.published``; by default all.
        """
        return await self._one("POST", "", {"url": url, "types": None if types is None else list(types)})

    async def update(self, webhook_id: str, **changes: Any) -> Record:
        """Change ``url``, ``types`` or ``status`` (``deactivated``, or ``new`` to begin again)."""
        return await self._one("PATCH", f"/{webhook_id}", changes)

    async def rotate(self, webhook_id: str, overlap_hours: float = 24) -> Record:
        """Give a webhook a new ``secret``, in this answer; for so long the old one signs as well."""
        return await self._one("POST", f"/{webhook_id}/rotate", {"overlap_hours": overlap_hours})

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook, and what waits for it."""
        await self.connection.request("DELETE", f"{self.path}/{webhook_id}")

    async def _one(self, method: str, path: str, body: Record | None = None) -> Record:
        record: Record = await self.connection.json(method, f"{self.path}{path}", body=body)
        return record
