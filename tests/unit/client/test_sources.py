"""Functions become scripts that do the same elsewhere."""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import mean as average
from typing import Any

import numpy as np
import pytest

from entrepot.client.errors import NotTaken
from entrepot.client.sources import text_of

LIMITS: dict[str, Any] = {"least": 0.0, "most": [25.0, None]}
OPEN = open(__file__)  # noqa: SIM115, PTH123 - something that cannot be written down
OPEN.close()


def half(value: float) -> float:
    return value / 2


def again(value: float, depth: int = 0) -> float:
    return half(value) if depth else again(value, 1)


def analyze(values: list[float], **tools: Any) -> float:
    """Use a module, a module by another name, a function of one, a constant and functions beside it."""
    least = LIMITS["least"]
    kept = [again(value) for value in values if value > least and not math.isnan(value)]
    return float(np.float64(average(kept)))


def reads_a_file() -> str:
    return OPEN.read()


def made(script: str, name: str) -> Callable[..., Any]:
    names: dict[str, Any] = {}
    exec(script, names)
    return names[name]


def test_a_function_does_elsewhere_what_it_does_here() -> None:
    values = [1.0, 3.0, -7.0, float("nan")]
    assert made(text_of(analyze=analyze), "analyze")(values) == analyze(values) == 1.0


def test_it_may_have_another_name_here() -> None:
    script = text_of(parse=half, rows=analyze)
    assert made(script, "parse")(4) == 2
    assert made(script, "rows")([4.0]) == 2
    assert script.count("def half") == 1


def test_a_local_function_takes_what_surrounds_it_along() -> None:
    factor = 3

    def times(value: float) -> float:
        return value * factor

    assert made(text_of(fct=times), "fct")(2) == 6


def test_files_and_texts_are_taken_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "parse.py"
    file.write_text("def parse(content, path): return 'é'\n")
    assert text_of(parse=file) == file.read_text()
    assert text_of(parse="def parse(): return 1\n", rows=None) == "def parse(): return 1\n"


@pytest.mark.parametrize(("function", "named"), [(reads_a_file, "OPEN"), (lambda value: value, "def"), (len, "len")])
def test_what_cannot_be_taken_along_is_named(function: Any, named: str) -> None:
    with pytest.raises(NotTaken, match=named):
        text_of(fct=function)
