"""Files on their way from a source to a gate: each arrives once, wherever the worker is killed.

A file is staged: written under a name of its own, outside the gate, and brought to the disk. Then one transaction
remembers what it is and where it lies. Only then is it renamed onto the gate, and a second transaction notes that it is
there, with its lineage, and tells importers. A run that finds a staged file remembered renames it, unless that was
done: the file itself says so, by being gone.
"""

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import now
from entrepot.errors import Conflict, InvalidInput, TooLarge
from entrepot.pipeline.feeders.sources import Remote
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import folders, trees
from entrepot.pipeline.generators.finding import enqueue_run
from entrepot.pipeline.models import FedFile, Feeder, Importer
from entrepot.settings import Settings

#: Lineage keeps no longer name.
LONGEST_PATH = 300


class Deleted(jobs.Refused):
    """The feeder was deleted."""


class Changed(Conflict):
    """The file changed while it was fetched."""


@dataclass(frozen=True)
class Staged:
    """A complete file that is not on the gate yet.

    Attributes
    ----------
    target
        Where it goes on the gate.
    name
        How it is called meanwhile.
    """

    remote: Remote
    target: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Ended:
    """What became of a file: the reason is None where it arrived."""

    path: str
    target: str
    size: int
    sha256: str
    skipped: str | None = None
    failed: str | None = None


