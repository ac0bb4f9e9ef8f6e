"""What happens in the child: the user's code is compiled, called, and its result put into form."""

import ast
import contextlib
import functools
import importlib
import json
import linecache
import os
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import frames, mistakes, old_pandas, trial, wire
from .confine import loosen
from .content import FileContent
from .errors import Kind
from .wire import Buffer

_MODULE = "__script__"
_TRACEBACK = 32 * 1024
_MESSAGE = 2000
# An expression has no place for an import.
_FOR_EXPRESSIONS = {"np": "numpy", "pd": "pandas", "math": "math"}


class _Failure(Exception):
    """The call failed in a way that is fully described."""

    def __init__(self, kind: Kind, message: str, text: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.text = kind, message, text


def evaluate(header: Mapping[str, Any], buffers: Sequence[memoryview]) -> list[Buffer]:
    """Do what a request asks for; return the message of its result, or of its failure."""
    message, _ = _answer(lambda: _call(header, _program(header), header["arguments"], buffers), header["limit"])
    return message


def evaluate_several(header: Mapping[str, Any], buffers: Sequence[memoryview]) -> Iterator[list[Buffer]]:
    """Do what a request asks for with several lists of arguments, one after the other; yield the messages.

    The script is run anew for each, so that its names are each call's own. The first call that fails is the last, as is
    one that leaves behind what the next would find, and one at whose end the time is up.
    """
    until, surroundings = time.monotonic() + header["seconds"], _Surroundings()
    program = functools.cache(lambda: _program(header))

    def call(arguments: Sequence[Mapping[str, Any]]) -> list[Buffer]:
        return _call(header, program(), arguments, buffers)

    size = 0
    for arguments in header["several"]:
        message, well = _answer(functools.partial(call, arguments), header["limit"])
        yield message
        size += sum(len(part) for part in message)
        if not well or size > header["limit"] or time.monotonic() > until or surroundings.differ():
            return


class _Surroundings:
    """What a call may leave behind for another one in the same process: files, variables, threads, processes."""

    def __init__(self) -> None:
        self._folder, self._variables, self._threads = Path.cwd(), dict(os.environ), threading.active_count()

    def differ(self) -> bool:
        """Tell whether there is something that was not there before."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return True
        try:
            moved = Path.cwd() != self._folder or any(self._folder.iterdir())
        except OSError:
            return True
        return moved or os.environ != self._variables or threading.active_count() != self._threads


def _answer(call: Callable[[], list[Buffer]], limit: int) -> tuple[list[Buffer], bool]:
    """Return the message of a call's result, or of its failure, and whether it went well."""
    try:
        message = call()
        size = sum(len(part) for part in message)
        if size <= limit:
            return message, True
        failure = _Failure("result", f"the result has {size} bytes, more than the {limit} allowed")
    except _Failure as raised:
        failure = raised
    except frames.BadResult as error:
        failure = _Failure("result", str(error))
    except MemoryError:
        failure = _Failure("memory", "the result needs more memory than is allowed")
    return _failed(failure), False


def _call(
    header: Mapping[str, Any],
    program: "_Program",
    described: Sequence[Mapping[str, Any]],
    buffers: Sequence[memoryview],
) -> list[Buffer]:
    """Run the script, call its function, and return the message of the result."""
    filename, name = header["filename"], header["function"]
    function = program()
    arguments = [_argument(each, buffers) for each in described]
    content = next((each for each in arguments if isinstance(each, FileContent)), None)
    if header["each"]:
        result = _each(function, arguments[0], name, filename)
    else:
        result = _guarded(lambda: function(*arguments), filename, content=content)
    return _describe(result, header["expects"], name, content)


def _failed(failure: _Failure) -> list[Buffer]:
    return _pack({"error": failure.kind, "message": failure.message[:_MESSAGE], "traceback": failure.text[:_TRACEBACK]})


def _pack(header: Mapping[str, Any], buffers: Sequence[Buffer] = ()) -> list[Buffer]:
    noted = old_pandas.noted()
    return wire.pack({**header, "notes": noted} if noted else header, buffers)


def _argument(described: Mapping[str, Any], buffers: Sequence[memoryview]) -> Any:
    if described["kind"] == "json":
        return described["value"]
    buffer = buffers[described["buffer"]]
    match described["kind"]:
        case "content":
            return FileContent(bytes(buffer))
        case "values":
            return frames.values_from_ipc(buffer, "float64").tolist()
        case "series":
            series = frames.frame_from_ipc(buffer).iloc[:, 0]
            series.name = described["name"]
            return series
        case _:
            return frames.frame_from_ipc(buffer)


# ------------------------------------------------------------------------------------------------ the user's code


_Program = Callable[[], Callable[..., Any]]


def _program(header: Mapping[str, Any]) -> _Program:
    """Compile the script; return what runs it, and returns the function that it defines, or is."""
    source, filename, variable = header["source"], header["filename"], header["variable"]
    old_pandas.install(source, filename)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    try:
        expression = variable and _expression(source, variable, filename)
        code = expression or compile(old_pandas.rewritten(source, filename), filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _Failure("syntax", _syntax(error), _shown(error, filename)) from None
    return lambda: _function(code, header["function"], filename, variable, expression=bool(expression))


def _function(
    code: types.CodeType, name: str, filename: str, variable: str | None, *, expression: bool
) -> Callable[..., Any]:
    """Run a script as a module of its own; return the function that it defines, or is."""
    module = types.ModuleType(_MODULE)
    module.__file__ = filename
    sys.modules[_MODULE] = module
    namespace = vars(module)
    namespace[old_pandas.NAME] = old_pandas.parts
    if expression:
        namespace.update({short: importlib.import_module(long) for short, long in _FOR_EXPRESSIONS.items()})
        function: Callable[..., Any] = _guarded(lambda: eval(code, namespace), filename)  # noqa: S307
        return function
    _guarded(lambda: exec(code, namespace), filename)  # noqa: S102
    if callable(found := namespace.get(name)):
        return found  # type: ignore[no-any-return]
    if variable:
        own = {id(f): f for f in namespace.values() if isinstance(f, types.FunctionType)}
        own = {key: f for key, f in own.items() if f.__code__.co_filename == filename}
        if len(own) == 1:
            return own.popitem()[1]
    raise _Failure("syntax", f"the script defines no function {name}()")


def _expression(source: str, variable: str, filename: str) -> types.CodeType | None:
    """Return the code that gives the function which an expression stands for; None if the text is no expression."""
    try:
        tree = ast.parse(source.strip(), filename, mode="eval")
    except SyntaxError:
        return None
    if not isinstance(tree.body, ast.Lambda):
        body = tree.body
        tree = ast.parse(f"lambda {variable}: None", filename, mode="eval")
        assert isinstance(tree.body, ast.Lambda)
        tree.body.body = body
    return compile(tree, filename, "eval", dont_inherit=True)


def _guarded(
    call: Callable[[], Any], filename: str, where: Callable[[], str] = str, content: bytes | None = None
) -> Any:
    """Call the user's code; whatever it raises is a failure of the script, told after `where`."""
    try:
        return call()
    except MemoryError as error:
        loosen()
        message = f"{where()}the script needed more memory than is allowed"
        raise _Failure("memory", message, _shown(error, filename)) from None
    except SystemExit as error:
        message = f"{where()}the script called exit({'' if error.code is None else repr(error.code)})"
        raise _Failure("raised", message, _shown(error, filename)) from None
    except BaseException as error:  # noqa: BLE001 - KeyboardInterrupt and the like are the script's own doing here
        said = _last_line(error)
        message = where() + said + old_pandas.hint(said) + mistakes.raised(error, filename, content)
        raise _Failure("raised", message, _shown(error, filename)) from None


def _each(function: Callable[[Any], Any], values: Sequence[float], name: str, filename: str) -> list[tuple[float, Any]]:
    """Call `function` for each value; vectors would not mean the same in ``if value > 3``."""
    results: list[tuple[float, Any]] = []

    def all_of_them() -> None:
        for value in values:
            results.append((value, function(value)))  # noqa: PERF401 - how many there are tells which one failed

    _guarded(all_of_them, filename, lambda: f"{name}({values[len(results)]!r}): ")
    return results


# ------------------------------------------------------------------------------------------------ results


def _describe(result: Any, expects: str, name: str, content: bytes | None) -> list[Buffer]:
    match expects:
        case "trial":
            return _pack({"kind": "trial", "value": _plain(trial.describe(result, name, content), name)})
        case "values" | "mask":
            return _describe_values(result, expects, name)
        case "json":
            return _pack({"kind": "json", "value": _plain(result, name)})
        case "files":
            return _describe_files(result, name)
    if expects == "series":
        if isinstance(result, pd.Series):
            result = result.rename("values") if result.name is None else result
        elif isinstance(result, pd.DataFrame) and result.shape[1] > 1:
            raise frames.BadResult(f"{name}() must return one Series, not a DataFrame of {result.shape[1]} columns")
    stream = frames.result_to_ipc(result, name, content)
    if stream is None:
        return _pack({"kind": "none" if result is None else "empty"})
    return _pack({"kind": expects}, [stream])


def _describe_values(pairs: list[tuple[float, Any]], expects: str, name: str) -> list[Buffer]:
    results = [result for _, result in pairs]
    if expects == "mask":
        try:
            kept = np.array([result is not None and result is not pd.NA and bool(result) for result in results], bool)
        except Exception as error:  # noqa: BLE001 - the truth of a user's object is the user's code
            raise frames.BadResult(f"{name}() returned what is neither true nor false: {_last_line(error)}") from None
        return _pack({"kind": "mask"}, [frames.values_to_ipc(kept)])
    try:
        numbers = frames.numbers(results)
    except frames.BadValue as error:
        raise frames.BadResult(f"{name}({pairs[error.position][0]!r}) returned {error}") from None
    return _pack({"kind": "values"}, [frames.values_to_ipc(numbers)])


def _plain(result: Any, name: str) -> Any:
    try:
        if isinstance(result, Iterator):  # a function that yields
            result = list(result)
        return json.loads(json.dumps(result, allow_nan=False, default=_listed))
    except (TypeError, ValueError, RecursionError) as error:
        at = _unsayable(result)
        where = f" at {'.'.join(map(str, at))}" if at else ""
        raise frames.BadResult(f"{name}() returned what JSON cannot say{where}: {error}") from None


def _listed(value: Any) -> Any:
    """Return the numbers of an array, or of NumPy's kinds, as JSON has them."""
    if isinstance(value, np.ndarray | np.generic | pd.Series | pd.Index):
        return value.tolist()
    raise TypeError(f"{value!r:.60} of type {type(value).__name__}")


def _unsayable(value: Any, depth: int = 8) -> list[Any]:
    """Return the keys and positions that lead to the first value that JSON cannot say."""
    if isinstance(value, np.ndarray | pd.Series | pd.Index):
        value = value.tolist()
    if not depth or not isinstance(value, Mapping | list | tuple):
        return []
    for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
        try:
            json.dumps(part, allow_nan=False, default=_listed)
        except (TypeError, ValueError, RecursionError):
            return [key, *_unsayable(part, depth - 1)]
    return []


def _describe_files(result: Any, name: str) -> list[Buffer]:
    if result is None:
        return _pack({"kind": "none"})
    if not isinstance(result, Mapping):
        raise frames.BadResult(f"{name}() must return a dict of names and contents")
    contents: list[Buffer] = []
    for label, content in result.items():
        if not isinstance(label, str) or not isinstance(content, str | bytes):
            raise frames.BadResult(f"{name}() must return a dict of names and contents; {label!r} is not so")
        contents.append(content.encode() if isinstance(content, str) else bytes(content))
    return _pack({"kind": "files", "names": list(result)}, contents)


# ------------------------------------------------------------------------------------------------ messages


def _syntax(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
    if isinstance(error, ValueError):
        return f"the script cannot be read: {error}"
    return "the script is nested too deep to be compiled"


def _last_line(error: BaseException) -> str:
    return traceback.TracebackException.from_exception(error, limit=0).format_exception_only().__next__().strip()


def _shown(error: BaseException, filename: str) -> str:
    """Format the traceback with the script's frames alone."""
    shown = traceback.TracebackException.from_exception(error)
    queue, seen = [shown], set()
    while queue:
        part = queue.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        part.stack = traceback.StackSummary.from_list([frame for frame in part.stack if frame.filename == filename])
        queue += [other for other in (part.__cause__, part.__context__, *(part.exceptions or ())) if other]
    return "".join(shown.format())
