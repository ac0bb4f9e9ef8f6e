"""Entrepot's own interface, all of it."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from entrepot.client.aio._http import Connection
from entrepot.client.aio.analyses import Analyses, Analysis
from entrepot.client.aio.feeders import Feeders
from entrepot.client.aio.files import Files, Storages
from entrepot.client.aio.importing import Channels, Gate, Importer, Importers
from entrepot.client.aio.keys import Keys
from entrepot.client.aio.members import Member
from entrepot.client.aio.parts import Parts
from entrepot.client.aio.projects import Project
from entrepot.client.aio.requests import Requests
from entrepot.client.aio.rows import ResultSet, ResultSets, Row, Site
from entrepot.client.aio.runs import Run, tried
from entrepot.client.aio.series import Series, SeriesCollection
from entrepot.client.aio.things import Collection
from entrepot.client.aio.webhooks import Webhooks
from entrepot.client.aio.works import Queue, Works
from entrepot.client.errors import Forbidden


class Client:
    """A connection to a server; ``connect`` makes one.

    Parameters
    ----------
    connection
        To the server.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __repr__(self) -> str:
        """Say whose server it is."""
        return f"Client({self.connection.base_url!r})"

    async def __aenter__(self) -> "Client":
        """Go on until the end of the block."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()

    async def admitted(self) -> "Client":
        """Return the client, once the server has let it in.

        Raises
        ------
        Unauthenticated
            The server refuses the credentials.
        """
        try:
            # A key that is narrowed to its work need not say who it is.
            with contextlib.suppress(Forbidden):
                await self.me()
        except BaseException:
            await self.close()
            raise
        return self

    async def me(self) -> dict[str, Any]:
        """Return who the caller is, and its organizations."""
        found: dict[str, Any] = await self.connection.json("GET", "/api/v1/me")
        return found

    @property
    def projects(self) -> Collection[Project]:
        """The projects that the caller may read."""
        return Collection(self.connection, Project)

    @property
    def gates(self) -> Collection[Gate]:
        """Where files come in."""
        return Collection(self.connection, Gate)

    @property
    def feeders(self) -> Feeders:
        """What fetches files into gates."""
        return Feeders(self.connection)

    @property
    def importers(self) -> Importers:
        """What reads files of gates into raw series."""
        return Importers(self.connection, Importer)

    @property
    def channels(self) -> Channels:
        """How each raw series becomes a regular one."""
        return Channels(self.connection)

    @property
    def analyses(self) -> Analyses:
        """What computes series and rows out of series."""
        return Analyses(self.connection, Analysis)

    @property
    def series(self) -> SeriesCollection:
        """Values over time."""
        return SeriesCollection(self.connection, Series)

    @property
    def runs(self) -> Collection[Run]:
        """What has run, the newest first."""
        return Collection(self.connection, Run, key="of")

    @property
    def sites(self) -> Collection[Site]:
        """What rows are about: sites, with their locations and model definitions."""
        return Collection(self.connection, Site)

    @property
    def result_sets(self) -> ResultSets:
        """Rows that belong together."""
        return ResultSets(self.connection, ResultSet)

    @property
    def rows(self) -> Collection[Row]:
        """Rows of all result sets."""
        return Collection(self.connection, Row)

    def parts(self, kind: str) -> Parts:
        """Return the parts of a kind, such as ``materials``, ``building-blocks`` or ``sensors``."""
        return Parts(self.connection, kind)

    @property
    def members(self) -> Collection[Member]:
        """The users of the caller's organization, by login."""
        return Collection(self.connection, Member, key="login")

    @property
    def works(self) -> Queue:
        """The queue of works."""
        return Queue(self.connection, "works")

    @property
    def archive(self) -> Works:
        """The archive of works."""
        return Works(self.connection, "archive")

    @property
    def files(self) -> Files:
        """Published files."""
        return Files(self.connection)

    @property
    def storages(self) -> Storages:
        """Where files are stored."""
        return Storages(self.connection)

    @property
    def requests(self) -> Requests:
        """What others ask to be fetched and published."""
        return Requests(self.connection)

    @property
    def webhooks(self) -> Webhooks:
        """Who is told of events."""
        return Webhooks(self.connection)

    @property
    def keys(self) -> Keys:
        """The caller's API keys."""
        return Keys(self.connection)

    async def export(
        self, series: Sequence[Series | str], *, publish: Mapping[str, str] | None = None, **options: Any
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
        Failed
            The export failed.
        """
        body = {"series": [one if isinstance(one, str) else one.id for one in series], "publish": publish, **options}
        result: dict[str, Any] = await tried(self.connection, "/api/v1/exports", body, "The export")
        return result
