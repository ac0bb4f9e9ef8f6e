"""Channels of Entrepot's own interface: how raw series become regular ones."""

from dataclasses import dataclass, field
from typing import Any

from entrepot.client._http import Connection

Record = dict[str, Any]


@dataclass(frozen=True)
class Channels:
    """What makes regular series of raw ones: each importer has as many as it likes."""

    connection: Connection = field(repr=False)
    path = "/api/v1/channels"

    def all(self, **equal: str) -> list[Record]:
        """Return channels by name; those of an ``importer``, a ``project`` (ids or names), a ``raw`` or a ``name``."""
        return list(self.connection.pages(self.path, **equal))

    def create(self, importer: str, raw: str, name: str, **settings: Any) -> Record:
        """Have a raw series made into a regular one, and return its channel.

        Parameters
        ----------
        importer
            Its id or name.
        raw, name
            The raw series, and the series that is made of it.
        settings
            Any setting of a channel, such as ``step``, ``raw_kind``, ``kind``, ``clock``, ``unit``, ``minimum``,
            ``maximum``, ``day_begins`` (``06:00``), ``keep``, ``filter_first``, ``completeness`` (in per cent).
        """
        body = {"importer": importer, "raw": raw, "name": name, **settings}
        record: Record = self.connection.json("POST", self.path, body=body, once=True)
        return record

    def update(self, channel_id: str, **settings: Any) -> Record:
        """Change settings of a channel; what it made is made anew."""
        record: Record = self.connection.json("PATCH", f"{self.path}/{channel_id}", body=settings)
        return record

    def delete(self, channel_id: str) -> None:
        """Delete a channel with the series that it made."""
        self.connection.request("DELETE", f"{self.path}/{channel_id}")
