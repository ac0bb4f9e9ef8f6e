"""What becomes of published files: found, acknowledged, expired."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now, unindexed
from entrepot.errors import Gone, InvalidInput, Locked, NotFound
from entrepot.events.log import emit, emit_many
from entrepot.files import handed, spool
from entrepot.files.handed import AnyFile, HandedFile, HandedStorage
from entrepot.files.models import PublishedFile, Storage, Upload
from entrepot.files.pieces import coming
from entrepot.files.publish import summary
from entrepot.files.storages import open_storage
from entrepot.identity import Principal, Right, Vault
from entrepot.lineage import results
from entrepot.objects import loose
from entrepot.objects.own import own_bucket
from entrepot.settings import Settings

STATUSES = ("available", "consumed", "expired")
EXPIRE = "files.expire"
REMOVE = "files.remove"
SWEEP = "files.sweep"
#: An upload in parts at which nothing happened for so long was given up.
_ABANDONED = timedelta(days=1)
#: What came in one stream, and nobody writes or publishes, was left by a process that was killed: not at once, lest it
#: have no lock yet.
_LEFT = timedelta(minutes=1)
_AT_ONCE = 500


def get_file(session: Session, principal: Principal, file_id: str, right: Right = "read") -> PublishedFile:
    """Return a file of the caller's organizations."""
    file = session.scalar(select(PublishedFile).where(PublishedFile.id == file_id))
    if file is None:
        raise NotFound("File not found.")
    principal.require(right, file.organization_id, "File", file.project_id)
    return file


def get_handed(connection: Connection, principal: Principal, file_id: str) -> tuple[HandedFile, HandedStorage]:
    """Return a file of the caller's organizations, and where it is, to be handed out."""
    found = handed.find(connection, file_id)
    if found is None:
        raise NotFound("File not found.")
    file, _ = found
    principal.require("read", file.organization_id, "File", file.project_id)
    return found


def answers(
    session: Session, to: Literal["request_id", "step_id"], ids: Iterable[str]
) -> dict[str, list[PublishedFile]]:
    """Return the files that answer requests, or steps of them, by the ids of these."""
    column = getattr(PublishedFile, to)
    found: dict[str, list[PublishedFile]] = {id_: [] for id_ in ids}
    for file in session.scalars(select(PublishedFile).where(column.in_(found)).order_by(PublishedFile.number)):
        found[getattr(file, to)].append(file)
    return found


@results.found_by("file")
def found(session: Session, _settings: Settings, organization_id: str, ids: Sequence[str]) -> Sequence[str]:
    """Return those of an organization's files that are known, though perhaps expired."""
    of = (PublishedFile.id.in_(ids), PublishedFile.organization_id == organization_id)
    return session.scalars(select(PublishedFile.id).where(*of)).all()


def set_locked(session: Session, principal: Principal, file_id: str, *, locked: bool) -> PublishedFile:
    """Lock a file, so that it can neither be consumed nor expire, or unlock it."""
    file = get_file(session, principal, file_id, "write")
    if file.locked is not locked:
        file.locked = locked
        session.flush()
        emit(
            session,
            "file",
            "locked" if locked else "unlocked",
            file.id,
            organization_id=file.organization_id,
            project_id=file.project_id,
            data=summary(file),
            user_id=principal.user_id or None,
        )
    return file


def _require_unlocked(files: Iterable[PublishedFile]) -> None:
    for file in files:
        if file.locked:
            raise Locked(f"File {file.name} is locked.")


def acknowledge(session: Session, principal: Principal, file: PublishedFile, sha256: str | None = None) -> None:
    """Take note that a file was consumed; a second time changes nothing.

    Parameters
    ----------
    sha256
        What the consumer got, in hex. When that is something else, it is noted, and the file becomes available again.
    """
    principal.require("write", file.organization_id, "File", file.project_id)
    if sha256 is not None:
        wanted = sha256.strip().lower()
        if len(wanted) != 64 or any(character not in "0123456789abcdef" for character in wanted):
            raise InvalidInput.field("sha256", "64 hexadecimal digits.")
        if wanted != file.sha256:
            _require_unlocked([file])
            _reopen(session, principal, file, wanted)
            return
    if file.status == "available":
        acknowledge_many(session, principal, [file.id])
        session.refresh(file)


