"""What comes back of a call: the supervisor's report, and the child's result."""

import select
import socket
import time
from collections.abc import Callable
from typing import Any

from . import calls, outcome, wire
from .calls import Expects
from .errors import Kind, ScriptError
from .limits import MIB, Limits
from .outcome import Outcome

Cancelled = Callable[[], bool]
# How often a caller is asked whether it still wants the result, and how long the supervisor may take to begin, and to
# end a script.
_ASK_SECONDS = 0.1
_BEGIN_SECONDS = 10.0
_GRACE_SECONDS = 15.0


def wait(
    supervisor: socket.socket, limits: Limits, cancelled: Cancelled | None
) -> tuple[bytes, list[int], Kind | None]:
    """Return what the supervisor says and gives until it ends, and what went wrong if it never does.

    Raises
    ------
    TimeoutError
        It does not begin.
    """
    received, given = bytearray(), list[int]()
    began = time.monotonic()
    deadline = began + limits.wall + _GRACE_SECONDS
    lost: Kind = "timeout"
    poll = select.poll()
    poll.register(supervisor, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        asking = cancelled is not None and lost == "timeout"
        if not received and lost == "timeout":
            left = min(left, began + _BEGIN_SECONDS - time.monotonic())
            if left <= 0:
                raise TimeoutError
        if poll.poll(min(left, _ASK_SECONDS) * 1000 if asking else left * 1000):
            try:
                piece, descriptors, _, _ = socket.recv_fds(supervisor, 1 << 16, 1)
            except ConnectionError:
                piece, descriptors = b"", []
            given += descriptors
            if not piece:
                return bytes(received), given, None
            received += piece
            if len(received) > limits.output + MIB:
                return b"", given, "killed"
        elif asking and cancelled is not None and cancelled():
            lost = "cancelled"
            supervisor.shutdown(socket.SHUT_WR)
            deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
    return bytes(received), given, lost


def judge(reply: bytes, lost: Kind | None, answer: int, expects: Expects, limits: Limits) -> Outcome[Any]:
    """Make of the supervisor's report and the child's result an outcome, or the error."""
    if lost:
        raise ScriptError(lost, "the script did not end, and had to be given up")
    try:
        report, (printed,) = wire.unpack(reply)
    except ValueError:
        raise ScriptError("killed", "the process that watched the script was ended, perhaps by the script") from None
    output, seconds = bytes(printed).decode(errors="replace"), report["seconds"]
    verdict = outcome.stopped(report, limits)
    if verdict is None:
        try:
            result = wire.read(answer, limits.result + MIB)
            if not report["code"] and result:
                value, notes = calls.decode(result, expects)
                return Outcome(value, output, seconds, report["peak"], notes)
            kind, text = outcome.ended(report, limits)
        except ScriptError as error:
            error.output, error.seconds = output, seconds
            raise
        except ValueError as error:
            kind, text = "result", f"what came back from the script cannot be taken: {error}"
    else:
        kind, text = verdict
    raise ScriptError(kind, text, output=output, seconds=seconds)
