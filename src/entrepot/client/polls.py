"""A worker that serves polls: what others ask for through the ricloud door is fetched, published and reported."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from entrepot.client._http import Connection
from entrepot.client.files import Files
from entrepot.client.worker import Worker

#: The pipeline of the works by which polls are fulfilled.
PIPELINE = "ricloud-poll"
#: The variable that names the folder of :func:`from_folder`.
FOLDER = "ENTREPOT_POLLS_FOLDER"
_BLOCK = 1 << 20
_STATES = ["available", "consumed", "expired"]

_Document = dict[str, Any]
Outcome = tuple[_Document, list[str], None]


class PollWorker(Worker):
    """Does the works of polls: the files that a work's function returns as products become the poll's results.

    The function gets ``poll``, ``task``, ``source`` (``type``, ``identifier`` and ``parent``, or None) and ``payload``,
    and returns ``results, products, None``. A file's identifier is its name without the last suffix. Where the results
    have ``sources``, a list of objects with ``type`` and ``identifier``, these become parts of the source.

    Parameters
    ----------
    connection
        To the server.
    function
        Dotted name of the function.
    types
        Only polls of sources of these types; none: all polls.
    tell
        Called with a line for the user, now and then.
    """

    def __init__(
        self,
        connection: Connection,
        function: str,
        types: Iterable[str] = (),
        *,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        wanted = list(types)
        query: _Document = {"pipeline": PIPELINE, **({"tags": {"$in": wanted}} if wanted else {})}
        super().__init__(connection, query, function=function, tell=tell)
        self._files = Files(connection)

    def _merged(self, work: _Document, outcome: _Document, *run: Any) -> _Document:
        products = [Path(file) for name in ("products", "plots") for file in outcome[name] or []]
        published = list(self._publish(work["parameters"]["task"], products))
        results = {**(outcome["results"] or {}), "published": published}
        return super()._merged(work, {**outcome, "results": results, "products": None, "plots": None}, *run)

    def _publish(self, task: str, files: Iterable[Path]) -> Iterator[str]:
        """Publish files as results of a task, and yield their ids; those that an earlier attempt published stay."""
        known = {(one["identifier"], one["sha256"]): str(one["id"]) for one in self._of(task)}
        for file in files:
            identifier = file.stem or file.name
            found = known.get((identifier, _sha256(file)))
            yield found or str(self._files.publish(file, identifier=identifier, step=task)["id"])

    def _of(self, task: str) -> Iterator[_Document]:
        return self._files.find(step=task, status=_STATES)


def from_folder(source: Mapping[str, Any] | None, payload: Mapping[str, Any], **_asked: Any) -> Outcome:
    """Fetch from the folder that the variable ``ENTREPOT_POLLS_FOLDER`` names, which has one of each source.

    A source's files lie in ``<type>/<identifier>``; folders in there are parts of it. What a poll asks for, by
    ``data_types``, ``info_types`` or ``files``, are names of files without their last suffix; ``*`` or nothing is all.

    Raises
    ------
    LookupError
        There is no such source, or it has no such file.
    """
    if source is None:
        raise LookupError("The poll names no source.")
    root = Path(os.environ[FOLDER]).resolve(strict=True)
    parent = source.get("parent")
    path = [*([parent["type"], parent["identifier"]] if parent else [source["type"]]), source["identifier"]]
    folder = root.joinpath(*path)
    if not all(map(_is_name, path)) or not folder.is_dir() or folder.resolve() != folder:
        raise LookupError(f"There is no source {'/'.join(path)}.")
    found = [file for file in sorted(folder.iterdir()) if file.is_file() and not file.is_symlink()]
    names = [name for kind in ("data_types", "info_types", "files") for name in payload.get(kind) or []]
    missing = [str(name) for name in names if name != "*" and name not in {file.stem for file in found}]
    if missing:
        raise LookupError(f"There is no {', '.join(missing)} of {source['identifier']}.")
    files = [str(file) for file in found if not names or "*" in names or file.stem in names]
    parts = [] if parent else [one.name for one in sorted(folder.iterdir()) if one.is_dir() and not one.is_symlink()]
    return {"sources": [{"type": f"{source['type']}.part", "identifier": name} for name in parts]}, files, None


def _is_name(text: str) -> bool:
    return bool(text) and "/" not in text and "\0" not in text and not text.startswith(".")


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