def acknowledge_many(session: Session, principal: Principal, ids: Sequence[str]) -> list[PublishedFile]:
    """Take note that files were consumed, and return those that there are; ids that are not known are passed over.

    Raises
    ------
    Locked
        One that was available is locked; nothing may be committed then.
    """
    principal.require_acting("write")
    confined = principal.confined(PublishedFile)
    instant = now()
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        statement = (
            update(PublishedFile)
            .where(
                PublishedFile.id.in_(part),
                unindexed(PublishedFile.organization_id) == principal.organization_id,
                unindexed(PublishedFile.status) == "available",
                *confined,
            )
            .values(status="consumed", consumed_at=instant)
            .returning(PublishedFile)
        )
        changed = session.scalars(statement, execution_options={"synchronize_session": False}).all()
        _require_unlocked(changed)
        for project_id in {file.project_id for file in changed}:
            emit_many(
                session,
                "file",
                "consumed",
                {file.id: summary(file) for file in changed if file.project_id == project_id},
                organization_id=principal.organization_id,
                project_id=project_id,
                user_id=principal.user_id or None,
            )
    found: dict[str, PublishedFile] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        query = select(PublishedFile).where(
            PublishedFile.id.in_(wanted[start : start + _AT_ONCE]),
            unindexed(PublishedFile.organization_id) == principal.organization_id,
            *confined,
        )
        found |= {file.id: file for file in session.scalars(query.execution_options(populate_existing=True))}
    return [found[id_] for id_ in wanted if id_ in found]


def withdraw(session: Session, principal: Principal, file: PublishedFile) -> None:
    """Take a file back: as from now it has expired, and of the server's own storage its bytes are deleted.

    Raises
    ------
    Locked
        It is locked.
    """
    principal.require("write", file.organization_id, "File", file.project_id)
    _require_unlocked([file])
    if _mark_expired(session, file, principal.user_id or None):
        payload = {"file": file.id}
        jobs.enqueue(session, REMOVE, payload, organization_id=file.organization_id, key=f"{REMOVE}:{file.id}")
    session.refresh(file)


@jobs.task(REMOVE)
def remove(context: jobs.JobContext) -> None:
    """Delete the bytes of a file that was withdrawn, where the server keeps them."""
    payload: dict[str, str] = context.job.payload or {}
    query = select(PublishedFile, Storage).join(Storage, Storage.id == PublishedFile.storage_id)
    query = query.where(PublishedFile.id == payload["file"], PublishedFile.status == "expired", Storage.own)
    with context.database.read() as session:
        found = session.execute(query).all()
    for file, storage in found:
        open_storage(context.settings, _vault(context), storage).delete(file.path)


def require_bytes(file: AnyFile) -> None:
    """Raise Gone when the bytes of a file were deleted."""
    if file.status == "expired":
        raise Gone("The file expired; its bytes were deleted.")


@jobs.task(EXPIRE, by_age=True)
def expire(context: jobs.JobContext) -> dict[str, int]:
    """Delete files of the server's own storage whose time is over: first the bytes, then the status."""
    settings, vault = context.settings, _vault(context)
    instant = now()
    query = (
        select(PublishedFile, Storage)
        .join(Storage, Storage.id == PublishedFile.storage_id)
        .where(Storage.own, PublishedFile.locked.is_(False), _is_over(instant, settings))
        .order_by(PublishedFile.number)
        .limit(_AT_ONCE)
    )
    expired = 0
    while True:
        with context.database.read() as session:
            over = session.execute(query).all()
        if not over:
            return {"expired": expired}
        for file, storage in over:
            context.check()
            open_storage(settings, vault, storage).delete(file.path)
        with context.unit() as session:
            for file, _ in over:
                expired += _mark_expired(session, file)


