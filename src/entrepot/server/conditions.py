"""Conditions and ranges of a download, as RFC 9110 (13 and 14) has them."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote

_TAG = re.compile(r'(W/)?("[^"]*")')
_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


def failed(headers: Mapping[str, str], etag: str, modified: datetime) -> int | None:
    """Return the status of an answer to a GET or HEAD whose conditions do not hold: 304 or 412; None where they do.

    Parameters
    ----------
    headers
        The request's.
    etag, modified
        The strong entity tag of what is asked for, and since when it is as it is.
    """
    if (wanted := headers.get("if-match")) is not None:
        if wanted.strip() != "*" and etag not in _tags(wanted, weak=False):
            return 412
    elif (since := _date(headers.get("if-unmodified-since"))) is not None and _seconds(modified) > since:
        return 412
    if (known := headers.get("if-none-match")) is not None:
        return 304 if known.strip() == "*" or etag in _tags(known, weak=True) else None
    since = _date(headers.get("if-modified-since"))
    return 304 if since is not None and _seconds(modified) <= since else None


def part(headers: Mapping[str, str], size: int, etag: str, modified: datetime) -> tuple[int, int] | None:
    """Return the bytes ``[start, stop)`` that are asked for; None: all of them.

    What cannot be understood, several ranges, and parts of what has changed since, are answered with the whole.

    Raises
    ------
    ValueError
        There are no such bytes.
    """
    found = _RANGE.fullmatch(headers.get("range", "").strip())
    condition = headers.get("if-range")
    if found is None or (condition is not None and not _is_same(condition.strip(), etag, modified)):
        return None
    first, last = found.groups()
    if first:
        if last and int(last) < int(first):
            return None
        start, stop = int(first), min(size, int(last) + 1 if last else size)
    elif last:
        start, stop = max(0, size - int(last)), size
    else:
        return None
    if start >= stop:
        raise ValueError("there are no such bytes")
    return start, stop


def http_date(instant: datetime) -> str:
    """Return an instant as headers have it."""
    return format_datetime(instant.astimezone(UTC), usegmt=True)


def attachment(name: str) -> str:
    """Return a Content-Disposition under which any client saves a file: its name, and one in ASCII for the others."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    plain = re.sub(r"[^ !#$&\'()+,\-.0-9;=@A-Z\[\]^_`a-z{}~]", "_", bare) or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _is_same(condition: str, etag: str, modified: datetime) -> bool:
    if '"' in condition:
        return condition == etag
    return _date(condition) == _seconds(modified)


def _tags(text: str, *, weak: bool) -> set[str]:
    """Return the tags of a list; weak ones only where it does not matter that they are."""
    return {tag for mark, tag in _TAG.findall(text) if weak or not mark}


def _date(text: str | None) -> int | None:
    try:
        return None if text is None else _seconds(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None  # what is no date is no condition


def _seconds(instant: datetime) -> int:
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return int(aware.timestamp())
