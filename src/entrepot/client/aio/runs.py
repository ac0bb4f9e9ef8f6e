"""Runs, and what runs."""

from typing import Any

from entrepot.client.aio._http import Connection
from entrepot.client.aio.things import Record, Thing
from entrepot.client.progress import Progress, telling


class Run(Thing):
    """One time that a feeder, an importer, a cleaner or an analysis did its work."""

    kinds = "runs"

    @property
    def name(self) -> str:
        """What ran."""
        of = self.record["of"] or {"kind": "", "name": ""}
        return f"{of['kind']} {of['name']}".strip()

    def __repr__(self) -> str:
        """Say what it is, and how it stands."""
        return f"Run({self.name!r}, {self.record['status']})"

    async def wait(self, *, progress: Progress = False) -> "Run":
        """Wait until it has ended.

        Raises
        ------
        Failed
            It did not end well.
        """
        with telling(progress, self.name, "steps") as tell:

            def follow(run: Record) -> None:
                if run["progress"]:
                    tell(run["progress"]["done"], run["progress"]["total"] or None)

            what = f"The {self.record['action']} of {self.name}"
            self.record = await self.connection.ended("/api/v1/runs", self.record, what, follow)
        return self

    async def log(self) -> str:
        """Return what its script printed."""
        return (await self.connection.request("GET", f"{self.path}/log")).text

    async def cancel(self) -> None:
        """End it early: at once if it waits; if it runs, it is told to stop."""
        self.record = await self.connection.json("POST", f"{self.path}/cancel")


class Maker(Thing):
    """What runs: an importer, a cleaner or an analysis."""

    async def start(self, *, again: bool = False) -> Run:
        """Have it run, and return the run at once; `again` deletes what it made, and makes all of it anew."""
        made = await self.connection.json("POST", f"{self.path}/runs", body={"again": again}, once=True)
        return Run(self.connection, made)

    async def run(self, *, again: bool = False, progress: Progress = False) -> Run:
        """Run it, wait for its end, and return what became of it.

        Parameters
        ----------
        again
            Delete what it made, and make all of it anew.
        progress
            Show how far it is, or call this with how much is done, and of how much.

        Raises
        ------
        Failed
            It did not end well.
        """
        return await (await self.start(again=again)).wait(progress=progress)


async def tried(connection: Connection, path: str, body: Record, what: str = "The trial") -> Any:
    """Have something tried, wait, and return what came of it."""
    job = await connection.json("POST", path, body=body, once=True)
    return (await connection.ended("/api/v1/runs", job, what))["result"]