def _is_over(instant: datetime, settings: Settings) -> Any:
    consumed = instant - timedelta(days=settings.file_consumed_days)
    kept = instant - timedelta(days=settings.file_kept_days)
    return or_(
        and_(PublishedFile.status == "consumed", PublishedFile.consumed_at < consumed),
        and_(PublishedFile.status == "available", PublishedFile.created_at < kept),
    )


def _mark_expired(session: Session, file: PublishedFile, user_id: str | None = None) -> int:
    statement = (
        update(PublishedFile)
        .where(PublishedFile.number == file.number, PublishedFile.status != "expired")
        .values(status="expired", expired_at=now())
        .returning(PublishedFile.number)
    )
    if session.scalar(statement) is None:
        return 0
    emit(
        session,
        "file",
        "expired",
        file.id,
        organization_id=file.organization_id,
        project_id=file.project_id,
        data=summary(file),
        user_id=user_id,
    )
    return 1


@jobs.task(SWEEP, calls_out=True)
def sweep(context: jobs.JobContext) -> dict[str, int]:
    """Remove what uploads left behind that were given up, or whose server was killed."""
    settings, vault = context.settings, _vault(context)
    removed = 0
    before = now() - _ABANDONED
    with context.database.read() as session:
        given_up = list(session.scalars(select(Upload).where(Upload.touched_at < before).limit(10_000)))
    for upload in given_up:
        context.check()
        with context.database.read() as session:
            query = select(Storage).where(Storage.id == upload.storage_id)
            storage = session.scalar(query)
        if storage is not None and upload.path is not None:
            open_storage(settings, vault, storage).delete(upload.path)
        coming(settings, upload.organization_id, upload.id).remove()
        with context.unit() as session:
            session.execute(delete(Upload).where(Upload.id == upload.id, Upload.touched_at < before))
        removed += 1
    if (bucket := own_bucket(settings)) is not None:
        spool.sweep(settings, _LEFT.total_seconds())
        return {"removed": removed + loose.sweep(context.database, bucket)}
    for path in spool.spool_folder(settings).glob("*/*"):
        context.check()
        removed += _sweep_spool(context, path)
    return {"removed": removed}


def _sweep_spool(context: jobs.JobContext, path: Path) -> int:
    try:
        if path.stat().st_mtime > (now() - _LEFT).timestamp() or spool.is_under_way(path):
            return 0
    except FileNotFoundError:
        return 0
    with context.database.read() as session:
        known = session.scalar(select(PublishedFile.id).where(PublishedFile.id == path.name))
        coming = session.scalar(select(Upload.id).where(Upload.id == path.name))
    if coming is not None:
        return 0
    if known is None:
        # Linked into place, but its row never came.
        own = context.settings.files_dir.absolute() / path.parent.name
        (own / path.name[:2] / path.name).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    return 1


def schedule(session: Session) -> None:
    """Have files expire, hour by hour, and leftovers removed, minutes after a start and ever after."""
    jobs.schedules.every(session, EXPIRE, 3600, EXPIRE, key=EXPIRE)
    jobs.schedules.every(session, SWEEP, 120, SWEEP, key=SWEEP)


def _reopen(session: Session, principal: Principal, file: PublishedFile, sha256: str) -> None:
    noted = {"sha256": sha256, "at": now().isoformat(), "user": principal.user_id or None}
    file.mismatches = [*file.mismatches, noted][-20:]
    if file.status == "consumed":
        file.status, file.consumed_at = "available", None
    session.flush()
    emit(
        session,
        "file",
        "mismatched",
        file.id,
        organization_id=file.organization_id,
        project_id=file.project_id,
        user_id=principal.user_id or None,
        data=summary(file) | {"received_sha256": sha256},
    )


def _vault(context: jobs.JobContext) -> Vault:
    vault = context.services["vault"]
    assert isinstance(vault, Vault)
    return vault
