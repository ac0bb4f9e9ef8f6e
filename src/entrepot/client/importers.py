"""Importers of Entrepot's own interface, and scripts that are tried before they count."""

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from entrepot.client._http import Connection

Record = dict[str, Any]

_POLL_SECONDS = 0.2


class TrialError(Exception):
    """A script could not be tried.

    Attributes
    ----------
    job
        The job, with ``status``, ``error`` and ``output``.
    """

    def __init__(self, job: Record) -> None:
        super().__init__(f"The trial {job['status']}: {job['error'] or 'the server does not say why'}")
        self.job = job


@dataclass(frozen=True)
class Importers:
    """What reads files of gates into raw series."""

    connection: Connection = field(repr=False)
    path = "/api/v1/importers"

    def all(self, **equal: str) -> list[Record]:
        """Return importers by name; those of a ``project``, a ``gate`` (ids or names) or a ``name``."""
        return list(self.connection.pages(self.path, **equal))

    def get(self, importer_id: str) -> Record:
        """Return an importer."""
        record: Record = self.connection.json("GET", f"{self.path}/{importer_id}")
        return record

    def update(self, importer_id: str, **changes: Any) -> Record:
        """Change an importer.

        Parameters
        ----------
        changes
            Any of ``parse``, ``folder``, ``schedule``, ``active``, ``description``, ``told_after``, ``order`` (``name``
            or ``arrival``), ``reads_changed`` (whether a file that changed under its name is read again), ``replaces``
            (whether rows that it then has no more go), ``clock`` (of stamps without a zone: ``UTC``, ``Europe/Paris``,
            ``Europe/Paris standard``; None: that of the channels), ``plausible_from`` (an instant) and
            ``plausible_ahead`` (such as ``31 D``), out of which rows are set aside, ``repeated_hour`` (``order``,
            ``modified``, ``first`` or ``second``: how it is told of which time around a file is that begins inside an
            hour which the clock showed twice).
        """
        record: Record = self.connection.json("PATCH", f"{self.path}/{importer_id}", body=changes)
        return record

    def files(self, importer_id: str, *, changed: bool = False) -> list[Record]:
        """Return the files that an importer knows; with `changed`, those that changed and are not read again."""
        return list(self.connection.pages(f"{self.path}/{importer_id}/files", changed=changed))

    def try_script(
        self,
        script: str | None = None,
        *,
        importer_id: str | None = None,
        project_id: str | None = None,
        gate_id: str | None = None,
        paths: Sequence[str] = (),
        files: Sequence[str | Path] | Mapping[str, bytes] = (),
    ) -> list[Record]:
        """Try a parse script on files; nothing is written.

        Parameters
        ----------
        script
            Its text; by default, that of the importer.
        importer_id, project_id
            For which importer it is meant, or in which project.
        paths
            Files of the gate: the importer's, or the one of `gate_id`.
        files
            Files of this machine, or their contents by path, which are sent along.

        Returns
        -------
        A dictionary a file: ``rows``, ``first_rows``, ``columns`` (``name``, ``type``, ``count``, ``first``, ``last``,
        ``min``, ``max``, ``new_series``, ``refused``), ``duplicates``, ``refused`` (why all of it would be) and
        ``error`` (what the script raised).

        Raises
        ------
        TrialError
            It could not be tried.
        """
        named = (
            files if isinstance(files, Mapping) else {Path(file).as_posix(): Path(file).read_bytes() for file in files}
        )
        sent = [{"path": path, "content": base64.b64encode(content).decode()} for path, content in named.items()]
        body = {
            "script": script,
            "importer_id": importer_id,
            "project_id": project_id,
            "gate_id": gate_id,
            "paths": list(paths),
            "files": sent,
        }
        found: list[Record] = tried(self.connection, f"{self.path}/try", body)["files"]
        return found


def try_analysis(
    connection: Connection,
    analysis_id: str,
    script: str | None = None,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
) -> Record:
    """Try an analysis' script on a window of its inputs; see :meth:`entrepot.client.Client.try_analysis`."""
    ends = {name: str(at) for name, at in (("start", start), ("end", end)) if at is not None}
    return tried(connection, f"/api/v1/analyses/{analysis_id}/try", {"script": script, **ends})


def tried(connection: Connection, path: str, body: Record) -> Record:
    """Have something tried, wait, and return what came of it."""
    job = connection.json("POST", path, body=body)
    while job["status"] in ("pending", "running"):
        time.sleep(_POLL_SECONDS)
        job = connection.json("GET", f"/api/v1/jobs/{job['id']}")
    if job["status"] != "finished":
        raise TrialError(job)
    result: Record = job["result"]
    return result
