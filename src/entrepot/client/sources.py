"""Functions as scripts: their source, with the imports, constants and functions of their module that they use."""

import ast
import builtins
import inspect
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from entrepot.client.errors import NotTaken

Script = Callable[..., Any] | Path | str


def text_of(**functions: Script | None) -> str:
    """Return the script that has functions under the given names.

    Parameters
    ----------
    functions
        By the name under which the server calls it: a function, whose source is taken with what it uses of its module
        (imports, constants that can be written down, other functions); a :class:`~pathlib.Path`, whose text is taken;
        or a text. None counts as not given.

    Raises
    ------
    NotTaken
        Names what a function uses and cannot be taken along.
    """
    given = {name: script for name, script in functions.items() if script is not None}
    parts: dict[str, str] = {}
    for name, script in given.items():
        if isinstance(script, Path):
            parts[f"{name} file"] = script.read_text(encoding="utf-8")
        elif isinstance(script, str):
            parts[f"{name} text"] = script
        else:
            _take(script, parts)
            if script.__name__ != name:
                parts[f"{name} ="] = f"{name} = {script.__name__}\n"
    imports = [text for key, text in parts.items() if key.startswith("import ")]
    others = [text for key, text in parts.items() if not key.startswith("import ")]
    return "\n".join(["".join(sorted(set(imports))), *others]).lstrip("\n")


def _take(function: Callable[..., Any], parts: dict[str, str]) -> None:
    key = f"def {function.__name__}"
    if key in parts:
        return
    if function.__name__ == "<lambda>":
        raise NotTaken("A lambda has no name: write a function with `def`.")
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError) as error:
        raise NotTaken(f"The source of {function.__name__} is not at hand: give its text, or a file.") from error
    parts[key] = ""  # it may call itself, or be called by what it calls
    for name in _used(tree):
        _take_name(name, function, parts)
    del parts[key]
    parts[key] = source


def _used(tree: ast.Module) -> list[str]:
    """Return the names that a function takes from outside of itself, in order."""
    loaded: dict[str, None] = {}
    own: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                loaded[node.id] = None
            else:
                own.add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            own.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            own.add(node.name)
    return [name for name in loaded if name not in own and not hasattr(builtins, name)]


def _take_name(name: str, function: Callable[..., Any], parts: dict[str, str]) -> None:
    outside = inspect.getclosurevars(function)
    found = {**outside.globals, **outside.nonlocals, **_globals(function)}
    if name not in found:
        return  # it is not defined yet, and may never be asked for
    value = found[name]
    module = getattr(value, "__module__", None)
    if isinstance(value, types.ModuleType):
        path = value.__name__
        parts[f"import {name}"] = f"import {path}\n" if path == name else f"import {path} as {name}\n"
    elif isinstance(value, types.FunctionType | type) and module == function.__module__:
        _take(value, parts)
    elif module and module != "__main__" and hasattr(value, "__qualname__") and "." not in value.__qualname__:
        real = value.__qualname__
        parts[f"import {name}"] = f"from {module} import {real}" + ("\n" if real == name else f" as {name}\n")
    else:
        written = repr(value)
        try:
            same = ast.literal_eval(written) == value
        except (ValueError, SyntaxError):
            same = False
        if not same:
            raise NotTaken(
                f"{function.__name__} uses {name}, a {type(value).__name__}, which cannot be taken along: "
                "make it inside of the function."
            )
        parts[f"{name} ="] = f"{name} = {written}\n"


def _globals(function: Callable[..., Any]) -> dict[str, Any]:
    return getattr(inspect.unwrap(function), "__globals__", {})
