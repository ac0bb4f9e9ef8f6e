"""Cleaners of Entrepot's own interface, and their unit cleaners."""

from dataclasses import dataclass, field
from typing import Any

from entrepot.client._http import Connection

Record = dict[str, Any]


@dataclass(frozen=True)
class Cleaners:
    """What makes regular series of raw ones: each importer has a cleaner, with a unit cleaner a series."""

    connection: Connection = field(repr=False)
    path = "/api/v1/cleaners"

    def all(self, **equal: str) -> list[Record]:
        """Return cleaners by name; those of a ``project_id``, or of a ``name``, where it is given."""
        records: list[Record] = self.connection.json("GET", self.path, params=equal)
        return records

    def unitcleaners(self, cleaner_id: str) -> list[Record]:
        """Return the unit cleaners of a cleaner."""
        records: list[Record] = self.connection.json("GET", f"{self.path}/{cleaner_id}/unitcleaners")["items"]
        return records

    def clean(self, cleaner_id: str, external_name: str, name: str, **settings: Any) -> Record:
        """Have a raw series cleaned, and return its unit cleaner.

        Parameters
        ----------
        external_name, name
            The raw series, and the series that is made of it.
        settings
            Any setting of a unit cleaner, such as ``freq``, ``input_unit_type``, ``unit_type``, ``clock``,
            ``timezone``, ``day_begins`` (``06:00``), ``filter_fct``, ``filter_first``, ``completeness`` (in per cent).
        """
        body = {"external_name": external_name, "name": name, **settings}
        record: Record = self.connection.json("POST", f"{self.path}/{cleaner_id}/unitcleaners", body=body)
        return record

    def update(self, unitcleaner_id: str, **settings: Any) -> Record:
        """Change settings of a unit cleaner; what was made is made anew."""
        record: Record = self.connection.json("PATCH", f"/api/v1/unitcleaners/{unitcleaner_id}", body=settings)
        return record

    def delete(self, unitcleaner_id: str) -> None:
        """Delete a unit cleaner with the series that it made."""
        self.connection.request("DELETE", f"/api/v1/unitcleaners/{unitcleaner_id}")
