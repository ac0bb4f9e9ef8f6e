"""What is looked up by its primary key is asked for by that, and by no other name of it."""

import re
from pathlib import Path

from entrepot.db import Base
from entrepot.server.run import tables  # noqa: F401 - every table

SOURCES = Path(__file__).parents[2] / "src" / "entrepot"


def test_what_has_a_number_is_not_got_by_an_id() -> None:
    keys = {one.class_.__name__: [key.name for key in one.primary_key] for one in Base.registry.mappers}
    numbered = {name for name, key in keys.items() if key == ["number"]}
    assert len(numbered) > 20
    wrong = []
    for path in SOURCES.rglob("*.py"):
        asked = re.findall(r"session\.get(?:_one)?\((?:\w+\.)?([A-Z]\w+), ([\w.]+)", path.read_text())
        wrong += [(path.name, *one) for one in asked if one[0] in numbered and re.search(r"(^|_|\.)id$", one[1])]
    assert wrong == []
