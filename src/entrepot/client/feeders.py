# Made of aio/feeders.py by `make sync-face`: change that one.
"""Feeders of Entrepot's own interface: what fetches files into gates."""

from collections.abc import Mapping
from typing import Any

from entrepot.client.things import Verbs

Record = dict[str, Any]


class Feeders(Verbs):
    """What fetches files into gates."""

    path = "/api/v1/feeders"

    def all(self, **equal: str) -> list[Record]:
        """Return feeders, newest first; those of a ``project`` or ``gate`` where it is given."""
        return list(self.connection.pages(self.path, **equal))

    def get(self, feeder_id: str) -> Record:
        """Return a feeder; of its credentials, only their names."""
        return self._one("GET", f"/{feeder_id}")

    def create(
        self,
        gate: str,
        url: str | None = None,
        *,
        script: str | None = None,
        options: Mapping[str, Any] | None = None,
        credentials: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Record:
        """Give a gate a feeder.

        Parameters
        ----------
        url, script
            One of the two: an address to fetch from, or a script that defines ``feed(state, credentials, **tools)``.
        options
            What to take and how much, for instance ``{"include": ["*.csv"]}``.
        credentials
            What the source wants, for instance ``{"login": ..., "password": ...}``.
        settings
            Any of ``schedule`` (six fields, seconds first), ``zone`` and ``active``.
        """
        way = {name: value for name, value in (("from", url), ("script", script)) if value is not None}
        body = {"gate": gate, "options": options or {}, "credentials": credentials, **way, **settings}
        return self._one("POST", "", body)

    def update(self, feeder_id: str, **changes: Any) -> Record:
        """Change a feeder: what :meth:`create` takes, but for the gate."""
        return self._one("PATCH", f"/{feeder_id}", changes)

    def delete(self, feeder_id: str) -> None:
        """Delete a feeder; its gate and files stay."""
        self.connection.request("DELETE", f"{self.path}/{feeder_id}")

    def run(self, feeder_id: str) -> Record:
        """Have a feeder fetch, wait until it has, and return the report.

        Raises
        ------
        Failed
            It did not end well; what it could fetch is on the gate.
        """
        return self._done(feeder_id, "runs")

    def test(self, feeder_id: str) -> Record:
        """Have a feeder connect and list its source, without fetching anything; raises as :meth:`run` does."""
        return self._done(feeder_id, "test")

    def _done(self, feeder_id: str, what: str) -> Record:
        job = self._one("POST", f"/{feeder_id}/{what}")
        result: Record = (self.connection.ended("/api/v1/runs", job, "The feeder's job"))["result"]
        return result

    def _one(self, method: str, path: str, body: Any = None) -> Record:
        record: Record = self.connection.json(method, self.path + path, body=body, once=method == "POST")
        return record
