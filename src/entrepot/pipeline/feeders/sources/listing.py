"""Listings of folders as web servers show them: nginx's JSON, and the links of any page."""

import contextlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from entrepot.bounds.text import read_json
from entrepot.errors import TooLarge
from entrepot.pipeline.feeders.sources.base import MOST_ENTRIES, Remote, Unreachable


def parse_listing(content: bytes, content_type: str, url: str, folder: str) -> tuple[list[Remote], list[str]]:
    """Return the files and the folders directly in a folder; their paths are below the source's address.

    Parameters
    ----------
    url
        Where the listing came from; links that lead elsewhere are left out.
    folder
        The path of the folder.
    """
    prefix = f"{folder}/" if folder else ""
    if "json" in content_type:
        return _of_json(content, prefix)
    links = _Links(url)
    links.feed(content.decode(errors="replace"))
    files, folders = [], []
    for name, text in links.found.items():
        if name.endswith("/"):
            folders.append(prefix + name[:-1])
        else:
            words = text.split()
            size = int(words[-1]) if words and words[-1].isascii() and words[-1].isdigit() else None
            files.append(Remote(prefix + name, size, " ".join(words) or None))
    return files, folders


def _of_json(content: bytes, prefix: str) -> tuple[list[Remote], list[str]]:
    try:
        entries = read_json(content)
        named = [(entry["name"], entry) for entry in entries if is_name(entry["name"])]
    except (ValueError, TypeError, KeyError, TooLarge):
        raise Unreachable("The listing is no list of names.") from None
    files = [_file(prefix + name, entry) for name, entry in named if entry.get("type", "file") == "file"]
    return files, [prefix + name for name, entry in named if entry.get("type") == "directory"]


def _file(path: str, entry: dict[str, Any]) -> Remote:
    size, changed = entry.get("size"), entry.get("mtime")
    version = f"{size} {changed}" if changed is not None else None
    return Remote(path, size if isinstance(size, int) else None, version, instant(str(changed)))


def is_name(name: Any) -> bool:
    """Tell whether this is the name of one file or folder."""
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and name.isprintable()


def instant(text: str | None) -> datetime | None:
    """Return the instant that a date of HTTP names; None where it is none."""
    with contextlib.suppress(ValueError, TypeError):
        return parsedate_to_datetime(text or "").astimezone(UTC)
    return None


class _Links(HTMLParser):
    """The links of a page to what lies directly below it, each with the text behind it: date and size, usually."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._name: str | None = None
        self._inside = False
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take up a link."""
        if tag != "a":
            return
        self._inside, self._name = True, None
        with contextlib.suppress(ValueError):
            target = urlsplit(urljoin(self._url, dict(attrs).get("href") or ""))
            base = urlsplit(self._url)
            folder = base.path.rpartition("/")[0] + "/"
            rest = target.path.removeprefix(folder) if target.path.startswith(folder) else ""
            name = unquote(rest.removesuffix("/"))
            if len(self.found) > MOST_ENTRIES:
                return
            if target[:2] == base[:2] and not target.query and is_name(name):
                self._name = name + "/" * rest.endswith("/")
                self.found.setdefault(self._name, "")

    def handle_endtag(self, tag: str) -> None:
        """Listen to what follows a link."""
        if tag == "a":
            self._inside = False

    def handle_data(self, data: str) -> None:
        """Take up text behind a link."""
        if self._name is not None and not self._inside:
            self.found[self._name] += data
