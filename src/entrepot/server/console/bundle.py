"""What the build made of `frontend/`: scripts and styles, each under a name that says its content."""

import gzip
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import orjson

STATIC = "/console/static"
_FOLDER = files("entrepot.server.console") / "static"


@cache
def addresses() -> Mapping[str, str]:
    """Return the addresses of scripts and styles by name (``console.js``); none where they were not built."""
    manifest = _FOLDER / "manifest.json"
    built: dict[str, str] = orjson.loads(manifest.read_bytes()) if manifest.is_file() else {}
    return {name: f"{STATIC}/{file}" for name, file in built.items()}


@cache
def content(name: str) -> tuple[bytes, bytes]:
    """Return a file that there is, plain and packed by gzip."""
    plain = (_FOLDER / name).read_bytes()
    return plain, gzip.compress(plain, 9, mtime=0)
