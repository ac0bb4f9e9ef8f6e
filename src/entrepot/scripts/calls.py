"""Requests and results in the form in which they cross, as the server makes and checks them."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from entrepot.bounds.arrow import check_stream
from entrepot.errors import InvalidInput

from . import frames, wire
from .errors import KINDS, MOST_NOTES, Note, ScriptError

# Lists and dicts of these that JSON can say, and tables of Arrow, too; it has no types that a checker could use.
Argument = bytes | str | bool | int | float | pd.DataFrame | pd.Series | npt.NDArray[np.float64] | None | Any
Expects = Literal["frame", "series", "values", "mask", "json", "files", "trial"]

_HEADS = 1 << 16


def encode(
    source: str,
    function: str,
    arguments: Sequence[Argument],
    *,
    filename: str,
    expects: Expects,
    variable: str | None,
    each: bool,
    limit: int,
) -> list[wire.Buffer]:
    """Return the message that asks the child for a call; TypeError for an argument that cannot cross."""
    buffers: list[wire.Buffer] = []
    header = {
        "source": source,
        "function": function,
        "filename": filename,
        "variable": variable,
        "each": each,
        "expects": expects,
        "limit": limit,
        "arguments": _crossing(arguments, buffers),
    }
    return wire.pack(header, buffers)


def encode_several(
    source: str, function: str, several: Sequence[Sequence[Argument]], *, filename: str, seconds: float, limit: int
) -> list[wire.Buffer]:
    """Return the message that asks the child for calls that each return a frame, for as long as `seconds`."""
    buffers: list[wire.Buffer] = []
    header = {
        "source": source,
        "function": function,
        "filename": filename,
        "variable": None,
        "each": False,
        "expects": "frame",
        "limit": limit,
        "seconds": seconds,
        "several": [_crossing(arguments, buffers) for arguments in several],
    }
    return wire.pack(header, buffers)


def _crossing(arguments: Sequence[Argument], buffers: list[wire.Buffer]) -> list[dict[str, Any]]:
    """Return the description of arguments, having added what crosses beside it to the buffers."""
    described: list[dict[str, Any]] = []
    for argument in arguments:
        described.append(_describe(argument, len(buffers)))
        if "buffer" in described[-1]:
            buffers.append(_buffer(argument))
    return described


def decode(message: wire.Buffer, expects: Expects) -> tuple[Any, list[Note]]:
    """Return the value of a result, and what was old in the script.

    The value is None where the script gave None, a frame without rows where it gave none.

    Raises
    ------
    ScriptError
        If the script failed, as the child tells it.
    ValueError
        If the message is not exactly what the child would write.
    """
    header, buffers = wire.unpack(message)
    notes = _notes(header)
    if "error" in header:
        kind, text, shown = (header.get(key) for key in ("error", "message", "traceback"))
        if kind not in KINDS or not isinstance(text, str) or not isinstance(shown, str):
            raise ValueError("the failure is malformed")
        raise ScriptError(kind, text, traceback=shown, notes=notes)
    return _value(header, buffers, expects), notes


def _notes(header: dict[str, Any]) -> list[Note]:
    notes = header.get("notes", [])
    if not isinstance(notes, list) or len(notes) > MOST_NOTES:
        raise ValueError("the notes are malformed")
    for note in notes:
        match note:
            case {"line": int() | None, "old": str(old), "now": str(now), **rest} if not rest and len(old + now) <= 200:
                continue
        raise ValueError("a note is malformed")
    return notes


def _value(header: dict[str, Any], buffers: Sequence[memoryview], expects: Expects) -> Any:
    kind = header.get("kind")
    if kind == "none" and expects in ("frame", "series", "files") and not buffers:
        return None
    if kind == "empty" and expects in ("frame", "series") and not buffers:
        return frames.EMPTY.copy() if expects == "frame" else None
    if kind != expects:
        raise ValueError(f"the result is of the kind {kind!r}, not {expects!r}")
    if expects in ("json", "trial"):
        return header.get("value")
    if expects == "files":
        names = header.get("names")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("the names are malformed")
        return {name: bytes(content) for name, content in zip(names, buffers, strict=True)}
    if len(buffers) != 1:
        raise ValueError("the result is not one table")
    _require_modest(buffers[0])
    match expects:
        case "values" | "mask":
            return frames.values_from_ipc(buffers[0], "float64" if expects == "values" else "bool")
        case "frame":
            return frames.result_from_ipc(buffers[0])
        case _:
            frame = frames.result_from_ipc(buffers[0])
            if frame.shape[1] != 1:
                raise ValueError("the result is not one series")
            return frame.iloc[:, 0]


def _require_modest(stream: wire.Buffer) -> None:
    """Raise ValueError for a table that takes more memory than it has bytes: what the child writes is never packed."""
    size = len(stream)
    try:
        # Each value counts twice, in its buffer and in what is made of it.
        check_stream(stream, most_bytes=3 * size + _HEADS, most_rows=size)
    except InvalidInput as error:
        raise ValueError(error.message) from None
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"this is no Arrow stream: {error}") from None


def _describe(argument: Argument, position: int) -> dict[str, Any]:
    match argument:
        case None | bool() | int() | float() | str() | list() | dict():
            return {"kind": "json", "value": argument}
        case bytes() | bytearray() | memoryview():
            return {"kind": "content", "buffer": position}
        case np.ndarray():
            return {"kind": "values", "buffer": position}
        case pd.Series():
            return {"kind": "series", "name": None if argument.name is None else str(argument.name), "buffer": position}
        case pd.DataFrame() | pa.Table():
            return {"kind": "table", "buffer": position}
    raise TypeError(f"a {type(argument).__name__} cannot be given to a script")


def _buffer(argument: Any) -> wire.Buffer:
    match argument:
        case np.ndarray():
            return frames.values_to_ipc(np.asarray(argument, dtype=np.float64))
        case pd.Series():
            return frames.frame_to_ipc(argument.to_frame("values"))
        case pd.DataFrame():
            return frames.frame_to_ipc(argument)
        case pa.Table():
            return frames.to_ipc(argument)
    content: wire.Buffer = argument
    return content
