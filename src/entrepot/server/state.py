"""What a running server says about itself, in files of its data folder's ``run``."""

from collections.abc import Mapping
from pathlib import Path

import orjson

FOLDER = "run"
_PARTS = "parts.json"
_SERVE = "serve.json"


def write_parts(data_dir: Path, parts: Mapping[str, bool]) -> None:
    """Write which parts are ready."""
    _write(data_dir / FOLDER / _PARTS, dict(parts))


def parts_down(data_dir: Path) -> list[str]:
    """Return the names of the parts that are not ready; none when nothing supervises this server."""
    try:
        parts = orjson.loads((data_dir / FOLDER / _PARTS).read_bytes())
    except FileNotFoundError:
        return []
    return [name for name, ready in parts.items() if not ready]


def announce(data_dir: Path, pid: int, http_port: int, ftp_port: int | None) -> None:
    """Write where the server listens, once it is ready."""
    _write(data_dir / FOLDER / _SERVE, {"pid": pid, "http_port": http_port, "ftp_port": ftp_port})


def ftp_port(data_dir: Path) -> int:
    """Return the port that the running FTP server listens on; 0 when none does."""
    try:
        return int(orjson.loads((data_dir / FOLDER / _SERVE).read_bytes())["ftp_port"] or 0)
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
