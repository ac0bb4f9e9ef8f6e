# Made of aio/keys.py by `make sync-face`: change that one.
"""The caller's API keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from entrepot.client.things import Verbs


class Keys(Verbs):
    """API keys that act for the caller: none is wider than the one that the caller comes with."""

    def list(self) -> list[dict[str, Any]]:
        """Return the keys that the caller may see, the newest first; their tokens are not kept by the server."""
        return list(self.connection.pages("/api/v1/keys"))

    def create(
        self,
        name: str = "",
        *,
        scopes: Sequence[str] | None = None,
        projects: Sequence[str] | None = None,
        series: Sequence[str] | None = None,
        networks: Sequence[str] | None = None,
        expires_at: datetime | None = None,
    ) -> dict[str, Any]:
        """Make a key and return it with its ``token``, which is told this once.

        Parameters
        ----------
        scopes
            ``area:right``, such as ``series:read``, or one piece of work: ``points:write``, ``gate:write``,
            ``works:deposit``, ``works:work``, ``files:publish``, ``calls:work``.
        projects, series
            Ids of the only ones that it reaches.
        networks
            Where it may be used from, such as ``192.0.2.0/24``.
        expires_at
            When it ends; with a zone.
        """
        asked = {"scopes": scopes, "projects": projects, "series": series, "networks": networks}
        body: dict[str, Any] = {key: list(value) for key, value in asked.items() if value is not None}
        if expires_at is not None:
            body["expires_at"] = expires_at.isoformat()
        made: dict[str, Any] = self.connection.json("POST", "/api/v1/keys", body={"name": name, **body}, once=True)
        return made

    def change(self, key_id: str, name: str) -> dict[str, Any]:
        """Give a key another name; what it may do stays."""
        changed: dict[str, Any] = self.connection.json("PATCH", f"/api/v1/keys/{key_id}", body={"name": name})
        return changed

    def rotate(self, key_id: str) -> dict[str, Any]:
        """Give a key another ``token`` and return it; the old one works for a while, but not on keys."""
        made: dict[str, Any] = self.connection.json("POST", f"/api/v1/keys/{key_id}/rotate", once=True)
        return made

    def revoke(self, key_id: str) -> None:
        """End a key at once."""
        self.connection.request("DELETE", f"/api/v1/keys/{key_id}")
