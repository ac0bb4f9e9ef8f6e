"""Published files whose stored bytes are not those that were published: found, not handed out, set aside."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from entrepot.db import Database
from entrepot.errors import EntrepotError, NotFound, Unavailable
from entrepot.events import emit, notifications
from entrepot.files import leaves
from entrepot.files.models import PublishedFile, StorageConfig
from entrepot.files.storage import Storage
from entrepot.settings import Settings

NOTICE = "File damaged"
FOLDER = "damaged"

log = structlog.get_logger("entrepot.files")


class DamagedFile(EntrepotError):
    """The stored bytes of this file are damaged: restore them from a backup, or publish it again."""

    code = "damaged"


@contextmanager
def telling(database: Database, file: PublishedFile) -> Iterator[None]:
    """Have damage that is met within told: in the log, and to the file's project."""
    try:
        yield
    except DamagedFile:
        log.error("file damaged", cause="file damaged", file=file.id, name=file.name, project=file.project_id)  # noqa: TRY400
        if file.project_id is not None:
            with database.write() as session:
                _notify(session, file, file.project_id, "is damaged: restore it, or publish it again.")
        raise


def intact(blocks: Iterator[bytes], file: PublishedFile) -> Iterator[bytes]:
    """Yield the blocks of a whole file, the last one only once all were seen to be right.

    Raises
    ------
    DamagedFile
        They are not what was published: at once where there is one block, else before the last.
    """
    checked = _checked(blocks, file)
    first = next(checked, b"")

    def all_of_them() -> Iterator[bytes]:
        yield first
        yield from checked

    return all_of_them()


def _checked(blocks: Iterator[bytes], file: PublishedFile) -> Iterator[bytes]:
    digest, size, held = hashlib.sha256(), 0, b""
    for block in blocks:
        digest.update(block)
        size += len(block)
        if held:
            yield held
        held = block
    if size != file.size or digest.hexdigest() != file.sha256:
        raise DamagedFile
    yield held


def intact_part(storage: Storage, file: PublishedFile, start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes ``[start, stop)`` of a file, each only once what lies around it was seen to be right.

    Raises
    ------
    DamagedFile
        It is not what was published; at once where that is so of the first bytes that would be yielded.
    """
    if file.leaves is None:
        parts = _cut(_checked(storage.read(file.path), file), 0, start, stop)
    else:
        first, last = leaves.around(start, stop, file.size)
        parts = _cut(_right(storage.read(file.path, first, last), first, last, file.leaves), first, start, stop)
    begun = next(parts, b"")

    def all_of_them() -> Iterator[bytes]:
        yield begun
        yield from parts

    return all_of_them()


def _right(blocks: Iterator[bytes], first: int, last: int, digests: bytes) -> Iterator[bytes]:
    came = first
    for leaf, right in leaves.checked(blocks, first, digests):
        if not right:
            raise DamagedFile
        came += len(leaf)
        yield leaf
    if came != last:
        raise DamagedFile


def _cut(blocks: Iterator[bytes], at: int, start: int, stop: int) -> Iterator[bytes]:
    """Yield what lies in ``[start, stop)`` of blocks from `at` on, the end of it once there are no more blocks."""
    held = b""
    for block in blocks:
        piece = block[max(start - at, 0) : max(stop - at, 0)]
        at += len(block)
        if piece:
            if held:
                yield held
            held = piece
    yield held


def problem(storage: Storage, file: PublishedFile, *, whole: bool) -> str | None:
    """Return what is wrong with the stored bytes of a file: of their size, or of all that is in them."""
    try:
        if (size := storage.size(file.path)) != file.size:
            return f"has {size} bytes instead of {file.size}"
        if whole:
            for _ in intact(storage.read(file.path), file):
                pass
    except NotFound:
        return "is not in its storage"
    except DamagedFile:
        return f"does not hold the bytes that were published (SHA-256 {file.sha256})"
    except Unavailable as error:
        return f"cannot be read now: {error.message}"
    return None


def set_aside(session: Session, settings: Settings, file: PublishedFile, config: StorageConfig, reason: str) -> Path:
    """Move the bytes of a damaged file out of the server's own storage, and tell its owners; return where they are.

    Without a project, the event alone tells of it.
    """
    source = settings.files_dir / config.organization_id / file.path
    target = settings.data_dir / FOLDER / file.id
    target.parent.mkdir(mode=0o700, exist_ok=True)
    if source.exists():
        source.replace(target)
    if file.project_id is not None:
        _notify(session, file, file.project_id, f"{reason}: its bytes were set aside. Publish it again.")
    emit(
        session,
        "file",
        "damaged",
        file.id,
        organization_id=file.organization_id,
        project_id=file.project_id,
        data={"name": file.name, "reason": reason},
    )
    return target


def _notify(session: Session, file: PublishedFile, project_id: str, said: str) -> None:
    notifications.notify(
        session,
        NOTICE,
        f"The file {file.name} {said}",
        organization_id=file.organization_id,
        project_id=project_id,
        subject=file.id,
        origin="storage",
    )
