"""Where a worker keeps what works leave: a folder, or a bucket of an object store."""

import os
import shutil
import stat
from pathlib import Path
from typing import Any, BinaryIO

from entrepot.client.outbox import file_name


class Keeping:
    """A place for products, plots and logs.

    Parameters
    ----------
    target
        A folder, or an address such as ``s3://bucket/prefix`` (which needs ``obstore``, and its credentials in the
        environment). None: nothing is kept, and files stay where they are.
    """

    def __init__(self, target: str | None) -> None:
        self._target = target.rstrip("/") if target else None
        self._store: Any = None
        if self._target and "://" in self._target:
            from obstore.store import from_url

            self._store = from_url(self._target)

    def apply(
        self, strategy: str, files: list[str], place: tuple[str, ...], folder: Path, since: float
    ) -> tuple[list[str], list[str]]:
        """Copy, move or delete files, or let them be (``bypass``); return where they are now, and what was let be.

        Only what a run itself made is touched: regular files that lie below its folder, by a path without symbolic
        links, and were written since it began. Others are named as they were.

        Parameters
        ----------
        strategy
            ``bypass``, ``copy``, ``move`` or ``delete``.
        files
            Their paths, relative ones below `folder`.
        place
            Where they are kept: names, which become names of files whatever they are.
        folder
            Of the run.
        since
            When the run began, by the clock of the file system.
        """
        if strategy == "bypass" or (strategy != "delete" and self._target is None):
            return files, []
        now, others = [], []
        for file in dict.fromkeys(files):
            relative = made_below(folder, file, since)
            if relative is None:
                now.append(file)
                others.append(file)
                continue
            if strategy != "delete":
                key = "/".join((*map(file_name, place), *relative.parts))
                with _opened(folder / relative) as content:
                    now.append(self.keep(content, key))
            if strategy in ("delete", "move"):
                (folder / relative).unlink()
        return now, others

    @property
    def is_set(self) -> bool:
        """Whether anything is kept."""
        return self._target is not None

    def keep(self, content: BinaryIO, key: str) -> str:
        """Keep a file under a key; return where it is."""
        if self._store is not None:
            self._store.put(key, content)
            return f"{self._target}/{key}"
        assert self._target is not None
        goal = Path(self._target).absolute() / key
        goal.parent.mkdir(parents=True, exist_ok=True)
        part = goal.with_name(f".{goal.name}.part")
        with part.open("wb") as copy:
            shutil.copyfileobj(content, copy)
        part.replace(goal)
        return str(goal)


def made_below(folder: Path, file: str, since: float) -> Path | None:
    """Return the path, relative to a folder, of a regular file that was written there since then; None of all else."""
    root = folder.resolve()
    try:
        path = Path(os.path.normpath(root / file))
        # Of what was there before, of links to it, and of what lies elsewhere, nothing is the run's own.
        if not path.is_relative_to(root) or path.resolve(strict=True) != path:
            return None
        found = path.lstat()
    except (OSError, ValueError):
        return None
    own = stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_ctime >= since
    return path.relative_to(root) if own else None


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
