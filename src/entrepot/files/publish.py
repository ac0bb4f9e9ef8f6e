"""Publishing: from bytes that came in to a file that its consumers are told of, all or nothing."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, select
from sqlalchemy.orm import Session

from entrepot import lineage
from entrepot.db import Database, new_id, now
from entrepot.db.driver import fetch
from entrepot.errors import EntrepotError, InvalidInput, NotFound
from entrepot.events import emit
from entrepot.files.models import PublishedFile, Storage, Upload
from entrepot.files.signing import end_of
from entrepot.files.spool import Digest, Spool
from entrepot.files.storages import FILES, choose_storage, open_storage, own_storage
from entrepot.identity import Principal, Vault, limits, projects
from entrepot.objects import loose as objects
from entrepot.objects.folder import BLOCK, Folder
from entrepot.objects.own import own_bucket
from entrepot.requests import requested
from entrepot.settings import Settings

_DIRECT = "direct"
_uploads: Table = Upload.__table__  # type: ignore[assignment]
_NO_UPLOAD = delete(_uploads).where(_uploads.c.id == bindparam("id"))


@dataclass(frozen=True)
class Description:
    """What is said of a file that is published.

    Attributes
    ----------
    name
        The name under which it is downloaded; what no file may be called is replaced.
    identifier
        What is in it; by default the name.
    type
        By default what its first bytes show.
    request, step
        The request that it answers, and the step of it; by default both are made for it, completed.
    storage
        Where it is stored; by default as the caller's key or organization says, else in the server's own storage.
    project
        The project that it belongs to.
    """

    name: str = ""
    identifier: str = ""
    type: str | None = None
    request: str | None = None
    step: str | None = None
    storage: str | None = None
    project: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Description":
        """Return a description from named texts.

        Raises
        ------
        InvalidInput
            A field is unknown, no text, or too long.
        """
        longest = {"name": 255, "identifier": 500, "type": 100}
        for name, value in fields.items():
            if name not in cls.__dataclass_fields__:
                raise InvalidInput.field(name[:100], "There is no such field.")
            if value is not None and (not isinstance(value, str) or "\0" in value):
                raise InvalidInput.field(name, "This must be a text.")
            if value is not None and len(value) > longest.get(name, 36):
                raise InvalidInput.field(name, f"At most {longest.get(name, 36)} characters.")
        given = {name: value for name, value in fields.items() if value}
        return cls(**given | {"name": safe_name(given.get("name", ""))})

    def check(self, session: Session, principal: Principal) -> tuple[str | None, Storage | None]:
        """Make sure that a caller may publish this in its organization, and return the project's id and the place.

        Raises
        ------
        InvalidInput
            Names what it refers to and is not there.
        """
        project_id = _project_id(session, principal, self)
        requested.answered(session, principal.organization_id, self.request, self.step)
        return project_id, choose_storage(session, principal, principal.organization_id, self.storage)


@dataclass
class Stored:
    """A file whose bytes are in their place, and which nobody knows yet.

    Attributes
    ----------
    file
        As it will be known; its request and step come with :meth:`record`.
    storage
        Where it is stored.
    loose
        Its key in the server's own bucket, where that is to be held.
    """

    file: PublishedFile
    storage: Storage
    principal: Principal
    description: Description
    loose: str | None = None
    recorded: bool = False

    def record(self, session: Session, run_id: str | None = None) -> PublishedFile:
        """Make the file known: it is published if and only if the unit of work commits.

        Parameters
        ----------
        run_id
            The run that made the file, where one did; otherwise an upload is recorded.
        """
        file, user_id = self.file, self.principal.user_id or None
        request, step = requested.answered(
            session, file.organization_id, self.description.request, self.description.step
        )
        asked_for = step is not None
        if step is None:
            request, step = requested.create_answered(
                session, file.organization_id, request, key_id=self.principal.key_id
            )
        assert request is not None, "steps of requests only"
        file.request_id, file.step_id = request.id, step.id
        session.add(file)
        if self.loose is not None:
            objects.hold(session, self.loose)
        fetch(session, _NO_UPLOAD, {"id": file.id})
        limits.grown(session, file.organization_id, "files", 1)
        limits.grown(session, file.organization_id, "file_bytes", file.size)
        limits.grown(session, file.organization_id, "storage", file.size if self.storage.own else 0)
        _record_lineage(session, file, user_id, run_id)
        emit(
            session,
            "file",
            "published",
            file.id,
            organization_id=file.organization_id,
            project_id=file.project_id,
            user_id=user_id,
            data=summary(file) | {"key": request.key_id},
        )
        if not asked_for:
            requested.tell_answered(session, request, step)
        self.recorded = True
        return file


class Publisher:
    """Publishes what was received.

    Parameters
    ----------
    database, settings, vault
        The server's.
    """

    def __init__(self, database: Database, settings: Settings, vault: Vault) -> None:
        self._database = database
        self._settings = settings
        self._vault = vault

    def publish(
        self, principal: Principal, spool: Spool, digest: Digest, description: Description, *, keep: bool = False
    ) -> Stored:
        """Store the received bytes and make them known; whatever fails, nothing is left.

        Parameters
        ----------
        keep
            Whether the bytes that came in are kept when it fails, to try again.

        Returns
        -------
        Stored
            The file, whose id is the spool's, with its storage.
        """
        with (
            self.storing(principal, spool, digest, description, keep=keep) as stored,
            self._database.write() as session,
        ):
            stored.record(session)
        return stored

    @contextmanager
    def storing_path(self, principal: Principal, path: Path, description: Description) -> Iterator[Stored]:
        """Store a file of this machine, which stays as it is, and give what is to be recorded (:meth:`storing`).

        So a run publishes what it made in the very transaction in which it ends::

            with publisher.storing_path(principal, path, description) as stored, context.unit() as session:
                stored.record(session, run_id=context.job.id)
                context.finish(session)
        """
        spool = Spool(self._settings, principal.organization_id)
        receiver = spool.receive()
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    receiver.write([block])
            digest = receiver.finish()
        except BaseException:
            receiver.abandon()
            raise
        with self.storing(principal, spool, digest, description) as stored:
            yield stored

    @contextmanager
    def storing(
        self, principal: Principal, spool: Spool, digest: Digest, description: Description, *, keep: bool = False
    ) -> Iterator[Stored]:
        """Store the received bytes; unless they are recorded within the context, they are removed at its end.

        Parameters
        ----------
        keep
            Whether the bytes that came in are kept then, to try again.
        """
        stored: Stored | None = None
        known: bool | None = None
        try:
            stored = self._stored(principal, spool, digest, description)
            yield stored
            known = stored.recorded
        except BaseException:
            # Of a lost connection it is not known whether its transaction was committed. When nobody can tell,
            # everything stays as it is, for the sweep.
            known = self._is_known(spool)
            raise
        finally:
            if known:
                spool.remove()
            elif known is not None:
                self._undo(spool, stored, keep=keep)
            spool.release()

    def _stored(self, principal: Principal, spool: Spool, digest: Digest, description: Description) -> Stored:
        with self._database.read() as session:
            acting = replace(principal, organization_id=spool.organization_id)
            project_id, storage = description.check(session, acting)
        if storage is None:
            with self._database.write() as session:
                storage = own_storage(session, self._settings, spool.organization_id)
        path = f"{spool.id[:2]}/{spool.id}"
        loose = None
        if storage.own and (bucket := own_bucket(self._settings)) is not None:
            # Two servers may publish one upload at once: the object of whoever comes second is let go.
            path = f"{path}-{secrets.token_hex(4)}"
            loose = f"{FILES}/{storage.organization_id}/{path}"
            objects.put(self._database, bucket, loose, spool.path)
        else:
            self._place(principal, spool, storage, path)
        file = PublishedFile(
            id=spool.id,
            organization_id=spool.organization_id,
            project_id=project_id,
            storage_id=storage.id,
            user_id=principal.user_id or None,
            identifier=description.identifier or description.name or spool.id,
            name=description.name or "file",
            path=path,
            type=description.type or digest.type,
            size=digest.size,
            md5=digest.md5,
            sha256=digest.sha256,
            leaves=digest.leaves,
            signed_until=_signed_until(storage),
        )
        return Stored(file, storage, principal, description, loose)

    def _place(self, principal: Principal, spool: Spool, storage: Storage, path: str) -> None:
        if storage.own:
            Folder(self._settings.files_dir.absolute() / storage.organization_id).put(path, spool.path, move=True)
            return
        # Killed from here on, the server finds the half-way copy by this record.
        with self._database.write() as session:
            upload = session.scalar(select(Upload).where(Upload.id == spool.id))
            if upload is None:
                upload = Upload(id=spool.id, organization_id=spool.organization_id, user_id=principal.user_id)
                session.add(upload)
            upload.storage_id, upload.path, upload.touched_at = storage.id, path, now()
        store = open_storage(self._settings, self._vault, storage)
        try:
            store.delete(path)  # what an earlier attempt left, which was killed
            store.put(path, spool.path)
        except EntrepotError:
            store.delete(path)
            raise

    def _is_known(self, spool: Spool) -> bool:
        with self._database.read() as session:
            return session.scalar(select(PublishedFile.number).where(PublishedFile.id == spool.id)) is not None

    def _undo(self, spool: Spool, stored: Stored | None, *, keep: bool) -> None:
        if stored is not None and stored.loose is not None:
            objects.drop(self._database, stored.loose)
        elif stored is not None:
            open_storage(self._settings, self._vault, stored.storage).delete(stored.file.path)
        if not keep:
            with self._database.write() as session:
                session.execute(delete(Upload).where(Upload.id == spool.id))
            spool.remove()


@limits.measured_by("files")
def _files_of(session: Session, organization_id: str) -> int:
    return session.scalar(select(func.count()).where(*_kept(organization_id))) or 0


@limits.measured_by("file_bytes")
def _file_bytes_of(session: Session, organization_id: str) -> int:
    return int(session.scalar(select(func.sum(PublishedFile.size)).where(*_kept(organization_id))) or 0)


@limits.measured_by("storage")
def _storage_of(session: Session, organization_id: str) -> int:
    own = PublishedFile.storage_id.in_(select(Storage.id).where(Storage.own))
    return int(session.scalar(select(func.sum(PublishedFile.size)).where(own, *_kept(organization_id))) or 0)


def _kept(organization_id: str) -> tuple[ColumnElement[bool], ...]:
    return PublishedFile.organization_id == organization_id, PublishedFile.status.in_(("available", "consumed"))


def summary(file: PublishedFile) -> dict[str, Any]:
    """Return what events say of a file."""
    return {
        "identifier": file.identifier,
        "type": file.type,
        "size": file.size,
        "md5": file.md5,
        "sha256": file.sha256,
        "request": file.request_id,
        "step": file.step_id,
    }


def safe_name(name: str) -> str:
    """Return the name for a download: the last part of whatever a client called it, without what harms."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(character if character.isprintable() else "_" for character in last).strip(" .")
    return kept.encode(errors="replace")[:200].decode(errors="ignore")


