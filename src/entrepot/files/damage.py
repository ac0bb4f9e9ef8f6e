"""Published files whose stored bytes are not those that were published: found, not handed out, set aside."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.orm import Session

from entrepot.db import Database
from entrepot.errors import EntrepotError, NotFound, Unavailable
from entrepot.events import emit, notifications
from entrepot.files import leaves
from entrepot.files.handed import AnyFile
from entrepot.files.models import PublishedFile, Storage
from entrepot.files.storages import FILES
from entrepot.objects.own import own_bucket
from entrepot.objects.stores import Store
from entrepot.settings import Settings

NOTICE = "File damaged"
FOLDER = "damaged"

log = structlog.get_logger("entrepot.files")


class DamagedFile(EntrepotError):
    """The stored bytes of this file are damaged: restore them from a backup, or publish it again."""

    code = "damaged"


@contextmanager
def telling(database: Database, file: AnyFile) -> Iterator[None]:
    """Have damage that is met within told: in the log, and to the file's project."""
    try:
        yield
    except DamagedFile:
        log.error("file damaged", cause="file damaged", file=file.id, name=file.name, project=file.project_id)  # noqa: TRY400
        if file.project_id is not None:
            with database.write() as session:
                _notify(session, file, file.project_id, "is damaged: restore it, or publish it again.")
        raise


def intact(blocks: Iterator[bytes], file: AnyFile) -> Iterator[bytes]:
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


def _checked(blocks: Iterator[bytes], file: AnyFile) -> Iterator[bytes]:
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


def intact_part(store: Store, file: AnyFile, start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes ``[start, stop)`` of a file, each only once what lies around it was seen to be right.

    Raises
    ------
    DamagedFile
        It is not what was published; at once where that is so of the first bytes that would be yielded.
    """
    if file.leaves is None:
        parts = _cut(_checked(store.read(file.path), file), 0, start, stop)
    else:
        first, last = leaves.around(start, stop, file.size)
        parts = _cut(_right(store.read(file.path, first, last), first, last, file.leaves), first, start, stop)
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


def problem(store: Store, file: PublishedFile, *, whole: bool) -> str | None:
    """Return what is wrong with the stored bytes of a file: of their size, or of all that is in them."""
    try:
        if (size := store.size(file.path)) != file.size:
            return f"has {size} bytes instead of {file.size}"
        if whole:
            for _ in intact(store.read(file.path), file):
                pass
    except NotFound:
        return "is not in its storage"
    except DamagedFile:
        return f"does not hold the bytes that were published (SHA-256 {file.sha256})"
    except Unavailable as error:
        return f"cannot be read now: {error.message}"
    return None


def set_aside(database: Database, settings: Settings, file: PublishedFile, storage: Storage, reason: str) -> str | None:
    """Move the bytes of a damaged file out of the server's own storage; return what was done.

    Its owners are told first: where this ends in between, the bytes are found, told of and moved the next time. None
    where they were set aside before, and there is nothing to do.

    Without a project, the event alone tells of it.
    """
    path, aside = f"{FILES}/{storage.organization_id}/{file.path}", f"{FOLDER}/{file.id}"
    there = _lies(settings, path)
    if not there and _lies(settings, aside):
        return None
    with database.write() as session:
        if file.project_id is not None:
            done = ": its bytes were set aside" if there else ""
            _notify(session, file, file.project_id, f"{reason}{done}. Publish it again.")
        emit(
            session,
            "file",
            "damaged",
            file.id,
            organization_id=file.organization_id,
            project_id=file.project_id,
            data={"name": file.name, "reason": reason},
        )
    if not there:
        return "its owners were told that it is lost"
    return f"set aside as {_move(settings, path, aside)}"


def _lies(settings: Settings, path: str) -> bool:
    """Tell whether something is kept there, in the data folder or in the server's bucket."""
    bucket = own_bucket(settings)
    if bucket is None:
        return (settings.data_dir / path).exists()
    try:
        bucket.size(path)
    except NotFound:
        return False
    return True


def _move(settings: Settings, path: str, aside: str) -> str:
    bucket = own_bucket(settings)
    if bucket is not None:
        bucket.move(path, aside)
        return f"{settings.storage_url}/{aside}"
    target = settings.data_dir / aside
    target.parent.mkdir(mode=0o700, exist_ok=True)
    (settings.data_dir / path).replace(target)
    return str(target)


def _notify(session: Session, file: AnyFile, project_id: str, said: str) -> None:
    notifications.notify(
        session,
        NOTICE,
        f"The file {file.name} {said}",
        organization_id=file.organization_id,
        project_id=project_id,
        subject=file.id,
        origin="storage",
    )
