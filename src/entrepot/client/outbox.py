"""Reports that the server has not acknowledged yet, kept on disk until it has."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_Document = dict[str, Any]


def default_folder() -> Path:
    """Return the folder of this user's reports."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "entrepot" / "reports"


def is_file_name(text: str) -> bool:
    """Tell whether a text can be the name of a file, and nothing but one."""
    return 0 < len(text) <= 100 and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def file_name(text: str) -> str:
    """Return a text that names a file: itself, or what it is known by."""
    return text if is_file_name(text) else hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


class Outbox:
    """The reports that one server is to get.

    Parameters
    ----------
    folder
        Where they are kept; only its owner can read it.
    url
        The server's address.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url

    def keep(self, work: _Document) -> Path:
        """Keep a report, through a loss of power; return its file."""
        return self._write(f"{self._name(work)}.json", {"url": self._url, "work": work})

    def keep_results(self, work: _Document, results: Any) -> Path:
        """Keep results that are too large for a report; return their file."""
        return self._write(f"{self._name(work)}.results.json", results)

    def forget(self, work: _Document) -> None:
        """Drop a report that was acknowledged."""
        (self._folder / f"{self._name(work)}.json").unlink(missing_ok=True)

    def kept(self) -> Iterator[_Document]:
        """Yield the reports that this server has not acknowledged."""
        for path in sorted(self._folder.glob("*.json")):
            if path.name.endswith(".results.json"):
                continue
            try:
                report = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            if report.get("url") == self._url:
                yield report["work"]

    def _name(self, work: _Document) -> str:
        return f"{file_name(str(work['id']))}-{int(work['attempt'])}-{file_name(self._url)[:8]}"

    def _write(self, name: str, value: Any) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / name
        part = path.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
        return path
