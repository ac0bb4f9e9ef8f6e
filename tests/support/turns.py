"""Tests of what no database decides: each runs on one of them, and they take turns.

Of the cases of a test that is marked ``pairs``, of all tests of a module that is marked ``turns`` or lies in one of the
`ROOMS`, and of the modules of published clients and of the browser: those spend their time in clients and servers of
their own, and fill a server for all of their tests.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from pathlib import Path

import pytest

_DATABASES = ("sqlite", "postgresql")
#: Which database begins; ``both`` leaves nothing out.
TURNS = ("one", "other", "both")
_TESTS = Path(__file__).parents[1]
_CLIENTS = (_TESTS / "conformance", _TESTS / "browser")
ROOMS = tuple(_TESTS / "integration" / one for one in ("feeders", "pipeline", "server/ovbp"))


def left_out(items: Iterable[pytest.Item], turn: str) -> list[pytest.Item]:
    """Return which of the tests it is another database's turn to run."""
    if turn == "both":
        return []
    first = TURNS.index(turn)
    cases: dict[Hashable, dict[Hashable, dict[str, list[pytest.Item]]]] = defaultdict(lambda: defaultdict(dict))
    for item in items:
        if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
            continue
        names = {value for value in item.callspec.params.values() if isinstance(value, str)}
        database = next(iter(names.intersection(_DATABASES)), None)
        if database and (place := _place(item, item.callspec.id.replace(database, "", 1))):
            of_one, case = place
            cases[of_one][case].setdefault(database, []).append(item)
    return [
        item
        for of_one in cases.values()
        if len(of_one) > 1
        for number, by_database in enumerate(of_one.values())
        if len(by_database) > 1
        for item in by_database[_DATABASES[(first + number + 1) % 2]]
    ]


def _place(item: pytest.Item, case: str) -> tuple[Hashable, Hashable] | None:
    """Return what takes turns, and which of it the test is; None where it runs on every database."""
    if folder := next((one for one in _CLIENTS if one in item.path.parents), None):
        return folder, item.path
    if item.get_closest_marker("turns") or any(room in item.path.parents for room in ROOMS):
        return item.path, (item.name.partition("[")[0], case)
    if item.get_closest_marker("pairs"):
        return (item.path, item.name.partition("[")[0]), case
    return None
