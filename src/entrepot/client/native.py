"""Entrepot's own interface: projects and their series, as pandas objects."""

import io
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa

from entrepot.client._http import Connection
from entrepot.client.channels import Channels
from entrepot.client.feeders import Feeders
from entrepot.client.files import Files, StorageConfigs
from entrepot.client.importers import Importers, try_analysis
from entrepot.client.keys import Keys
from entrepot.client.things import Analyses, Analysis, Collection, Gate, Importer, ResultSet, ResultSets, Site
from entrepot.client.webhooks import Webhooks
from entrepot.client.works import Works

_ARROW = "application/vnd.apache.arrow.stream"
_POLL_SECONDS = 0.3
Instant = datetime | pd.Timestamp | str


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    login: str | None = None,
    password: str | None = None,
    timeout: float | None = 60.0,
) -> "Client":
    """Connect to a server.

    Parameters
    ----------
    url
        Address of the server; by default ``ENTREPOT_URL``, else ``http://127.0.0.1:8000``.
    token
        An API key's token; by default ``ENTREPOT_TOKEN``.
    login, password
        In place of a token.
    timeout
        Seconds until a request without an answer is given up.

    Raises
    ------
    ValueError
        Neither a token nor a login is given.
    httpx.HTTPStatusError
        The server refuses the credentials; every method raises it for an answer that is an error, with the server's
        own words.
    """
    url = url or os.environ.get("ENTREPOT_URL") or "http://127.0.0.1:8000"
    token = token or os.environ.get("ENTREPOT_TOKEN")
    if login is not None:
        connection = Connection(url, auth=(login, password or ""), timeout=timeout)
    elif token:
        connection = Connection(url, headers={"authorization": f"Token {token}"}, timeout=timeout)
    else:
        raise ValueError("give a token (or set ENTREPOT_TOKEN), or login and password")
    client = Client(connection)
    try:
        client.me()
    except httpx.HTTPStatusError as error:
        # A key that is narrowed to its work need not say who it is.
        if error.response.status_code != 403:
            raise
    return client


