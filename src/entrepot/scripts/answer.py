"""What comes back of a call: the supervisor's report, and the child's result."""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from . import calls, outcome, wire
from .calls import Expects
from .errors import KINDS, Kind, Note, ScriptError
from .limits import MIB, TELL_SECONDS, Limits
from .outcome import Outcome, Several

T = TypeVar("T")
Cancelled = Callable[[], bool]
#: Takes what a script has printed so far, in place of what it was given before.
Printed = Callable[[str], None]
# How often a caller is asked whether it still wants the result, and how long the supervisor may take to begin, and to
# end a script.
_ASK_SECONDS = 0.1
_BEGIN_SECONDS = 10.0
_GRACE_SECONDS = 15.0
#: Of a header that says of an answer what is no part of the report or of the result.
_MOST_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of a call, before anybody judged it; it crosses machines as a message.

    Parameters
    ----------
    reply
        The supervisor's report.
    result
        What the child wrote; None if that was more than it may.
    lost
        What went wrong where the supervisor never ended.
    overflowed
        Whether what the script started ran out of the memory that all of it may have together.
    """

    reply: bytes
    result: bytes | None
    lost: Kind | None = None
    overflowed: bool = False

    def report(self) -> tuple[dict[str, Any], bytes]:
        """Return the supervisor's report and what the script printed; ValueError if there is none."""
        report, (printed,) = wire.unpack(self.reply)
        match report:
            case {"reason": str() | None, "code": int(code), "cpu": cpu, "seconds": seconds, "peak": int(peak)} if (
                len(report) == 5 and abs(code) < 256 and 0 <= peak < 1 << 63 and all(map(_is_time, (cpu, seconds)))
            ):
                return report, bytes(printed)
        raise ValueError("the report is malformed")

    def checked_result(self, limits: Limits) -> bytes:
        """Return what the child wrote; ValueError if it was too much."""
        if self.result is None:
            raise ValueError(f"the message has more than {limits.result + MIB} bytes")
        return self.result

    def pack(self) -> list[wire.Buffer]:
        """Return it as the parts of a message."""
        header = {"lost": self.lost, "overflowed": self.overflowed, "whole": self.result is not None}
        return wire.pack(header, [self.reply, self.result or b""])

    @classmethod
    def unpack(cls, message: wire.Buffer, limits: Limits) -> "Answer":
        """Return the answer that a message is; ValueError if another machine sent anything else, or too much."""
        require_answer(message, len(message), limits)
        header, (reply, result) = wire.unpack(message)
        return cls(bytes(reply), bytes(result) if header["whole"] else None, header["lost"], header["overflowed"])

    @staticmethod
    def most_bytes(limits: Limits) -> int:
        """Return how many bytes the message of an answer may have."""
        return most_beginning(limits) + limits.result + MIB


def most_beginning(limits: Limits) -> int:
    """Return how many bytes of a message an answer's head and its report may have."""
    return _MOST_HEAD + most_reply(limits)


def most_reply(limits: Limits) -> int:
    """Return how many bytes a supervisor's report may have."""
    return limits.output + MIB


def require_answer(beginning: wire.Buffer, size: int, limits: Limits) -> None:
    """Raise ValueError unless a message of `size` bytes begins as an answer does, its report being whole.

    Parameters
    ----------
    beginning
        So much of it as an answer's head and report may have, or all of it.
    """
    if size > Answer.most_bytes(limits):
        raise ValueError(f"the answer has more than {Answer.most_bytes(limits)} bytes")
    header, sizes, position = wire.unpack_head(beginning, _MOST_HEAD)
    match header:
        case {"lost": None | str(), "overflowed": bool(), "whole": bool()} if len(header) == 3:
            if header["lost"] is not None and header["lost"] not in KINDS:
                raise ValueError(f"{header['lost'][:20]!r} is no way to be lost")
        case _:
            raise ValueError("the header is malformed")
    if len(sizes) != 2 or position + sum(sizes) != size or sizes[0] > most_reply(limits):
        raise ValueError("the sizes contradict the answer")
    reply = memoryview(beginning)[position : position + sizes[0]]
    if header["lost"] is None:
        Answer(bytes(reply), None).report()


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


#: What makes of an answer what is returned.
Judged = Callable[[Answer], T]


def wait(
    supervisor: socket.socket, limits: Limits, cancelled: Cancelled | None, printed: Printed | None = None
) -> tuple[bytes, list[int], Kind | None]:
    """Return what the supervisor says and gives until it ends, and what went wrong if it never does.

    What it tells meanwhile of the script's output is passed on; one that tells more often than it should is given up.

    Raises
    ------
    TimeoutError
        It does not begin.
    """
    received, given, told = bytearray(), list[int](), 0
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
                return _report(received), given, None
            received += piece
            for text in _told(received):
                # One more than there is time for: it may have begun before anybody listened.
                if told * TELL_SECONDS > time.monotonic() - began:
                    return b"", given, "killed"
                told += 1
                if printed is not None:
                    printed(text)
            if len(received) > most_reply(limits):
                return b"", given, "killed"
        elif asking and cancelled is not None and cancelled():
            lost = "cancelled"
            supervisor.shutdown(socket.SHUT_WR)
            deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
    return _report(received), given, lost


def _told(received: bytearray) -> Iterator[str]:
    """Take out what the supervisor told of the output; its first byte and its report stay."""
    for message in wire.messages(bytes(received[1:])):
        try:
            header, parts = wire.unpack(message)
        except ValueError:
            return
        if header.keys() != {"printed"} or len(parts) != 1:
            return
        del received[1 : 1 + wire.LENGTH.size + len(message)]
        yield bytes(parts[0]).decode(errors="replace")


def _report(received: bytearray) -> bytes:
    """Return the supervisor's first byte and its report, as far as they came."""
    return b"".join([received[:1], *wire.messages(bytes(received[1:]))])


def gather(answer: Answer, limits: Limits) -> Several[Any]:
    """Make of the child's results what came of the first calls."""
    values: list[tuple[Any, list[Note]]] = []
    alone, output = True, ""
    with contextlib.suppress(ScriptError, ValueError):
        if answer.lost is None:
            report, printed = answer.report()
            output = printed.decode(errors="replace")
            for message in wire.messages(answer.checked_result(limits)):
                values.append(calls.decode(message, "frame"))  # noqa: PERF401 - those before one that failed stay
            alone = bool(report["reason"] or report["code"]) or not values
    return Several(values, alone, output)


def judge(answer: Answer, expects: Expects, limits: Limits) -> Outcome[Any]:
    """Make of the supervisor's report and the child's result an outcome, or the error."""
    try:
        return _judged(answer, expects, limits)
    except ScriptError as error:
        if error.kind != "killed" or not answer.overflowed:
            raise
        kind, said = outcome.overflowed(limits)
        raise ScriptError(kind, said, output=error.output, seconds=error.seconds) from None


def _judged(answer: Answer, expects: Expects, limits: Limits) -> Outcome[Any]:
    if answer.lost:
        raise ScriptError(answer.lost, "the script did not end, and had to be given up")
    try:
        report, printed = answer.report()
    except ValueError:
        raise ScriptError("killed", "the process that watched the script was ended, perhaps by the script") from None
    output, seconds = printed.decode(errors="replace"), report["seconds"]
    verdict = outcome.stopped(report, limits)
    if verdict is None:
        try:
            result = answer.checked_result(limits)
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
