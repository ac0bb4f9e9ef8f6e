"""Parts: what came of uploads that broke off, kept beside a gate until somebody goes on, and for so long at most."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from entrepot.pipeline.gates.home import Home


def name_of(path: str) -> str:
    """Return how the part of a file is called."""
    return hashlib.sha256(path.encode()).hexdigest()


def drop(home: Home, path: str) -> bool:
    """Remove what came of a file, and tell whether there was any."""
    return home.drop_part(name_of(path))


def name_under_way(home: Home, path: str) -> str:
    """Return how the file of an upload begins that becomes a part even where its server is killed."""
    return f"{home.name.rpartition('/')[2]}.{name_of(path)}."


def adopt(staging: Path, home_of: Callable[[str], Home | None]) -> None:
    """Keep, of what a killed server left in its staging folder, what can go on, and remove the rest.

    Parameters
    ----------
    home_of
        Returns the home of a gate by its id; None where it has gone.
    """
    left = (path for path in staging.iterdir() if path.is_file())
    for file in sorted(left, key=lambda path: path.stat().st_mtime):
        gate, dot, rest = file.name.partition(".")
        home = home_of(gate) if dot and file.stat().st_size else None
        if home is not None:
            home.put_part(rest.partition(".")[0], home.prepare(file))
        file.unlink(missing_ok=True)
