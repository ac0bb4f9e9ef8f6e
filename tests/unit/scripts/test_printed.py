"""What a script prints, told while it goes: a bounded text now and then, whatever it or its supervisor does."""

import socket
import threading
import time

import pytest

from entrepot.scripts import Limits, ScriptError, ScriptRunner, answer, wire
from entrepot.scripts.limits import TELL_SECONDS

LIMITS = Limits(wall=20, cpu=20, output=4096)
FOREVER = "\n    import time\n    while True: time.sleep(0.01)\n"


def seen(runner: ScriptRunner, body: str, enough: str) -> tuple[list[str], str]:
    """Run a script that never ends until it has printed enough; return what was told, and what is kept."""
    told: list[str] = []
    with pytest.raises(ScriptError) as caught:
        runner.call(
            f"def f():\n    {body}{FOREVER}", "f", [], expects="json", limits=LIMITS,
            printed=told.append, cancelled=lambda: bool(told) and enough in told[-1],
        )  # fmt: skip
    assert caught.value.kind == "cancelled"
    return told, caught.value.output


def test_lines_come_while_the_script_goes(runner: ScriptRunner) -> None:
    told, kept = seen(runner, "print('é first'); print('second, not at its end', end='', flush=True)", "first\n")
    assert told == ["é first\n"]
    assert kept == "é first\nsecond, not at its end"


def test_of_much_the_first_and_the_last_come(runner: ScriptRunner) -> None:
    told, kept = seen(runner, "[print(f'line {n:05}') for n in range(20_000)]", "line 19999\n")
    assert told[-1] == kept
    assert kept.startswith("line 00000\n")
    assert "bytes left out" in kept
    assert max(map(len, told)) < LIMITS.output + 100


def test_a_script_that_never_stops_printing_is_told_of_seldom_and_ends_in_time(runner: ScriptRunner) -> None:
    told: list[str] = []
    limits = Limits(wall=2, cpu=20, output=1 << 20)
    with pytest.raises(ScriptError) as caught:
        # One who reads slowly does not keep the script from being watched.
        runner.call(
            "def f():\n    while True: print('x' * 999)\n", "f", [], expects="json", limits=limits,
            printed=lambda text: (told.append(text), time.sleep(1))[0],
        )  # fmt: skip
    assert caught.value.kind == "timeout"
    assert 1 <= len(told) <= limits.wall / TELL_SECONDS
    assert caught.value.output.startswith(told[-1][:1000])


def message(header: dict[str, int], *parts: bytes) -> bytes:
    return b"".join(wire.numbered(wire.pack(header, parts)))


def heard(*sent: bytes, pause: float = 0.0) -> tuple[list[str], tuple[bytes, list[int], str | None]]:
    """Return what is made of what a supervisor sends, a while after it began."""
    told: list[str] = []
    ours, theirs = socket.socketpair()

    def supervise() -> None:
        with theirs:
            theirs.send(b"\x01")
            threading.Event().wait(pause)
            for piece in sent:
                try:
                    theirs.sendall(piece)
                except OSError:  # it was given up
                    return

    thread = threading.Thread(target=supervise)
    thread.start()
    with ours:
        found = answer.wait(ours, LIMITS, None, told.append)
    thread.join()
    return told, found


def test_what_comes_in_pieces_is_put_together() -> None:
    report, said = message({"report": 1}, b"kept"), message({"printed": 2}, b"a\n")
    told, (reply, _, lost) = heard(*(bytes([byte]) for byte in said + report), pause=TELL_SECONDS)
    assert (told, lost) == (["a\n"], None)
    assert wire.unpack(reply[1:])[0] == {"report": 1}


def test_a_supervisor_that_began_before_anybody_listened_is_heard() -> None:
    report, said = message({"report": 1}, b"kept"), message({"printed": 2}, b"a\n")
    told, (reply, _, lost) = heard(said, report)
    assert (told, lost) == (["a\n"], None)
    assert wire.unpack(reply[1:])[0] == {"report": 1}


@pytest.mark.parametrize(
    "sent",
    [
        [message({"printed": 1}, b"a\n")] * 50,
        [message({"printed": 1}, bytes(8 << 20))],
        [(1 << 40).to_bytes(8, "little"), bytes(8 << 20)],
    ],
    ids=["often", "long", "endless"],
)
def test_a_supervisor_that_a_script_took_over_floods_nobody(sent: list[bytes]) -> None:
    told, (reply, _, lost) = heard(*sent, pause=TELL_SECONDS)
    assert (reply, lost) == (b"", "killed")
    assert len("".join(told)) < 100


@pytest.mark.parametrize(
    "sent", [message({"printed": 1}), message({"printed": 1, "x": 2}, b"a"), bytes(20), b"\xff" * 9]
)
def test_what_is_no_telling_is_no_report_either(sent: bytes) -> None:
    told, (reply, _, lost) = heard(sent, pause=TELL_SECONDS)
    assert (told, lost) == ([], None)
    with pytest.raises(ScriptError, match="perhaps by the script"):
        answer.judge(answer.Answer(reply[1:], None), "json", LIMITS)
