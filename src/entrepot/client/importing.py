# Made of aio/importing.py by `make sync-face`: change that one.
"""Gates, importers and channels: how files become series."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from entrepot.client._http import Connection
from entrepot.client.progress import Progress, telling
from entrepot.client.runs import Maker, tried
from entrepot.client.sources import Script, text_of
from entrepot.client.things import Collection, Record, Thing

_BLOCK = 1 << 20


class Channel(Thing):
    """How a raw series becomes a regular one."""

    kinds = "channels"

    def versions(self) -> Iterator[Record]:
        """Yield the functions that it had, the newest first: ``version``, ``created_at``, ``by``, ``script``."""
        yield from self.connection.pages(f"{self.path}/versions")


class Channels(Collection[Channel]):
    """Channels, by the name of the raw series."""

    def __init__(self, connection: Connection, scope: Mapping[str, str] | None = None) -> None:
        super().__init__(connection, Channel, scope, "raw")
        self._of = dict(scope or {})

    def try_settings(
        self, raw: str, *, from_: datetime | str | None = None, to: datetime | str | None = None, **settings: Any
    ) -> Record:
        """Try how a channel with these settings would clean a raw series; nothing is written.

        Parameters
        ----------
        from_, to
            Between which stamps, with a zone; by default, the last week of the raw series.

        Returns
        -------
        ``raw`` and ``cleaned`` (``count``, and ``time``, ``min``, ``max`` as a plot shows them), ``counts`` of what
        became of the points, and ``error`` (what a function raised).

        Raises
        ------
        Failed
            It could not be tried.
        """
        ends = {name: str(at) for name, at in (("from", from_), ("to", to)) if at is not None}
        body = {**self._of, "raw": raw, **ends, **settings}
        found: Record = tried(self._connection, "/api/v1/channels/try", body)
        return found


class Importer(Maker):
    """What reads the files of a gate into raw series."""

    kinds = "importers"

    @property
    def channels(self) -> Channels:
        """How each of its raw series becomes a regular one, by the name of the raw series."""
        return Channels(self.connection, {"importer": self.id})

    def files(self, *, changed: bool = False) -> Iterator[Record]:
        """Yield the files that it knows; with `changed`, those that changed and are not read again."""
        yield from self.connection.pages(f"{self.path}/files", changed=changed)

    def versions(self) -> Iterator[Record]:
        """Yield the scripts that it had, the newest first: ``version``, ``created_at``, ``by``, ``script``."""
        yield from self.connection.pages(f"{self.path}/versions")

    def try_script(
        self,
        script: Script | None = None,
        *,
        paths: Sequence[str] = (),
        files: Sequence[str | Path] | Mapping[str, bytes] = (),
    ) -> list[Record]:
        """Try a parse script on files, by default its own; nothing is written. See :meth:`Importers.try_script`."""
        mine = {"importer": self.id}
        return _tried(self.connection, script, paths, files, mine)


class Importers(Collection[Importer]):
    """Importers, perhaps of one project or gate."""

    def try_script(
        self,
        script: Script | None = None,
        *,
        importer: str | None = None,
        project: str | None = None,
        gate: str | None = None,
        paths: Sequence[str] = (),
        files: Sequence[str | Path] | Mapping[str, bytes] = (),
    ) -> list[Record]:
        """Try a parse script on files; nothing is written.

        Parameters
        ----------
        script
            A function ``parse``, a file or a text; by default, that of the importer.
        importer, project
            For which importer it is meant, or in which project: an id or a name.
        paths
            Files of the gate: the importer's, or `gate`.
        files
            Files of this machine, or their contents by path, which are sent along.

        Returns
        -------
        A dictionary a file: ``rows``, ``first_rows``, ``columns`` (``name``, ``type``, ``count``, ``first``, ``last``,
        ``min``, ``max``, ``new_series``, ``refused``), ``duplicates``, ``refused`` (why all of it would be) and
        ``error`` (what the script raised).

        Raises
        ------
        Failed
            It could not be tried.
        """
        meant = {"importer": importer, "project": project, "gate": gate}
        return _tried(self._connection, script, paths, files, meant)


class Gate(Thing):
    """A folder of a project into which files come."""

    kinds = "gates"

    @property
    def importers(self) -> Importers:
        """What reads its files."""
        scope = {"project": self.record["project"]["id"], "gate": self.id}
        return Importers(self.connection, Importer, scope)

    def account(self, *, password: bool = False) -> Record:
        """Return where, and as whom, files are sent to it by FTP: ``protocol``, ``host``, ``port`` and ``login``.

        Parameters
        ----------
        password
            Whether to ask for the ``password``, too.
        """
        account: Record = self.connection.json("GET", f"{self.path}/account")
        if password:
            account |= self.connection.json("GET", f"{self.path}/account/password")
        return account

    def upload(self, *files: Path | str, to: str = "/", progress: Progress = False) -> int:
        """Send files, and folders with all that is in them; one that is there already is replaced.

        Parameters
        ----------
        to
            A folder of the gate; made where it is missing.
        progress
            Show how far it is, or call this with how many bytes were sent, and of how many.

        Returns
        -------
        How many files were sent.
        """
        found = [each for file in files for each in _below(Path(file))]
        done, total = 0, sum(file.stat().st_size for file, _ in found)
        with telling(progress, self.name, "B", scale=True) as tell:
            for file, relative in found:
                path = "/".join([*(part for part in to.split("/") if part), relative])
                self._put(file, path)
                done += file.stat().st_size
                tell(done, total)
        return len(found)

    def _put(self, file: Path, path: str) -> None:
        size, address = file.stat().st_size, f"{self.path}/files/{quote(path)}"
        # What is short is sent again where the server says when; what is long is read as it goes.
        content = file.read_bytes() if size <= _BLOCK else _blocks(file)
        headers = {"content-length": str(size)}
        kind = "application/octet-stream"
        self.connection.send("PUT", address, content=content, content_type=kind, headers=headers)


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            yield block


def _tried(
    connection: Connection,
    script: Script | None,
    paths: Sequence[str],
    files: Sequence[str | Path] | Mapping[str, bytes],
    meant: Mapping[str, str | None],
) -> list[Record]:
    named = files if isinstance(files, Mapping) else {Path(file).as_posix(): Path(file).read_bytes() for file in files}
    sent = [{"path": path, "content": base64.b64encode(content).decode()} for path, content in named.items()]
    text = None if script is None else text_of(parse=script)
    body = {"script": text, **meant, "paths": list(paths), "files": sent}
    found: list[Record] = (tried(connection, "/api/v1/importers/try", body))["files"]
    return found


def _below(file: Path) -> list[tuple[Path, str]]:
    if not file.is_dir():
        return [(file, file.name)]
    return [(each, each.relative_to(file).as_posix()) for each in sorted(file.rglob("*")) if each.is_file()]
