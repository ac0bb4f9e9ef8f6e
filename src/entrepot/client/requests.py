# Made of aio/requests.py by `make sync-face`: change that one.
"""Requests: what others ask to be fetched and published."""

from collections.abc import Iterator, Mapping
from typing import Any

from entrepot.client.things import Verbs

Record = dict[str, Any]


class Requests(Verbs):
    """What was asked to be fetched and published; a work fulfils each, and files answer it."""

    path = "/api/v1/requests"

    def list(self, **equal: Any) -> Iterator[Record]:
        """Yield requests, newest first; those of a ``status``, or of the id of a ``source``, where these are given."""
        yield from self.connection.pages(self.path, **equal)

    def get(self, request_id: str) -> Record:
        """Return a request, with its ``steps``."""
        record: Record = self.connection.json("GET", f"{self.path}/{request_id}")
        return record

    def create(self, source: Mapping[str, str] | str | None = None, payload: Mapping[str, Any] | None = None) -> Record:
        """Ask for data.

        Parameters
        ----------
        source
            What it is asked of: the id of a source, or its ``user``, ``type`` and ``identifier``.
        payload
            What is asked for; whoever fulfils it gets it as it is.
        """
        body = {"source": source, "payload": payload or {}}
        record: Record = self.connection.json("POST", self.path, body=body, once=True)
        return record

    def cancel(self, request_id: str) -> Record:
        """End a request early, and return it; what was published stays."""
        record: Record = self.connection.json("POST", f"{self.path}/{request_id}/cancel")
        return record

    def files(self, request_id: str) -> Iterator[Record]:
        """Yield the files that answer a request, newest first, those that were consumed too."""
        yield from self.connection.pages("/api/v1/files", request=request_id, status=["available", "consumed"])
