"""What a running server says about itself, in files of its data folder's ``run``."""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import orjson

FOLDER = "run"
_PARTS = "parts.json"
_HANG_SECONDS = 15.0
_SERVE = "serve.json"


def write_parts(data_dir: Path, parts: Mapping[str, bool]) -> None:
    """Write which parts are ready."""
    _write(data_dir / FOLDER / _PARTS, dict(parts))
    touch_parts(data_dir)


def touch_parts(data_dir: Path) -> None:
    """Say that the supervisor lives, for which no space on the disk is needed."""
    instant = time.monotonic_ns()  # no silence begins or ends because the calendar's clock was set
    with contextlib.suppress(FileNotFoundError):
        os.utime(data_dir / FOLDER / _PARTS, ns=(instant, instant))


def parts_down(data_dir: Path) -> list[str]:
    """Return the names of the parts that are not ready; none when nothing supervises this server."""
    file = data_dir / FOLDER / _PARTS
    try:
        parts = orjson.loads(file.read_bytes())
        hangs = time.monotonic() - file.stat().st_mtime > _HANG_SECONDS
    except FileNotFoundError:
        return []
    return [*(["supervisor"] if hangs else []), *(name for name, ready in parts.items() if not ready)]


def announce(data_dir: Path, pid: int, http_port: int, ftp_port: int | None) -> None:
    """Write where the server listens, once it is ready."""
    _write(data_dir / FOLDER / _SERVE, {"pid": pid, "http_port": http_port, "ftp_port": ftp_port})


def ftp_port(data_dir: Path) -> int:
    """Return the port that the running FTP server listens on; 0 when none does."""
    return _port(data_dir, "ftp_port")


def http_port(data_dir: Path) -> int:
    """Return the port that the running web server listens on; 0 when none does."""
    return _port(data_dir, "http_port")


def _port(data_dir: Path, name: str) -> int:
    try:
        return int(orjson.loads((data_dir / FOLDER / _SERVE).read_bytes())[name] or 0)
    except FileNotFoundError:
        return 0


def clear(data_dir: Path) -> None:
    """Remove what a server wrote, at its end or before the next one's start."""
    for name in (_PARTS, _SERVE):
        (data_dir / FOLDER / name).unlink(missing_ok=True)


def _write(path: Path, value: object) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(orjson.dumps(value))
    new.replace(path)
