# Made of aio/parts.py by `make sync-face`: change that one.
"""Parts of structures, and what measures them: materials, sensors, signals and their like, with files of each."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from entrepot.client._http import Connection
from entrepot.client.things import Collection, Thing


class Part(Thing):
    """A record that scripts look up: what it has depends on its kind."""

    @property
    def name(self) -> str:
        """Its name, or what else tells it from others."""
        words = ("name", "title", "serial_number", "signal_id", "derived_signal_id")
        return str(next((self.record[word] for word in words if self.record.get(word)), self.id))

    def attach(self, file: Path | str, field: str = "file") -> None:
        """Attach a file, such as a datasheet, in place of the one of this name."""
        path = Path(file)
        self.connection.send(
            "PUT",
            self._of(field),
            params={"name": path.name},
            content=path.read_bytes(),
            content_type="application/octet-stream",
        )

    def fetch(self, target: Path | str, field: str = "file") -> Path:
        """Fetch a file that is attached."""
        path = Path(target)
        path.write_bytes((self.connection.send("GET", self._of(field))).content)
        return path

    def detach(self, field: str = "file") -> None:
        """Delete a file that is attached."""
        self.connection.request("DELETE", self._of(field))

    def _of(self, field: str) -> str:
        return f"{self.path}/attachments/{quote(field, safe='')}"


class Parts(Collection[Part]):
    """Parts of one kind, such as ``materials``, ``building-blocks`` or ``sensors``."""

    def __init__(self, connection: Connection, kind: str) -> None:
        one: Any = type("Part", (Part,), {"kinds": f"parts/{kind}"})
        super().__init__(connection, one)

    def bare(self, id: str | int, /) -> Part:  # noqa: A002 - it is one
        """Return the part of this id without asking, to attach files to it or to fetch them."""
        return self._kind(self._connection, {"id": id})

    def get(self, name: str, /) -> Part | None:
        """Return the first one of this name; None where there is none."""
        for each in self.list():
            if each.name == name:
                return each
        return None