@dataclass(frozen=True)
class Client:
    """A connection to a server; :func:`connect` makes one."""

    connection: Connection = field(repr=False)

    @property
    def works(self) -> Works:
        """The queue of works."""
        return Works(self.connection, "works")

    @property
    def archive(self) -> Works:
        """The archive of works."""
        return Works(self.connection, "archive")

    def me(self) -> dict[str, Any]:
        """Return who the caller is, and its organizations."""
        found: dict[str, Any] = self.connection.json("GET", "/api/v1/me")
        return found

    def projects(self) -> "list[Project]":
        """Return the projects that the caller may read, by name."""
        return [self._project(row) for row in self.connection.pages("/api/v1/projects")]

    def project(self, name: str, *, create: bool = False) -> "Project":
        """Return the project of this name.

        Parameters
        ----------
        create
            Make it when there is none.

        Raises
        ------
        KeyError
            There is none, or there are several in different organizations.
        """
        rows = list(self.connection.pages("/api/v1/projects", name=name))
        if not rows and create:
            return self._project(self.connection.json("POST", "/api/v1/projects", body={"name": name}, once=True))
        if len(rows) != 1:
            raise KeyError(f"{len(rows)} projects are named {name!r}")
        return self._project(rows[0])

    def series(self, series_id: str) -> "Series":
        """Return the series of this id without asking the server, for keys that may write to it and nothing else."""
        return Series(self.connection, series_id, series_id, {})

    @property
    def sites(self) -> Collection[Site]:
        """What rows are about: sites, with their locations and model definitions."""
        return Collection(self.connection, Site)

    @property
    def result_sets(self) -> ResultSets:
        """Rows that belong together."""
        return ResultSets(self.connection, ResultSet)

    @property
    def keys(self) -> Keys:
        """The caller's API keys."""
        return Keys(self.connection)

    @property
    def files(self) -> Files:
        """Published files."""
        return Files(self.connection)

    @property
    def storage_configs(self) -> StorageConfigs:
        """Where files are stored."""
        return StorageConfigs(self.connection)

    @property
    def webhooks(self) -> Webhooks:
        """Who is told of events."""
        return Webhooks(self.connection)

    @property
    def feeders(self) -> Feeders:
        """What fetches files into gates."""
        return Feeders(self.connection)

    @property
    def channels(self) -> Channels:
        """How each raw series becomes a regular one."""
        return Channels(self.connection)

    @property
    def importers(self) -> Importers:
        """What reads files of gates into raw series."""
        return Importers(self.connection)

    def try_analysis(
        self,
        analysis_id: str,
        script: str | None = None,
        *,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
    ) -> dict[str, Any]:
        """Try an analysis' script on a window of its inputs; nothing is written.

        Parameters
        ----------
        script
            Its text; by default, the analysis' own.
        start, end
            The window, with a zone; by default, the last hundred steps that can be computed.

        Returns
        -------
        ``window``, ``rows_in``, and what :meth:`.Importers.try_script` tells of a file.

        Raises
        ------
        TrialError
            It could not be tried, for instance because an input is missing.
        """
        return try_analysis(self.connection, analysis_id, script, start, end)

    def export(
        self, series: "Sequence[Series | str]", *, publish: Mapping[str, str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Have the server write series into an archive of CSV files, and return what came of it.

        Parameters
        ----------
        series
            Series, or their ids.
        publish
            What is said of the archive as a published file, such as ``{"identifier": "weekly"}``; None: it is none,
            and only in the caller's own folder.
        options
            Any of ``from``, ``to``, ``step``, ``clock``, ``layout`` (``series`` or ``frame``), ``separator``,
            ``decimal``, ``file_step``, ``starts``, ``ends``, ``offsets`` (stamps carry theirs), ``bom`` (a byte order
            mark, for spreadsheets) and ``formula_guard`` (texts that a spreadsheet would execute stand behind an
            apostrophe).

        Returns
        -------
        ``path``, the number of ``files`` in the archive, and ``file``, the id of the published file.

        Raises
        ------
        RuntimeError
            The export failed.
        """
        body = {"series": [one if isinstance(one, str) else one.id for one in series], "publish": publish, **options}
        job = self.connection.json("POST", "/api/v1/exports", body=body, once=True)
        while job["status"] in ("pending", "running"):
            time.sleep(_POLL_SECONDS)
            job = self.connection.json("GET", f"/api/v1/jobs/{job['id']}")
        if job["status"] != "finished":
            raise RuntimeError(f"the export {job['status']}: {job['error']}")
        result: dict[str, Any] = job["result"]
        return result

    def publish_runs(self, analysis_id: str, **options: str | bool) -> None:
        """Have each run of an analysis publish what it computed as a file.

        Parameters
        ----------
        options
            Any of ``format`` (``parquet``, the default, or ``csv``), ``identifier`` (by default the analysis' name),
            ``storage`` and, of CSV, ``formula_guard``.
        """
        self.connection.request("PUT", f"/api/v1/analyses/{analysis_id}/publishing", body=options)

    def publish_runs_no_more(self, analysis_id: str) -> None:
        """Have runs of an analysis publish nothing; what is published stays."""
        self.connection.request("DELETE", f"/api/v1/analyses/{analysis_id}/publishing")

    def keep_rows(self, analysis_id: str, rows_analysis: int | None) -> None:
        """Have the rows that an analysis' script returns (``rows(df)``) kept under a rows' analysis; None: no more.

        They are made anew by each of its runs, and matched by ``short_description``.
        """
        into = None if rows_analysis is None else str(rows_analysis)
        self.connection.request("PATCH", f"/api/v1/analyses/{analysis_id}", body={"into": into})

    def _project(self, row: dict[str, Any]) -> "Project":
        return Project(self.connection, row["id"], row["name"])


@dataclass(frozen=True)
class Project:
    """A project of an organization."""

    connection: Connection = field(repr=False)
    id: str
    name: str

    @property
    def gates(self) -> Collection[Gate]:
        """Where its files come in."""
        return Collection(self.connection, Gate, {"project": self.id})

    @property
    def importers(self) -> Collection[Importer]:
        """What reads files of its gates into raw series."""
        return Collection(self.connection, Importer, {"project": self.id})

    @property
    def analyses(self) -> Analyses:
        """What computes series and rows out of its series."""
        return Analyses(self.connection, Analysis, {"project": self.id})

    def series(self, name: str | None = None) -> "list[Series]":
        """Return the project's series by name; those of one name where it is given."""
        rows = self.connection.pages("/api/v1/series", project=self.id, name=name)
        return [Series(self.connection, row["id"], row["name"], row) for row in rows]

    def create_series(self, name: str, **properties: Any) -> "Series":
        """Make a series to push points to.

        Parameters
        ----------
        properties
            Any of ``unit``, ``title``, ``clock`` (``UTC``, ``Europe/Paris``, ``Europe/Paris standard``), ``step``,
            ``rule``, and ``importer``: the name of the importer without a gate that it belongs to (made where there is
            none; ``pushed`` by default), whose channels clean it.
        """
        body = {"project": self.id, "name": name, **properties}
        row = self.connection.json("POST", "/api/v1/series", body=body, once=True)
        return Series(self.connection, row["id"], row["name"], row)


@dataclass(frozen=True)
class Series:
    """Values over time."""

    connection: Connection = field(repr=False)
    id: str
    name: str
    data: dict[str, Any] = field(repr=False)  #: what the server says of it, as of when it was found

    def append(self, points: pd.Series) -> dict[str, int]:
        """Write points; the last write of an instant wins.

        Parameters
        ----------
        points
            Floats with a DatetimeIndex; one without a zone is taken as UTC. NaN is no point.

        Returns
        -------
        Numbers of points ``added``, ``replaced`` and ``unchanged``.
        """
        index = pd.DatetimeIndex(points.index)
        utc = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
        times = pa.array(utc.as_unit("us").asi8, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        names = pa.DictionaryArray.from_arrays(pa.array([0] * len(points), pa.int32()), pa.array([self.id]))
        table = pa.table({"series": names, "time": times, "value": points.to_numpy("float64")})
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        written: dict[str, int] = self.connection.send(
            "POST", "/api/v1/points", content=sink.getvalue(), content_type=_ARROW
        ).json()
        return written

    def read(
        self,
        start: Instant | None = None,
        end: Instant | None = None,
        *,
        freq: str | None = None,
        rule: str = "mean",
        clock: str = "gmt",
        timezone: str | None = None,
        limit: int | None = None,
    ) -> pd.Series:
        """Return points of ``[start, end)``, or their means by ``freq``.

        Parameters
        ----------
        start, end
            Bounds; without a zone they are UTC.
        freq
            A step such as ``1h`` or ``1D``.
        rule
            How the points of a step become one: ``mean``, ``sum``, ``first``, ``last``, ``min``, ``max``, ``count``.
        clock, timezone
            The calendar of the steps: ``gmt``, or the zone's standard time all year (``tzt``), or its wall clock
            (``dst``).
        limit
            Most points, the oldest.

        Returns
        -------
        Floats named like the series, with a DatetimeIndex in UTC.
        """
        named = {"gmt": "UTC", "tzt": f"{timezone} standard", "dst": timezone}[clock]
        options = {
            "from": _iso(start), "to": _iso(end), "step": freq, "aggregate": rule, "clock": named, "limit": limit,
            "format": "arrow",
        }  # fmt: skip
        params = {name: value for name, value in options.items() if value is not None}
        response = self.connection.request("GET", f"/api/v1/series/{self.id}/points", params=params)
        table = pa.ipc.open_stream(response.content).read_all()
        index = pd.DatetimeIndex(table["time"].to_pandas(), name="time")
        return pd.Series(table["value"].to_numpy(), index, name=self.name)

    def delete_points(self, start: Instant | None = None, end: Instant | None = None) -> int:
        """Delete the points of ``[start, end)``, and return how many; one bound at least is needed.

        Bounds without a zone are UTC, or stamps as delivered where the series' clock is not known.
        """
        params = {name: _iso(at) for name, at in (("from", start), ("to", end)) if at is not None}
        answer: dict[str, int] = self.connection.json("DELETE", f"/api/v1/series/{self.id}/points", params=params)
        return answer["deleted"]

    def explain(self, at: Instant | None = None) -> list[dict[str, Any]]:
        """Return the runs that made the series, or its point at an instant, with what each of them read."""
        params = {"at": _iso(at)} if at is not None else {}
        runs: list[dict[str, Any]] = self.connection.json("GET", f"/api/v1/lineage/series/{self.id}", params=params)
        return runs

    def delete(self) -> None:
        """Delete the series with its points."""
        self.connection.request("DELETE", f"/api/v1/series/{self.id}")


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else pd.Timestamp(instant).isoformat()
