"""What runs a work's function, in a process of its own: ``python -m entrepot.client.call WORK OUTCOME``.

The function is a dotted name. It gets the work's parameters and returns its results, or ``(results, products,
plots)``, or None. What it returned, or why it failed, is written as JSON to the file ``OUTCOME``.
"""

import importlib
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from entrepot.client.results import jsonable


def find(name: str) -> Callable[..., Any]:
    """Return a function by its dotted name.

    Raises
    ------
    ImportError
        There is no such module, or it has no such function.
    """
    module, _, attribute = name.rpartition(".")
    if not module:
        raise ImportError(f"{name!r} is not the dotted name of a function")
    function = getattr(importlib.import_module(module), attribute, None)
    if callable(function):
        return function  # type: ignore[no-any-return]
    raise ImportError(f"module {module!r} has no function {attribute!r}")


def outcome_of(returned: Any) -> dict[str, Any]:
    """Return results, products and plots of what a function returned.

    Raises
    ------
    TypeError
        It is none of what a function may return.
    """
    results, products, plots = (
        returned if isinstance(returned, tuple) and len(returned) == 3 else (returned, None, None)
    )
    if not isinstance(results, dict | None):
        raise TypeError(f"a work's function returns a dictionary of results, not {type(results).__name__}")
    paths = [None if files is None else [str(file) for file in files] for files in (products, plots)]
    return {"results": results, "products": paths[0], "plots": paths[1]}


def main(work: Path, outcome: Path) -> int:
    """Run the function of the work in a file; return the exit code."""
    document = json.loads(work.read_text())
    try:
        returned = find(document["function"])(**(document["parameters"] or {}))
        made = outcome_of(returned)
        made["results"], made["not_finite"] = jsonable(made["results"])
        outcome.write_text(json.dumps(made))
    except BaseException as error:  # noqa: BLE001 - a function that exits has failed too
        outcome.write_text(json.dumps({"error": "".join(traceback.format_exception_only(error)).strip()}))
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
