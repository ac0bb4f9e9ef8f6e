# Made of aio/files.py by `make sync-face`: change that one.
"""Files of Entrepot's own interface: published, found, fetched, acknowledged; and where they are stored."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from entrepot.client.errors import Damaged, NoAnswer, Refused
from entrepot.client.progress import Progress, telling
from entrepot.client.things import Verbs

Record = dict[str, Any]

_PART_BYTES = 64 * 2**20
_BLOCK = 1 << 20
_TRIES = 8
_AGAIN = (409, 502, 503, 504)


class Files(Verbs):
    """Published files."""

    def publish(self, path: str | Path, *, progress: Progress = False, **described: str) -> Record:
        """Publish a file of any size; what breaks goes on where it was.

        Parameters
        ----------
        progress
            Show how far it is, or call this with how many bytes the server has, and of how many.
        described
            Any of ``name``, ``identifier``, ``type``, ``request``, ``step``, ``storage`` and ``project``.

        Returns
        -------
        The file's record.
        """
        path = Path(path)
        size = path.stat().st_size
        upload = self.connection.json(
            "POST", "/api/v1/uploads", body={"name": path.name, **described, "size": size}, once=True
        )
        address, offset, failures = f"/api/v1/uploads/{upload['id']}", 0, 0
        with path.open("rb") as file, telling(progress, path.name, "B", scale=True) as tell:
            while offset < size:
                try:
                    headers = {"upload-offset": str(offset)}
                    answer = self.connection.send("PATCH", address, content=_part(file, offset), headers=headers)
                    offset, failures = int(answer.json()["offset"]), 0
                except (NoAnswer, Refused) as error:
                    failures += 1
                    final = isinstance(error, Refused) and error.status not in _AGAIN
                    if final or failures >= _TRIES:
                        raise
                    offset = int((self.connection.json("GET", address))["offset"])
                tell(offset, size)
        record: Record = self.connection.json("POST", f"{address}/publish", timeout=3600.0)
        return record

    def find(self, **filters: Any) -> Iterator[Record]:
        """Yield the records of files, newest first; available ones unless `status` says otherwise.

        Parameters
        ----------
        filters
            Any of ``identifier``, ``project``, ``request``, ``step``, ``md5``, ``sha256``, ``type``, ``status``; a
            list means any of its values.
        """
        yield from self.connection.pages("/api/v1/files", **filters)

    def get(self, file_id: str) -> Record:
        """Return a file's record."""
        record: Record = self.connection.json("GET", f"/api/v1/files/{file_id}")
        return record

    def download(self, file_id: str, target: str | Path) -> Path:
        """Fetch a file and check its SHA-256; it appears once it is whole.

        What broke goes on where it was, also when another process began it: until the file is whole, what came of it
        is in ``<target>.part``, and which file that is in ``<target>.part.etag``.

        Raises
        ------
        Damaged
            What came is not what was published; it is not kept.
        """
        record, target = self.get(file_id), Path(target)
        part, beside = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.etag")
        etag, size = f'"{record["sha256"]}"', record["size"]
        if not (part.exists() and beside.exists() and beside.read_text() == etag and part.stat().st_size <= size):
            part.write_bytes(b"")
            beside.write_text(etag)
        digest = hashlib.sha256()
        with part.open("r+b") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
            for block in self._rest(file_id, etag, file.tell(), size):
                file.write(block)
                digest.update(block)
            came = file.tell()
        if came != size or digest.hexdigest() != record["sha256"]:
            for path in (part, beside):
                path.unlink(missing_ok=True)
            raise Damaged(f"{file_id}: {came} of {size} bytes, SHA-256 {digest.hexdigest()}")
        part.replace(target)
        beside.unlink(missing_ok=True)
        return target

    def _rest(self, file_id: str, etag: str, came: int, size: int) -> Iterator[bytes]:
        """Yield a file's bytes from a position on, asking again where the connection breaks."""
        failures = 0
        while came < size:
            headers = {"range": f"bytes={came}-", "if-range": etag}
            try:
                with self.connection.stream(f"/api/v1/files/{file_id}/download", headers=headers) as answer:
                    if came and answer.status_code != httpx.codes.PARTIAL_CONTENT:
                        raise Damaged(f"{file_id}: the file is another one now")
                    for block in answer.iter_raw(_BLOCK):
                        yield block
                        came += len(block)
                        failures = 0
            except httpx.TransportError:
                failures += 1
                if failures >= _TRIES:
                    raise

    def acknowledge(self, file_id: str, sha256: str | None = None) -> Record:
        """Tell that a file was consumed.

        Parameters
        ----------
        sha256
            What was received; when that is not what was published, it is noted, and the file stays available.
        """
        body = {} if sha256 is None else {"sha256": sha256}
        record: Record = self.connection.json("POST", f"/api/v1/files/{file_id}/ack", body=body)
        return record

    def withdraw(self, file_id: str) -> Record:
        """Take a file back: it has expired as from now, and the server deletes what it keeps of it."""
        record: Record = self.connection.json("DELETE", f"/api/v1/files/{file_id}")
        return record

    def acknowledge_many(self, ids: Iterable[str]) -> list[Record]:
        """Tell that files were consumed, and return their records; unknown and repeated ids do no harm."""
        records: list[Record] = self.connection.json("POST", "/api/v1/files/ack", body={"ids": [*ids]})
        return records


class Storages(Verbs):
    """Where files are stored, besides the server's own storage."""

    path = "/api/v1/storages"

    def all(self) -> list[Record]:
        """Return the storages in use, newest first; none has its credentials."""
        return list(self.connection.pages(self.path))

    def get(self, storage_id: str) -> Record:
        """Return a storage."""
        return self._one("GET", f"/{storage_id}")

    def create(self, url: str, credentials: Mapping[str, Any] | None = None, **options: Any) -> Record:
        """Create a storage.

        Parameters
        ----------
        url
            ``s3://bucket/path``, ``gs://bucket/path``, ``az://container/path`` or ``local:///folder``.
        options
            Any of ``signed``, ``signed_for`` (seconds) and ``default``.
        """
        return self._one("POST", "", {"url": url, "credentials": credentials, **options})

    def update(self, storage_id: str, **changes: Any) -> Record:
        """Change a storage: what :meth:`create` takes, and ``status``."""
        return self._one("PATCH", f"/{storage_id}", changes)

    def delete(self, storage_id: str) -> Record:
        """Take a storage out of use."""
        return self._one("DELETE", f"/{storage_id}")

    def test(self, storage_id: str) -> Record:
        """Try a storage out; ``tested`` has, for each step, what went wrong, or None."""
        return self._one("POST", f"/{storage_id}/test?wait=50", timeout=90.0)

    def _one(self, method: str, path: str, body: Any = None, timeout: float | None = None) -> Record:
        record: Record = self.connection.json(
            method, self.path + path, body=body, timeout=timeout, once=method == "POST"
        )
        return record


def _part(file: BinaryIO, offset: int) -> Iterator[bytes]:
    file.seek(offset)
    left = _PART_BYTES
    while left and (block := file.read(min(_BLOCK, left))):
        left -= len(block)
        yield block
