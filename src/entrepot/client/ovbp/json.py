"""JSON as this protocol has it: objects keep their order, and instants are naive datetimes in UTC."""

import datetime as dt
import json
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

#: How an instant is written: in UTC, with a fraction and a ``Z``. What is written otherwise stays text.
ISO_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"

_INSTANT = re.compile(r"\d{1,4}-\d{1,2}-\d{1,2}T\d{1,2}:\d{1,2}:\d{1,2}\.\d{1,6}Z", re.ASCII)


def json_dumps(o: Any, **kwargs: Any) -> str:
    """Return a value as JSON; datetimes are taken for UTC, UUIDs become text and sets become arrays."""
    return json.dumps(o, default=_plain, **kwargs)


def json_dump(obj: Any, fp: str | Path, **kwargs: Any) -> None:
    """Write a value as JSON into the file of this path."""
    Path(fp).write_text(json_dumps(obj, **kwargs), encoding="utf-8")


def json_loads(s: str | bytes, **kwargs: Any) -> Any:
    """Return the value that a JSON text says: objects as OrderedDict, instants as datetime."""
    return _with_instants(json.loads(s, object_pairs_hook=OrderedDict, **kwargs))


def json_load(fp: str | Path, **kwargs: Any) -> Any:
    """Return the value that a JSON file says, as :func:`json_loads` does."""
    return json_loads(Path(fp).read_text(encoding="utf-8"), **kwargs)


def _plain(value: object) -> Any:
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(dt.UTC)
        return value.strftime(ISO_FORMAT)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def _with_instants(value: Any) -> Any:
    if isinstance(value, str):
        return _instant(value)
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (str, dict, list)):
                value[key] = _with_instants(item)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            if isinstance(item, (str, dict, list)):
                value[place] = _with_instants(item)
    return value


def _instant(text: str) -> dt.datetime | str:
    if not _INSTANT.fullmatch(text):
        return text
    try:
        return dt.datetime.strptime(text, ISO_FORMAT)  # noqa: DTZ007 - naive, in UTC, as this protocol has it
    except ValueError:
        return text
