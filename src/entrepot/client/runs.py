# Made of aio/runs.py by `make sync-face`: change that one.
"""Runs, and what runs."""

from typing import Any

from entrepot.client._http import Connection
from entrepot.client.progress import Progress, telling
from entrepot.client.things import Record, Thing


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

    def wait(self, *, progress: Progress = False) -> "Run":
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
            self.record = self.connection.ended("/api/v1/runs", self.record, what, follow)
        return self

    def log(self) -> str:
        """Return what its script printed."""
        return (self.connection.request("GET", f"{self.path}/log")).text

    def cancel(self) -> None:
        """End it early: at once if it waits; if it runs, it is told to stop."""
        self.record = self.connection.json("POST", f"{self.path}/cancel")


class Maker(Thing):
    """What runs: an importer, a cleaner or an analysis."""

    def start(self, *, again: bool = False) -> Run:
        """Have it run, and return the run at once; `again` deletes what it made, and makes all of it anew."""
        made = self.connection.json("POST", f"{self.path}/runs", body={"again": again}, once=True)
        return Run(self.connection, made)

    def run(self, *, again: bool = False, progress: Progress = False) -> Run:
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
        return (self.start(again=again)).wait(progress=progress)


def tried(connection: Connection, path: str, body: Record, what: str = "The trial") -> Any:
    """Have something tried, wait, and return what came of it."""
    job = connection.json("POST", path, body=body, once=True)
    return (connection.ended("/api/v1/runs", job, what))["result"]
