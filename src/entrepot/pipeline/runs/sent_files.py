"""Files that are sent along with a trial: kept until it has ended, wherever it is worked."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import advisory_lock, now
from entrepot.objects.own import own_bucket
from entrepot.objects.stores import BucketStore
from entrepot.pipeline.gates import trees
from entrepot.settings import Settings

_FOLDER = "trials"
_LEFT = timedelta(days=1)


class SentFiles(Protocol):
    """The files of one trial, by number."""

    def write(self, contents: Sequence[bytes]) -> None:
        """Keep them."""

    def read(self, number: int) -> bytes:
        """Return what is in one; FileNotFoundError or NotFound where it has gone."""

    def remove(self) -> None:
        """Forget them."""


class _InFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, contents: Sequence[bytes]) -> None:
        self._folder.mkdir()
        for number, content in enumerate(contents):
            (self._folder / str(number)).write_bytes(content)

    def read(self, number: int) -> bytes:
        return (self._folder / str(number)).read_bytes()

    def remove(self) -> None:
        trees.remove(self._folder)


class _InBucket:
    def __init__(self, bucket: BucketStore, folder: str) -> None:
        self._bucket, self._folder = bucket, folder

    def write(self, contents: Sequence[bytes]) -> None:
        for number, content in enumerate(contents):
            self._bucket.put(f"{self._folder}/{number}", content)

    def read(self, number: int) -> bytes:
        return b"".join(self._bucket.read(f"{self._folder}/{number}"))

    def remove(self) -> None:
        for one in list(self._bucket.list(self._folder)):
            self._bucket.delete(one.path)


def of(settings: Settings, job_id: str) -> SentFiles:
    """Return the files of a trial."""
    if (bucket := own_bucket(settings)) is not None:
        return _InBucket(bucket, f"{_FOLDER}/{job_id}")
    return _InFolder(settings.data_dir / _FOLDER / job_id)


def keep(session: Session, settings: Settings, job: jobs.Job, kind: str, contents: Sequence[bytes]) -> None:
    """Keep files until their trial, a job of a kind, has ended; remove what others left whose trial has.

    Whoever else keeps some waits until this unit of work ends: so what no trial that is under way names is nobody's,
    whatever a clock says.
    """
    advisory_lock(session, "trials")
    there = _kept(settings)
    under_way = jobs.list_(
        session, within=jobs.Job.id.in_(there), kind=kind, statuses=("pending", "running"), limit=len(there)
    )
    for name in there - {each.id for each in under_way}:
        of(settings, name).remove()
    of(settings, job.id).write(contents)


def _kept(settings: Settings) -> set[str]:
    """Return the trials of which there are files, as far as nobody can be about to begin them."""
    if (bucket := own_bucket(settings)) is not None:
        old = now() - _LEFT
        return {one.path.split("/")[1] for one in bucket.list(_FOLDER) if one.modified < old}
    root = settings.data_dir / _FOLDER
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {path.name for path in root.iterdir()}