def _project_id(session: Session, principal: Principal, description: Description) -> str | None:
    if description.project is None or description.request is not None or description.step is not None:
        # Files of no project, requests and their steps are the organization's.
        principal.require("write")
    if description.project is None:
        return None
    try:
        project = projects.get_project(session, principal, description.project, "write")
    except NotFound:
        raise InvalidInput.field("project", "There is no such project.") from None
    if project.organization_id != principal.organization_id:
        raise InvalidInput.field("project", "It belongs to another organization than the one you act in.")
    return project.id


def _signed_until(storage: Storage) -> datetime | None:
    if not storage.signed or storage.signed_for is None:
        return None
    return end_of(storage.signed_for)


def _record_lineage(session: Session, file: PublishedFile, user_id: str | None, run_id: str | None) -> None:
    if run_id is not None:
        lineage.made(session, run_id, "file", file.id, sha256=file.sha256)
        return
    run = lineage.Run(
        id=new_id(),
        organization_id=file.organization_id,
        project_id=file.project_id,
        generator_kind="upload",
        generator_id=_DIRECT,
        user_id=user_id,
        ended_at=now(),
        status="finished",
    )
    detail = {"sha256": file.sha256}
    link = lineage.Link(run_id=run.id, direction="out", kind="file", result_id=file.id, detail=detail)
    lineage.record_ended(session, [run], [link])
