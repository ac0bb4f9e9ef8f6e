"""One word a thing: no word of a published client's wire outside its dialect, one way to name instants and keys."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import DateTime

from entrepot.db import Base, Instant
from entrepot.server import api
from entrepot.server.run import tables  # noqa: F401 - has every table known

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/entrepot"
#: The last are former words of commands and tables, which are understood until 1.0.
AT_HOME = (
    "server/dialects/", "client/ovbp/", "client/owi/", "client/workflow/", "client/ricloud/", "cli/old_", "client/old_",
)  # fmt: skip
#: Words of a wire that are the field's own, or common English: here they mean what they mean everywhere.
ORDINARY = frozenset({
    "acknowledge", "analysis", "creation", "delta", "deposit", "files", "freq", "ftp_account", "is_visible", "key",
    "label", "left", "notify.slack", "poll", "result", "results", "right", "sep", "session", "slug", "source",
    "source_type", "start", "state", "stop", "subscription", "task", "timestamp", "timezone", "title", "update", "user",
    "withdraw", "crontab", "dst", "buckets",
})  # fmt: skip


def wire_words() -> set[str]:
    """Return the words of the tables of dialects in the glossary."""
    found = set()
    for table in (ROOT / "docs/glossary.md").read_text().split("## The dialect of ")[1:]:
        for line in table.splitlines():
            if line.startswith("| `"):
                found |= set(re.findall(r"`([^`]+)`", line.split("|")[1]))
    return found


def test_words_of_the_wire_stay_at_its_door() -> None:
    words = wire_words() - ORDINARY
    assert len(words) > 80
    pattern = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, sorted(words, key=len, reverse=True)))})(?!\w)")
    strays = {}
    for path in sorted(SOURCE.rglob("*")):
        where = path.relative_to(SOURCE).as_posix()
        if path.suffix in (".py", ".html", ".ts") and not where.startswith(AT_HOME):
            found = set(pattern.findall(path.read_text()))
            if found:
                strays[where] = sorted(found)
    assert strays == {}


def test_what_is_called_ordinary_is_a_word_of_the_wire() -> None:
    assert wire_words() >= ORDINARY


#: What says since when, until when, or over which interval something holds; every other instant is one `…_at`.
BOUNDS = re.compile(r"(.*_)?(since|until|from|to)_?")


def _is_named_as_an_instant(name: str) -> bool:
    return name.endswith("_at") or BOUNDS.fullmatch(name) is not None


def models() -> Iterator[type[BaseModel]]:
    """Yield the models of the native interface."""
    for module in pkgutil.walk_packages(api.__path__, f"{api.__name__}."):
        for one in vars(import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, BaseModel) and one.__module__ == module.name:
                yield one


def fields() -> dict[str, Any]:
    """Return what each field of the native interface holds, by the names of its model and of itself."""
    return {f"{one.__name__}.{name}": field.annotation for one in models() for name, field in one.model_fields.items()}


def test_instants_are_named_at_in_tables() -> None:
    columns = [column for table in Base.metadata.sorted_tables for column in table.columns]
    instants = {str(column) for column in columns if isinstance(column.type, Instant | DateTime)}
    assert len(instants) > 80
    assert {name for name in instants if not _is_named_as_an_instant(name.rpartition(".")[2])} == set()


def test_instants_are_named_at_in_the_interface() -> None:
    instants = {name for name, kind in fields().items() if "datetime" in str(kind).lower()}
    assert len(instants) > 50
    assert {name for name in instants if not _is_named_as_an_instant(name.rpartition(".")[2])} == set()


def test_things_go_by_their_id_and_rows_by_their_number() -> None:
    columns = [column for table in Base.metadata.sorted_tables for column in table.columns]
    assert {str(column) for column in columns if re.fullmatch(r"(.*_)?(pk|position)", column.name)} == set()
    numbered = {str(column) for column in columns if column.name == "number" and not column.primary_key}
    assert numbered == {"idle_job.number"}, "which is that of its last job"
    named = {name for name in fields() if re.search(r"[._](pk|number|position)$", name)}
    assert named == set()
