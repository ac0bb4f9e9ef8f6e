"""Hostile deposits: a good work with some of its fields spoilt."""

import random
from typing import Any

SITES = ["local", "chime", "", "été", "1"]
TEXTS = [
    "", "a", "reduce.night", "1", " 7 ", "1_0", "3.0", "2.5", "+4", "-1", "٣", "1e3", "0x10", "yes", "OFF", "True",
    "null", "local", "copy", "burn", "strict", "relaxed", "été", "a\nb", "\ud800", "x" * 129, "9" * 30,
]  # fmt: skip
SITES += TEXTS
NUMBERS = [0, 1, 2, 3, 5, 6, -1, -7, 1.0, 2.5, -0.0, 1e9, 1e300, 259_200, 259_201, 2**31, 2**53, 1795229848.7978415]
#: The fields of each level, with values that are at home there, or nearly so.
FIELDS: dict[str, list[Any]] = {
    "pipeline": ["p", "p-1", "été", "a b", "a_b", "", "x" * 128, "x" * 129],
    "site": SITES,
    "user": ["me", ""],
    "function": ["reduce.night", ""],
    "command": [["reduce", "--night"], [], ["a", 1], ["a", None], "reduce"],
    "parameters": [{}, {"a": [1]}, {"": None}, [["a", 1]]],
    "results": [{}, {"dm": 1.5}, [["a", 1]]],
    "products": [["a.h5"], [], [["a"]], "a.h5"],
    "plots": [["a.png"], [], [False]],
    "tags": [["a", "b"], [], ["a", 1]],
    "event": [[1, 2], [], ["1207"], [" 12 "], ["12a"], [12.0], [12.5], [True], [2**53], [2**80], 7, [None]],
    "creation": [1.5, "1.5", " 3 ", "1e3", True],
    "start": [1.5, "x"],
    "stop": [None, []],
    "attempt": [0, 1, "2", -1, 1.5],
    "status": ["created", "queued", "bogus", 1],
    "timeout": [60, "60", 0, True],
    "retries": [0, 5, 6, -3, "1", False],
    "priority": [1, 5, 0, 6, "4", 4.0, True],
    "id": [None, "a", 5],
    "config": [{}, [], "default"],
    "notify": [{}, "on-call", {"pager": {}}],
    "colour": ["red"],
}
CONFIG: dict[str, list[Any]] = {
    "archive": [{}, True, [], {"products": "move"}],
    "metrics": [True, "yes", 1, 2, "sometimes"],
    "parent": ["a", ["a"], 1],
    "orgs": [["astro"], [], "astro", [1]],
    "teams": [["a"], "night"],
    "strategy": ["strict", "relaxed", "lax", None],
    "colour": ["red"],
}
ARCHIVE: dict[str, list[Any]] = {
    "results": [True, 0, "no", 0.5],
    **{name: ["copy", "move", "delete", "bypass", "burn", 1] for name in ("products", "plots", "logs")},
    "colour": ["red"],
}
SLACK: dict[str, list[Any]] = {
    "channel_id": ["C1", 1], "member_ids": [["U1"], [], "U1", [1], 5], "message": ["done", ["done"]],
    "results": [True, "t", 3], "products": [False, ""], "plots": [None, 1.0], "blocks": [{}, [], {"a": 1}],
    "reply": [{"ok": True}, True], "urgent": [True],
}  # fmt: skip


def document(source: random.Random) -> dict[str, Any]:
    """Return a work with one to four fields changed, at any level."""
    work: dict[str, Any] = {"pipeline": "p", "site": "local", "user": "me", "creation": 1795229848.5}
    for _ in range(source.randint(1, 4)):
        level = source.choice(["work", "work", "work", "config", "archive", "slack"])
        if level == "work":
            _change(source, work, FIELDS)
        elif level == "slack":
            _change(source, _within(work, "notify", "slack"), SLACK)
        else:
            place = _within(work, "config") if level == "config" else _within(work, "config", "archive")
            _change(source, place, CONFIG if level == "config" else ARCHIVE)
    return work


def _within(place: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        if not isinstance(place.get(name), dict):
            place[name] = {}
        place = place[name]
    return place


def _change(source: random.Random, place: dict[str, Any], fields: dict[str, list[Any]]) -> None:
    name = source.choice(list(fields))
    kind = source.random()
    if kind < 0.05:
        place.pop(name, None)
    else:
        place[name] = source.choice(fields[name]) if kind < 0.65 else _any(source, 2)


def _any(source: random.Random, depth: int) -> Any:
    kind = source.randint(0, 5 if depth else 3)
    if kind == 4:
        return [_any(source, depth - 1) for _ in range(source.randint(0, 2))]
    if kind == 5:
        return {source.choice(TEXTS): _any(source, depth - 1) for _ in range(source.randint(0, 2))}
    return source.choice([source.choice(TEXTS), source.choice(NUMBERS), source.choice([None, True, False])])
