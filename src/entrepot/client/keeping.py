"""Where a worker keeps what works leave: a folder, or a bucket of an object store."""

import shutil
from pathlib import Path
from typing import Any


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

    def apply(self, strategy: str, files: list[str], folder: str, cwd: Path) -> list[str]:
        """Copy, move or delete files, or let them be (``bypass``), and return where they are now.

        Parameters
        ----------
        files
            Their paths, relative ones below `cwd`.
        folder
            Where in the place they go.

        Raises
        ------
        FileNotFoundError
            One does not exist.
        """
        paths = [cwd / file for file in files]
        if strategy == "delete":
            for path in paths:
                path.unlink()
            return []
        if strategy == "bypass" or self._target is None:
            return files
        kept = [self._keep(path, f"{folder}/{path.name}") for path in paths]
        if strategy == "move":
            for path in paths:
                path.unlink()
        return kept

    def _keep(self, path: Path, key: str) -> str:
        if self._store is not None:
            with path.open("rb") as content:
                self._store.put(key, content)
            return f"{self._target}/{key}"
        assert self._target is not None
        goal = Path(self._target).absolute() / key
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, goal)
        return str(goal)
