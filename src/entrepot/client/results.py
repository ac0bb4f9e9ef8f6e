"""What a function returned, as JSON can hold it: nothing of it is lost, and what is changed is noted."""

import json
import math
from typing import Any

#: Most paths that are noted of numbers that JSON lacks.
MAX_NOTED = 1000


def jsonable(value: Any) -> tuple[Any, list[str]]:
    """Return a value without NaN and infinities, null in their place, and the paths of these, such as ``flux.1``.

    Arrays and numbers of NumPy become lists and numbers, dates text.

    Raises
    ------
    TypeError
        It holds something that JSON has no word for.
    """
    noted: list[str] = []

    def walk(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, float):
            if math.isfinite(value):
                return float(value)
            noted.append(".".join(path))
            return None
        if value is None or isinstance(value, bool | str | int):
            return value
        if isinstance(value, dict):
            return {_key(name): walk(item, (*path, _key(name))) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [walk(item, (*path, str(index))) for index, item in enumerate(value)]
        for method in ("tolist", "isoformat"):
            if callable(convert := getattr(value, method, None)):
                return walk(convert(), path)
        place = f" at {'.'.join(path)}" if path else ""
        raise TypeError(f"{type(value).__name__}{place} is nothing that JSON has a word for")

    return walk(value, ()), noted


def _key(name: Any) -> str:
    return name if isinstance(name, str) else json.dumps(name)
