# Made of aio/analyses.py by `make sync-face`: change that one.
"""Analyses: what computes series and rows out of series."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from entrepot.client._http import Connection
from entrepot.client.importing import Channel, Importer
from entrepot.client.progress import Progress
from entrepot.client.runs import Maker, Run, tried
from entrepot.client.sources import Script, text_of
from entrepot.client.things import Collection, Record, Thing


class Cleaner(Maker):
    """All channels of an importer, which run together."""

    kinds = "cleaners"


class Analysis(Maker):
    """What computes series and rows out of series, by a script."""

    kinds = "analyses"

    def run(self, *, again: bool = False, progress: Progress = False, upstream: bool = False) -> Run:
        """Run it, wait for its end, and return what became of it.

        Parameters
        ----------
        upstream
            Have what it computes of imported, cleaned and computed first.
        """
        if upstream:
            for maker in (_upstream(self.connection, self.record, {})).values():
                maker.run(progress=progress)
        return super().run(again=again, progress=progress)

    def versions(self) -> Iterator[Record]:
        """Yield the scripts that it had, the newest first: ``version``, ``created_at``, ``by``, ``script``."""
        yield from self.connection.pages(f"{self.path}/versions")

    def try_script(
        self, script: Script | None = None, *, from_: datetime | str | None = None, to: datetime | str | None = None
    ) -> Record:
        """Try a script on a window of its inputs, by default its own; nothing is written.

        Parameters
        ----------
        from_, to
            The window, with a zone; by default, the last hundred steps that can be computed.

        Returns
        -------
        ``window``, ``rows_in``, and what :meth:`.Importers.try_script` tells of a file.

        Raises
        ------
        Failed
            It could not be tried, for instance because an input is missing.
        """
        ends = {name: str(at) for name, at in (("from", from_), ("to", to)) if at is not None}
        text = None if script is None else text_of(analyze=script)
        found: Record = tried(self.connection, f"{self.path}/try", {"script": text, **ends})
        return found

    def publish_runs(self, **options: str | bool) -> None:
        """Have each run publish what it computed as a file.

        Parameters
        ----------
        options
            Any of ``format`` (``parquet``, the default, or ``csv``), ``identifier`` (by default its name),
            ``storage`` and, of CSV, ``formula_guard``.
        """
        self.connection.request("PUT", f"{self.path}/publishing", body=options)

    def publish_runs_no_more(self) -> None:
        """Have runs publish nothing; what is published stays."""
        self.connection.request("DELETE", f"{self.path}/publishing")


class Analyses(Collection[Analysis]):
    """Analyses of a project."""

    def create(self, name: str, /, **settings: Any) -> Analysis:
        """Make one; see :meth:`ensure`."""
        return super().create(name, **_computing(settings))

    def ensure(self, name: str, /, **settings: Any) -> Analysis:
        """Make one where there is none, and change what differs where there is.

        Parameters
        ----------
        settings
            ``inputs``: channels, series or names of series; ``outputs``: names; ``analyze`` and ``rows``: functions,
            files or texts, in place of a ``script``; ``into``: a result set, for rows; ``step``, ``clock`` and other
            settings of an analysis.
        """
        return super().ensure(name, **_computing(settings))


def _computing(settings: Mapping[str, Any]) -> Record:
    given = dict(settings)
    scripts: dict[str, Script | None] = {name: given.pop(name, None) for name in ("analyze", "rows")}
    if any(script is not None for script in scripts.values()):
        given["script"] = text_of(**scripts)
    inputs = given.get("inputs")
    if isinstance(inputs, Collection):
        inputs = list(inputs)
    if inputs is not None:
        given["inputs"] = [_input(each) for each in inputs]
    return given


def _input(given: Any) -> Any:
    if isinstance(given, Channel):
        return {"series": given.name, "of": given.record["cleaner"]}
    return given.id if isinstance(given, Thing) else given


def _upstream(connection: Connection, analysis: Record, found: dict[str, Maker]) -> dict[str, Maker]:
    """Return what an analysis computes of, by its id, what comes first before what comes of it."""
    for of in {each["of"]["id"]: each["of"] for each in analysis["inputs"] if each["of"]}.values():
        if of["kind"] == "importer":
            found.setdefault(of["id"], Importer(connection, of))
        elif of["kind"] == "cleaner":
            cleaner = connection.json("GET", f"/api/v1/cleaners/{of['id']}")
            found.setdefault(cleaner["importer"]["id"], Importer(connection, cleaner["importer"]))
            found.setdefault(of["id"], Cleaner(connection, of))
        else:
            other = connection.json("GET", f"/api/v1/analyses/{of['id']}")
            _upstream(connection, other, found)
            found.setdefault(of["id"], Analysis(connection, other))
    return found
