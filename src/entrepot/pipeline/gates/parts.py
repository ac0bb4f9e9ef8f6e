"""Parts: what came of uploads that broke off, kept beside a gate until somebody goes on, and for so long at most."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".parts"


def size_of(home: Path, path: Path) -> int | None:
    """Return how many bytes came of a file of a gate; None where no upload of it broke off."""
    with suppress(FileNotFoundError):
        return _part(home, path).stat().st_size
    return None


def take(home: Path, path: Path, target: Path) -> bool:
    """Move what came of a file to where it goes on; false where nothing did, or somebody else took it."""
    try:
        _part(home, path).rename(target)
    except FileNotFoundError:
        return False
    return True


def put(home: Path, path: Path, broken_off: Path) -> None:
    """Keep what came of a file, in place of what came of it before."""
    part = _part(home, path)
    part.parent.mkdir(exist_ok=True)
    broken_off.replace(part)


def drop(home: Path, path: Path) -> bool:
    """Remove what came of a file, and tell whether there was any."""
    try:
        _part(home, path).unlink()
    except FileNotFoundError:
        return False
    return True


def remove(home: Path) -> None:
    """Remove all that is kept of a gate."""
    shutil.rmtree(_folder(home), ignore_errors=True)


def usage(home: Path) -> tuple[int, int]:
    """Return how many bytes a gate's parts have, and how many they are."""
    sizes = [status.st_size for _, status in _parts(_folder(home))]
    return sum(sizes), len(sizes)


def name_under_way(home: Path, path: Path) -> str:
    """Return how the file of an upload begins that becomes a part even where its server is killed."""
    return f"{home.name}.{_part(home, path).name}."


def adopt(staging: Path, gates_dir: Path) -> None:
    """Keep, of what a killed server left in its staging folder, what can go on, and remove the rest."""
    left = (path for path in staging.iterdir() if path.is_file())
    for file in sorted(left, key=lambda path: path.stat().st_mtime):
        gate, dot, rest = file.name.partition(".")
        home = gates_dir / gate
        if dot and home.is_dir() and file.stat().st_size:
            _folder(home).mkdir(exist_ok=True)
            file.replace(_folder(home) / rest.partition(".")[0])
        else:
            file.unlink()


def sweep(gates_dir: Path, seconds: float) -> int:
    """Remove the parts that nobody has gone on with for so long, and return how many these were."""
    removed = 0
    for folder in gates_dir.glob(f".*{_SUFFIX}"):
        for part, status in _parts(folder):
            if status.st_mtime < time.time() - seconds:
                part.unlink(missing_ok=True)
                removed += 1
        with suppress(OSError):
            folder.rmdir()  # an empty one
    return removed


def _folder(home: Path) -> Path:
    return home.with_name(f".{home.name}{_SUFFIX}")


def _part(home: Path, path: Path) -> Path:
    name = path.relative_to(home).as_posix()
    return _folder(home) / hashlib.sha256(name.encode()).hexdigest()


def _parts(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            with suppress(FileNotFoundError):
                yield path, path.stat()
