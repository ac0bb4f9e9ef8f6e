"""Files on their way from a source to a gate: each arrives once, wherever the worker is killed.

A file is staged: written under a name of its own, outside the gate, and brought to the disk or the bucket. Then one
transaction remembers what it is and where it lies. Only then is it put on the gate, and a second transaction notes that
it is there, with its lineage, and tells importers. A run that finds a staged file remembered puts it there, unless that
was done: the staged file itself says so, by being gone. In a bucket, the second transaction puts it there, too.
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

from entrepot import lineage
from entrepot.db import now
from entrepot.errors import Conflict, InvalidInput, TooLarge, Unavailable
from entrepot.objects import loose
from entrepot.pipeline.feeders.sources import Remote
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import folders, trees
from entrepot.pipeline.gates.configuration import gate_home
from entrepot.pipeline.gates.home import Ready
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.gates.stored_home import StoredHome
from entrepot.pipeline.generators.finding import enqueue_run
from entrepot.pipeline.generators.frame import Run
from entrepot.pipeline.models import FedFile, Feeder, Importer
from entrepot.settings import Settings

#: Lineage keeps no longer name.
LONGEST_PATH = 300


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

    def __init__(self, run: Run[Feeder], gate_id: str, quota: gate_files.Quota, origin: str) -> None:
        self._run, self._gate_id, self._quota = run, gate_id, quota
        self._origin = origin
        settings = run.context.settings
        self._home = open_home(settings, run.context.database, gate_home(gate_id))
        self._in_bucket = isinstance(self._home, StoredHome)
        # On the file system of the gates, so that renaming is all that is left to do.
        self._staging = settings.feeds_dir / run.of

    def begin(self) -> list[Ended]:
        """Make the folders, and end what a run before this one, or this one's last attempt, left under way."""
        self._home.make()
        self._staging.mkdir(parents=True, exist_ok=True)
        with self._run.context.database.read() as session:
            rows = session.scalars(_rows(self._run.of).where(FedFile.staged.is_not(None))).all()
        ended = self._place(rows)
        # Within a unit of work nobody has taken over: what is not remembered is nobody's.
        with self._run.unit() as (session, _):
            kept = set(session.scalars(_rows(self._run.of).with_only_columns(FedFile.staged)))
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
        found = self._home.resolve(target)
        folders.require_shallow(target)
        gate_files.require_free_path(target)
        if len(found) > LONGEST_PATH:
            raise InvalidInput.field("path", f"This has more than {LONGEST_PATH} characters.")
        above = [found.rsplit("/", depth)[0] for depth in range(1, found.count("/") + 1)]
        if gate_files.is_folder(self._home, found) or any(gate_files.is_file(self._home, each) for each in above):
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
            if self._in_bucket:
                name = str(self._home.prepare(path).source)
                path.unlink()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Staged(remote, target, name, size, digest.hexdigest())

    def discard(self, staged: Staged) -> None:
        """Remove a staged file."""
        self._drop(staged.name)

    def deliver(self, batch: Sequence[Staged]) -> list[Ended]:
        """Put staged files on the gate, but for those whose content came before under their name."""
        ended: list[Ended] = []
        there = {staged.name for staged in batch if self._is_there(staged)}
        placing: list[FedFile] = []
        with self._run.unit() as (session, _):
            query = _rows(self._run.of).where(FedFile.path.in_([staged.remote.path for staged in batch]))
            rows = {row.path: row for row in session.scalars(query)}
            for staged in batch:
                row = rows.get(staged.remote.path)
                if row is None:
                    row = FedFile(feeder_id=self._run.of, path=staged.remote.path)
                    session.add(row)
                reason = None
                if row.sha256 == staged.sha256:
                    reason = "Its content came before."
                elif staged.name in there:
                    reason = "The gate has it already."
                row.version, row.seen, row.seen_since = staged.remote.version, None, None
                if reason is None or row.sha256 != staged.sha256:
                    row.size, row.sha256, row.target = staged.size, staged.sha256, staged.target
                    row.run_id, row.fetched_at = self._run.id, now()
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
        with self._run.unit() as (session, _):
            rows = {row.path: row for row in session.scalars(_rows(self._run.of))}
            for remote, since in settling:
                row = rows.get(remote.path)
                if row is None:
                    row = FedFile(feeder_id=self._run.of, path=remote.path)
                    session.add(row)
                if row.seen != remote.version:
                    row.seen, row.seen_since = remote.version, since

    def _is_there(self, staged: Staged) -> bool:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if self._home.status(staged.target).st_size == staged.size:
                return gate_files.sha256_of(self._home, staged.target) == staged.sha256
        return False

    def _place(self, rows: Sequence[FedFile]) -> list[Ended]:
        """Put remembered files on the gate, and note that they are there."""
        if not rows:
            return []
        problems = {} if self._in_bucket else {row.path: self._rename(row) for row in rows}
        ended = []
        with self._run.unit() as (session, _):
            query = _rows(self._run.of).where(FedFile.path.in_([row.path for row in rows]))
            for row in session.scalars(query).all():
                if self._in_bucket:
                    problems[row.path] = self._hold(session, row)
                ended.append(self._noted(session, row, problems[row.path]))
            if any(problem is None for problem in problems.values()):
                tell_importers(session, self._gate_id)
        for row in rows:
            if problems.get(row.path) is not None:
                self._drop(str(row.staged))
        return ended

    def _noted(self, session: Session, row: FedFile, problem: str | None) -> Ended:
        ended = _ended(row, failed=problem)
        row.staged = None
        if problem is not None:
            row.version = row.sha256 = None
            return ended
        lineage.made(
            session,
            self._run.id,
            "gate file",
            f"{self._gate_id}/{row.target}",
            sha256=row.sha256,
            source=f"{self._origin} {row.path}",
        )
        return ended

    def _drop(self, name: str) -> None:
        if self._in_bucket:
            loose.drop(self._run.context.database, name)
        else:
            (self._staging / name).unlink(missing_ok=True)

    def _hold(self, session: Session, row: FedFile) -> str | None:
        """Put a remembered object on the gate; return why that cannot be."""
        ready = Ready(str(row.staged), row.size or 0, now().timestamp())
        try:
            with session.begin_nested(), self._home.within(session).alone() as turn:
                gate_files.place_alone(turn, ready, str(row.target), self._quota)
        except (TooLarge, Unavailable, OSError) as error:
            return f"{error.strerror} on the gate." if isinstance(error, OSError) else error.message
        return None

    def _rename(self, row: FedFile) -> str | None:
        """Put a remembered file on the gate; return why that cannot be."""
        assert row.staged is not None
        assert row.target is not None
        staged = self._staging / row.staged
        if not staged.exists():  # it was done by an attempt that was cut before it could note so
            return None
        try:
            os.utime(staged)  # complete now, whenever the last byte came
            gate_files.place(self._home, staged, row.target, self._quota)
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


def tell_importers(session: Session, gate_id: str) -> None:
    """Have the active importers of a gate look at it."""
    for importer in session.scalars(select(Importer).where(Importer.gate_id == gate_id, Importer.active)):
        enqueue_run(session, importer)


def _rows(feeder_id: str) -> Select[FedFile]:
    return select(FedFile).where(FedFile.feeder_id == feeder_id)


def _ended(row: FedFile, *, skipped: str | None = None, failed: str | None = None) -> Ended:
    return Ended(row.path, row.target or "", row.size or 0, row.sha256 or "", skipped, failed)
