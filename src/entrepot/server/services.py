"""What the parts of a running server share."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from entrepot.db import Database, installation
from entrepot.identity import Vault
from entrepot.settings import Settings

if TYPE_CHECKING:
    from entrepot.scripts import Level


@dataclass(frozen=True)
class Services:
    """Settings, database and secrets of one server; each process makes its own."""

    settings: Settings
    database: Database

    @classmethod
    def open(cls, settings: Settings, *, patience: float | None = None) -> "Services":
        """Connect to the database of the settings; see :class:`~entrepot.db.Database` for the patience of writers."""
        database = Database(
            settings.url, synchronous=settings.sqlite_synchronous, patience=patience, read_url=settings.read_url
        )
        return cls(settings, database)

    @cached_property
    def vault(self) -> Vault:
        """The server's secret key; one that is put in its place is taken up if the database knows it, too."""
        if (given := self.settings.secret_key) is not None:
            return Vault.given(given.get_secret_value())
        return Vault.open(self.settings.secret_key_file, self._knows)

    def _knows(self, checks: list[str]) -> bool:
        with self.database.read() as session:
            known = installation.find(session)
            return known is None or known.key_check is None or known.key_check in checks

    def script_level(self) -> "Level":
        """Return how far users' scripts are kept apart on this machine."""
        from entrepot import scripts  # brings pandas, which commands have no use for

        return scripts.level(wanted=self.settings.sandbox != "off")

    def close(self) -> None:
        """Let go of every connection."""
        self.database.close()
