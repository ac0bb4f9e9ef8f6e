# Made of aio/webhooks.py by `make sync-face`: change that one.
"""Webhooks of Entrepot's own interface: who is told of events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from entrepot.client.things import Verbs

Record = dict[str, Any]


class Webhooks(Verbs):
    """Addresses that events are sent to."""

    path = "/api/v1/webhooks"

    def all(self) -> list[Record]:
        """Return webhooks, newest first."""
        return list(self.connection.pages(self.path))

    def get(self, webhook_id: str) -> Record:
        """Return a webhook."""
        return self._one("GET", f"/{webhook_id}")

    def create(self, url: str, types: Sequence[str] | None = None) -> Record:
        """Create a webhook, told of events from now on; its ``secret`` is in this answer and nowhere else.

        Parameters
        ----------
        types
            ``type`` or ``type.action`` of the events that are sent, such as ``file.published``; by default all.
        """
        return self._one("POST", "", {"url": url, "types": None if types is None else list(types)})

    def update(self, webhook_id: str, **changes: Any) -> Record:
        """Change ``url``, ``types`` or ``status`` (``deactivated``, or ``new`` to begin again)."""
        return self._one("PATCH", f"/{webhook_id}", changes)

    def rotate(self, webhook_id: str, overlap_hours: float = 24) -> Record:
        """Give a webhook a new ``secret``, in this answer; for so long the old one signs as well."""
        return self._one("POST", f"/{webhook_id}/rotate", {"overlap_hours": overlap_hours})

    def test(self, webhook_id: str, wait: float = 20) -> Record:
        """Have a test event posted once, and return the webhook: ``valid`` where that went well.

        Parameters
        ----------
        wait
            How many seconds to wait for that; a test that takes longer goes on.
        """
        return self._one("POST", f"/{webhook_id}/test?wait={wait:g}")

    def replay(
        self,
        webhook_id: str,
        *,
        after: str | None = None,
        event: str | None = None,
        failed_since: datetime | None = None,
    ) -> int:
        """Have events sent once more, and return how many.

        Parameters
        ----------
        after
            All after this event, by its id or a cursor; ``0``: all that are kept.
        event
            This one alone, by its id.
        failed_since
            Those whose delivery was given up since, and that did not come otherwise; with a zone.
        """
        since = None if failed_since is None else failed_since.isoformat()
        given: Record = {"after": 0 if after == "0" else after, "event": event, "failed_since": since}
        body = {name: value for name, value in given.items() if value is not None}
        return int((self._one("POST", f"/{webhook_id}/replay", body))["events"])

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook, and what waits for it."""
        self.connection.request("DELETE", f"{self.path}/{webhook_id}")

    def _one(self, method: str, path: str, body: Record | None = None) -> Record:
        record: Record = self.connection.json(method, f"{self.path}{path}", body=body)
        return record
