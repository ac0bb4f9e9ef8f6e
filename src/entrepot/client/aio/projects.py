"""Projects, and what belongs to one."""

from typing import Any

from entrepot.client.aio.analyses import Analyses, Analysis
from entrepot.client.aio.importing import Channels, Gate, Importer, Importers
from entrepot.client.aio.rows import ResultSet, ResultSets, Site
from entrepot.client.aio.series import Series, SeriesCollection
from entrepot.client.aio.things import Collection, Thing
from entrepot.client.aio.watches import Notification, Watch, Watches


class Project(Thing):
    """A project of an organization."""

    kinds = "projects"

    @property
    def gates(self) -> Collection[Gate]:
        """Where its files come in."""
        return Collection(self.connection, Gate, {"project": self.id})

    @property
    def importers(self) -> Importers:
        """What reads files of its gates into raw series."""
        return Importers(self.connection, Importer, {"project": self.id})

    @property
    def channels(self) -> Channels:
        """How each raw series becomes a regular one."""
        return Channels(self.connection, {"project": self.id})

    @property
    def analyses(self) -> Analyses:
        """What computes series and rows out of its series."""
        return Analyses(self.connection, Analysis, {"project": self.id})

    @property
    def series(self) -> SeriesCollection:
        """Its series; one that is made here is there to push points to."""
        return SeriesCollection(self.connection, Series, {"project": self.id})

    @property
    def watches(self) -> Watches:
        """What must not fall silent unnoticed."""
        return Watches(self.connection, Watch, {"project": self.id})

    @property
    def notifications(self) -> Collection[Notification]:
        """What somebody should know or do."""
        return Collection(self.connection, Notification, {"project": self.id})

    @property
    def sites(self) -> Collection[Site]:
        """Sites: they belong to the organization, and all of its projects see them."""
        return Collection(self.connection, Site)

    @property
    def result_sets(self) -> ResultSets:
        """Rows that belong together; of the organization, as sites are."""
        return ResultSets(self.connection, ResultSet)

    async def export(self) -> dict[str, Any]:
        """Return the project as a file says it: see ``docs/project-files.md``."""
        found: dict[str, Any] = await self.connection.json("GET", f"{self.path}/file")
        return found

    async def plan(self, file: dict[str, Any], secrets: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what :meth:`apply` would make, change, remove and have computed again; nothing is done."""
        return await self._asked("plan", file, secrets)

    async def apply(self, file: dict[str, Any], secrets: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make the project what a file says, all of it or nothing; return what that made, changed and removed.

        Parameters
        ----------
        file
            Of this project; what :meth:`export` returns, changed.
        secrets
            Credentials of feeders, by the names that the file gives them.
        """
        return await self._asked("apply", file, secrets)

    async def _asked(self, what: str, file: dict[str, Any], secrets: dict[str, Any] | None) -> dict[str, Any]:
        if file.get("project") != self.name:
            raise ValueError(f"This is a file of the project {file.get('project')!r}, not of {self.name!r}.")
        body, once = {"file": file, "secrets": secrets or {}}, what == "apply"
        told: dict[str, Any] = await self.connection.json(
            "POST", f"/api/v1/projects/{what}", body=body, once=once, timeout=300.0
        )
        return told