class Arrivals:
    """The way of a run's files.

    Parameters
    ----------
    origin
        What lineage calls the source.
    """

    def __init__(
        self, context: jobs.JobContext, feeder_id: str, gate_id: str, quota: gate_files.Quota, origin: str
    ) -> None:
        self._context, self._feeder_id, self._gate_id, self._quota = context, feeder_id, gate_id, quota
        self._origin = origin
        self._home = context.settings.gates_dir / gate_id
        # On the file system of the gates, so that renaming is all that is left to do.
        self._staging = context.settings.feeds_dir / feeder_id

    def begin(self) -> list[Ended]:
        """Make the folders, and end what a run before this one, or this one's last attempt, left under way."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._staging.mkdir(parents=True, exist_ok=True)
        with self._context.database.read() as session:
            rows = session.scalars(_rows(self._feeder_id).where(FedFile.staged.is_not(None))).all()
        ended = self._place(rows)
        # Within a unit of work nobody has taken over: what is not remembered is nobody's.
        with self._context.unit() as session:
            kept = set(session.scalars(_rows(self._feeder_id).with_only_columns(FedFile.staged)))
            for path in self._staging.iterdir():
                if path.name not in kept:
                    path.unlink(missing_ok=True)
        return ended

    def end(self) -> None:
        """Remove the folder of files under way, once there are none."""
        with contextlib.suppress(OSError):
            self._staging.rmdir()

    def check_target(self, target: str) -> str:
        """Return where a file goes on the gate, as it is kept; InvalidInput where nothing may go."""
        path = folders.resolve(self._home, target)
        folders.require_shallow(target)
        gate_files.require_free_path(target)
        found = path.relative_to(self._home).as_posix()
        if len(found) > LONGEST_PATH:
            raise InvalidInput.field("path", f"This has more than {LONGEST_PATH} characters.")
        if path.is_dir() or any(parent.is_file() for parent in path.parents):
            raise InvalidInput.field("path", "On the gate, a folder and a file stand in each other's way here.")
        return found

    def stage(self, remote: Remote, target: str, blocks: Iterable[bytes], most: int) -> Staged:
        """Write a file's bytes, for good, where nobody sees them.

        Raises
        ------
        TooLarge
            There are more than `most`.
        Changed
            There are not as many as were listed.
        """
        name, size, digest = uuid.uuid4().hex, 0, hashlib.sha256()
        path = self._staging / name
        try:
            with path.open("xb") as file:
                for block in blocks:
                    size += len(block)
                    if size > most:
                        raise TooLarge(f"It has more than the {most} bytes allowed.")
                    digest.update(block)
                    file.write(block)
                if remote.size is not None and size != remote.size:
                    raise Changed(f"{size} bytes came, {remote.size} were listed: it changed while it was fetched.")
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Staged(remote, target, name, size, digest.hexdigest())

    def discard(self, staged: Staged) -> None:
        """Remove a staged file."""
        (self._staging / staged.name).unlink(missing_ok=True)

    def deliver(self, batch: Sequence[Staged]) -> list[Ended]:
        """Put staged files on the gate, but for those whose content came before under their name."""
        ended: list[Ended] = []
        there = {staged.name for staged in batch if self._is_there(staged)}
        placing: list[FedFile] = []
        with self._context.unit() as session:
            require_feeder(session, self._feeder_id)
            query = _rows(self._feeder_id).where(FedFile.path.in_([staged.remote.path for staged in batch]))
            rows = {row.path: row for row in session.scalars(query)}
            for staged in batch:
                row = rows.get(staged.remote.path)
                if row is None:
                    row = FedFile(feeder_id=self._feeder_id, path=staged.remote.path)
                    session.add(row)
                reason = None
                if row.sha256 == staged.sha256:
                    reason = "Its content came before."
                elif staged.name in there:
                    reason = "The gate has it already."
                row.version, row.seen, row.seen_since = staged.remote.version, None, None
                if reason is None or row.sha256 != staged.sha256:
                    row.size, row.sha256, row.target = staged.size, staged.sha256, staged.target
                    row.run_id, row.fetched = self._context.job.id, now()
                if reason is None:
                    row.staged = staged.name
                    placing.append(row)
                else:
                    ended.append(_ended(row, skipped=reason))
        kept = {row.staged for row in placing}
        for staged in batch:
            if staged.name not in kept:
                self.discard(staged)
        return ended + self._place(placing)

    def note_settling(self, settling: Sequence[tuple[Remote, datetime]]) -> None:
        """Remember since when files that may still grow have been as they are."""
        if not settling:
            return
        with self._context.unit() as session:
            require_feeder(session, self._feeder_id)
            rows = {row.path: row for row in session.scalars(_rows(self._feeder_id))}
            for remote, since in settling:
                row = rows.get(remote.path)
                if row is None:
                    row = FedFile(feeder_id=self._feeder_id, path=remote.path)
                    session.add(row)
                if row.seen != remote.version:
                    row.seen, row.seen_since = remote.version, since

    def _is_there(self, staged: Staged) -> bool:
        path = self._home / staged.target
        if not path.is_file() or path.stat().st_size != staged.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == staged.sha256

    def _place(self, rows: Sequence[FedFile]) -> list[Ended]:
        """Rename remembered files onto the gate, and note that they are there."""
        if not rows:
            return []
        problems = {row.path: self._rename(row) for row in rows}
        ended = []
        with self._context.unit() as session:
            require_feeder(session, self._feeder_id)
            query = _rows(self._feeder_id).where(FedFile.path.in_(list(problems)))
            for row in session.scalars(query):
                problem = problems[row.path]
                ended.append(_ended(row, failed=problem))
                row.staged = None
                if problem is not None:
                    row.version = row.sha256 = None
                    continue
                lineage.made(
                    session,
                    self._context.job.id,
                    "gate file",
                    f"{self._gate_id}/{row.target}",
                    sha256=row.sha256,
                    source=f"{self._origin} {row.path}",
                )
            if any(problem is None for problem in problems.values()):
                tell_importers(session, self._gate_id)
        for row in rows:
            if problems[row.path] is not None:
                (self._staging / str(row.staged)).unlink(missing_ok=True)
        return ended

    def _rename(self, row: FedFile) -> str | None:
        """Put a remembered file on the gate; return why that cannot be."""
        assert row.staged is not None
        assert row.target is not None
        staged = self._staging / row.staged
        if not staged.exists():  # it was done by an attempt that was cut before it could note so
            return None
        try:
            os.utime(staged)  # complete now, whenever the last byte came
            gate_files.place(self._home, staged, self._home / row.target, self._quota)
        except FileNotFoundError:
            if not staged.exists():
                return None
            raise
        except (TooLarge, OSError) as error:
            # It stays until it is noted that it is not there: whoever finds it gone takes it to have been renamed.
            return error.message if isinstance(error, TooLarge) else f"{error.strerror} on the gate."
        return None


def discard_all(settings: Settings, feeder_id: str) -> None:
    """Remove what a feeder that was deleted had under way."""
    trees.remove(settings.feeds_dir / feeder_id)


def require_feeder(session: Session, feeder_id: str) -> Feeder:
    """Return the feeder of a run; the run ends when it was deleted."""
    feeder = session.scalar(select(Feeder).where(Feeder.id == feeder_id))
    if feeder is None:
        raise Deleted
    return feeder


def tell_importers(session: Session, gate_id: str) -> None:
    """Have the active importers of a gate look at it."""
    for importer in session.scalars(select(Importer).where(Importer.gate_id == gate_id, Importer.active)):
        enqueue_run(session, importer)


def _rows(feeder_id: str) -> Select[FedFile]:
    return select(FedFile).where(FedFile.feeder_id == feeder_id)


def _ended(row: FedFile, *, skipped: str | None = None, failed: str | None = None) -> Ended:
    return Ended(row.path, row.target or "", row.size or 0, row.sha256 or "", skipped, failed)
