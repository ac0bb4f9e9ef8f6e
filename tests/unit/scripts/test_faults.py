"""Scripts that do harm, each stopped by the limit that is there for it, and nothing of them left."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Never

import pytest

from entrepot.scripts import Limits, ScriptError, ScriptRunner, answer
from tests.support.deadline import eventually

MIB = 1 << 20
SMALL = Limits(
    wall=15, cpu=10, memory=256 * MIB, file=8 * MIB, disk=16 * MIB, output=4096, result=4 * MIB, processes=12
)


def script(body: str) -> str:
    return "import os, signal, sys, time\ndef f(*args):\n" + "\n".join(f"    {line}" for line in body.splitlines())


def call(
    runner: ScriptRunner, body: str, *args: Any, cancelled: Callable[[], bool] | None = None, **limits: Any
) -> Any:
    changed = Limits(**{**{name: getattr(SMALL, name) for name in Limits.__slots__}, **limits})
    return runner.call(script(body), "f", args, expects="json", limits=changed, cancelled=cancelled)


def failure(runner: ScriptRunner, body: str, *args: Any, **options: Any) -> ScriptError:
    with pytest.raises(ScriptError) as caught:
        call(runner, body, *args, **options)
    return caught.value


def marked(mark: str) -> list[str]:
    """Return the processes that were started as `sleep` with this mark in their environment or name."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if mark in (entry / "comm").read_text() or mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
            except OSError:
                continue
    return found


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> Iterator[str]:
    """A name that a script gives its processes; at the end none may have it."""
    name = f"ef{os.getpid() % 100_000}{abs(hash(request.node.name)) % 10**6}"[:15]
    yield name
    assert not marked(name)


NAME = (
    "import ctypes\n"
    "def name(): ctypes.CDLL(None).prctl(15, args[0].encode(), 0, 0, 0)\n"
    "name()\n"
)  # fmt: skip


@pytest.fixture(autouse=True)
def goes_on(runner: ScriptRunner) -> Iterator[None]:
    """Whatever a script did, the next call works."""
    yield
    assert call(runner, "return 'well'").value == "well"


# ------------------------------------------------------------------------------------------------ time


def test_endless_loops_end(runner: ScriptRunner, mark: str) -> None:
    started = time.monotonic()
    error = failure(runner, NAME + "print('on and on', flush=True)\nwhile True: pass", mark, wall=0.5)
    assert (error.kind, error.output) == ("timeout", "on and on\n")
    assert "longer than 0.5 s" in error.message
    assert 0.5 <= error.seconds < 10
    assert time.monotonic() - started < 10


def test_processor_time_ends(runner: ScriptRunner) -> None:
    error = failure(runner, "while True: pass", cpu=1, wall=60)
    assert error.kind == "timeout"
    assert "1 s of processor time" in error.message


@pytest.mark.parametrize(
    "stubborn",
    [
        "for n in set(range(1, 65)) - {9, 19, 32, 33}: signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "os.close(1); os.close(2)\ntime.sleep(100)",
    ],
)
def test_stubborn_scripts_end(runner: ScriptRunner, mark: str, stubborn: str) -> None:
    assert failure(runner, NAME + stubborn, mark, wall=0.5).kind == "timeout"


def test_ignored_processor_limits_end(runner: ScriptRunner) -> None:
    body = "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    error = failure(runner, body, cpu=1, wall=60)
    assert (error.kind, "processor time" in error.message) == ("timeout", True)


def test_cancelled_scripts_end_soon(runner: ScriptRunner, mark: str) -> None:
    begun = threading.Event()
    threading.Timer(0.3, begun.set).start()
    error = failure(runner, NAME + "print('waiting', flush=True)\ntime.sleep(100)", mark, cancelled=begun.is_set)
    assert (error.kind, error.output) == ("cancelled", "waiting\n")
    assert error.seconds < 10


def test_a_caller_that_fails_leaves_nothing(runner: ScriptRunner, mark: str) -> None:
    class Interrupted(BaseException):
        pass

    def asked() -> Never:
        raise Interrupted

    with pytest.raises(Interrupted):
        call(runner, NAME + "time.sleep(100)", mark, cancelled=asked)
    eventually(lambda: not marked(mark))


# ------------------------------------------------------------------------------------------------ memory, disk, output


@pytest.mark.parametrize(
    "bomb",
    [
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        "import numpy\nnumpy.ones(1 << 40)",
        "'x' * (1 << 40)",
        "x = [0]\nwhile True: x += x",
    ],
)
def test_memory_bombs_end(runner: ScriptRunner, bomb: str) -> None:
    error = failure(runner, "print('so far')\n" + bomb)
    assert (error.kind, error.output) == ("memory", "so far\n")
    assert "line" in error.traceback


def test_memory_of_many_processes_is_counted_together(runner: ScriptRunner, mark: str) -> None:
    body = (
        "for _ in range(6):\n    if not os.fork():\n        x = bytearray(os.urandom(1 << 20)) * 120; time.sleep(99)\n"
    )
    error = failure(runner, NAME + body + "time.sleep(100)", mark)
    assert error.kind == "memory"


def test_the_memory_of_a_call_is_told(runner: ScriptRunner) -> None:
    little, much = (
        call(runner, "return 1").peak,
        call(runner, "x = bytearray(os.urandom(1 << 20)) * 100; return 1").peak,
    )
    assert much > little + 90 * MIB


def test_gigantic_files_are_refused(runner: ScriptRunner) -> None:
    error = failure(runner, "with open('a', 'wb') as f:\n    while True: f.write(bytes(1 << 20))")
    assert error.kind == "raised"
    assert "File too large" in error.message


@pytest.mark.parametrize(
    "body",
    [
        "for n in range(10**9):\n    with open(str(n), 'wb') as f: f.write(bytes(4 << 20))",
        (
            "os.chdir(os.environ['HOME'])\n"
            "while True:\n    os.mkdir('d'); os.chdir('d')\n    open('a', 'wb').write(bytes(1 << 20))"
        ),
    ],
)
def test_gigantic_folders_end_the_script(runner: ScriptRunner, body: str) -> None:
    error = failure(runner, "print('filling')\n" + body)
    assert (error.kind, error.output) == ("output", "filling\n")
    assert "16 MiB" in error.message


def test_endless_printing_is_kept_short(runner: ScriptRunner) -> None:
    error = failure(runner, "print('first')\nwhile True: print('x' * 100_000)", wall=0.5)
    assert error.kind == "timeout"
    assert len(error.output) < 5000
    assert error.output.startswith("first\n")
    assert "bytes left out" in error.output


def test_the_first_and_the_last_of_what_is_printed_are_kept(runner: ScriptRunner) -> None:
    done = call(runner, "print('first')\nprint('x' * 1_000_000)\nprint('last', file=sys.stderr)\nreturn 1")
    assert done.value == 1
    assert done.output.startswith("first\nxxx")
    assert done.output.endswith("xxx\nlast\n")
    left_out = len(done.output.split("\n[")[0]) + len(done.output.split("]\n")[1])
    assert f"[... {1_000_012 - left_out} bytes left out ...]" in done.output


def test_output_need_not_be_text(runner: ScriptRunner) -> None:
    assert "�" in call(runner, "os.write(1, b'\\xff\\x00'); return 1").output


@pytest.mark.parametrize("expects", ["frame", "json"])
def test_gigantic_results_are_refused(runner: ScriptRunner, expects: Any) -> None:
    body = (
        "import pandas, numpy\n"
        "index = pandas.DatetimeIndex(numpy.zeros(1_000_000))\n"
        "return 'x' * (8 << 20) if args[0] else pandas.DataFrame({'a': 1.0}, index)"
    )
    with pytest.raises(ScriptError) as caught:
        runner.call(script(body), "f", [expects == "json"], expects=expects, limits=SMALL)
    assert caught.value.kind == "result"
    assert "more than the 4194304 allowed" in caught.value.message


# ------------------------------------------------------------------------------------------------ processes


def test_daemons_die_with_the_call(runner: ScriptRunner, mark: str) -> None:
    body = (
        "for _ in range(3):\n"
        "    if not os.fork():\n"
        "        os.setsid()\n"
        "        if not os.fork():\n"
        "            name(); os.setpgid(0, 0); signal.signal(15, signal.SIG_IGN); time.sleep(1000)\n"
        "        os._exit(0)\n"
        "time.sleep(0.2)\n"
        "return 'gone'"
    )
    assert call(runner, NAME + body, mark).value == "gone"


def test_programs_die_with_the_call(runner: ScriptRunner, mark: str) -> None:
    body = (
        "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 99; : ' + args[0]], start_new_session=True)\nreturn 1"
    )
    assert call(runner, body, mark).value == 1


def test_fork_bombs_end(runner: ScriptRunner, mark: str) -> None:
    error = failure(runner, NAME + "while True:\n    try: os.fork()\n    except OSError: pass", mark, wall=2)
    assert error.kind in ("timeout", "killed", "memory")


def test_too_many_processes_are_refused(runner: ScriptRunner, mark: str) -> None:
    error = failure(runner, NAME + "for _ in range(100):\n    if not os.fork(): time.sleep(100)", mark)
    assert "Resource temporarily unavailable" in error.message or "more than 12 processes" in error.message


@pytest.mark.parametrize("code", [0, 3, 70])
def test_an_ended_process_is_no_result(runner: ScriptRunner, code: str) -> None:
    error = failure(runner, f"print('bye', flush=True)\nos._exit({code})")
    assert (error.kind, error.output) == ("killed", "bye\n")
    assert f"exit code {code}" in error.message


def test_an_exit_at_the_end_is_no_result(runner: ScriptRunner) -> None:
    error = failure(runner, "import threading\nthreading.Thread(target=time.sleep, args=(100,)).start()\nsys.exit()")
    assert (error.kind, error.message) == ("raised", "the script called exit()")


@pytest.mark.parametrize("signal", ["SIGSEGV", "SIGKILL", "SIGTERM"])
def test_a_killed_process_is_said(runner: ScriptRunner, signal: str) -> None:
    error = failure(runner, f"os.kill(os.getpid(), signal.{signal})\ntime.sleep(100)")
    assert error.kind == "killed"
    assert signal in error.message


def test_a_crash_in_a_library_is_said(runner: ScriptRunner) -> None:
    error = failure(runner, "import ctypes\nctypes.string_at(0)")
    assert (error.kind, "SIGSEGV" in error.message) == ("killed", True)


def test_killing_its_parents_harms_nobody_else(runner: ScriptRunner) -> None:
    results = []
    slow = threading.Thread(target=lambda: results.append(call(runner, "time.sleep(1)\nreturn 'kept'").value))
    slow.start()
    # Where calls have no users of their own, -1 is all of them, and without a sandbox this process too.
    body = f"for n in (os.getppid(), {'os.getppid()' if os.getuid() else -1}):\n    os.kill(n, 9)\ntime.sleep(100)"
    with pytest.raises(ScriptError) as caught:
        call(runner, body, wall=5)
    # Root's scripts may not; those of others end their own watcher, and themselves with it.
    assert caught.value.kind in ("raised", "killed")
    slow.join()
    assert results == ["kept"]


@pytest.mark.flaky(reruns=2)  # on a loaded machine the calls may not begin in time
def test_another_template_is_started_when_one_is_killed(fresh: ScriptRunner, mark: str) -> None:
    assert call(fresh, "return 1").value == 1
    first = fresh.pid
    results = []
    slow = threading.Thread(
        target=lambda: results.append(call(fresh, NAME + "time.sleep(1)\nreturn 'kept'", mark).value)
    )
    slow.start()
    eventually(lambda: marked(mark))
    os.kill(first, 9)
    eventually(lambda: "Z" in Path(f"/proc/{first}/stat").read_text().rsplit(")")[1])
    assert call(fresh, "return 2").value == 2
    assert fresh.pid != first
    slow.join()
    assert results == ["kept"]


def test_a_template_that_stands_still_ends_with_its_runner(runner: ScriptRunner) -> None:
    with ScriptRunner(sandboxed=runner.sandboxed) as own:
        template = call(own, "return 1") and own.pid
        os.kill(template, signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < 8, "its worker is given ten seconds, and has more to end"
    assert not Path(f"/proc/{template}").exists()


def test_another_template_is_started_when_one_stands_still(
    fresh: ScriptRunner, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = call(fresh, "return 1") and fresh.pid
    results = []
    slow = threading.Thread(
        target=lambda: results.append(call(fresh, NAME + "time.sleep(2)\nreturn 'kept'", mark).value)
    )
    slow.start()
    eventually(lambda: marked(mark))
    os.kill(first, signal.SIGSTOP)
    monkeypatch.setattr(answer, "_BEGIN_SECONDS", 0.5)
    assert call(fresh, "return 2").value == 2
    assert fresh.pid != first
    assert not Path(f"/proc/{first}").exists()
    slow.join()
    assert results == ["kept"], "what it had begun went on"


# ------------------------------------------------------------------------------------------------ the way back

FIND = (
    "fds = [int(n) for n in os.listdir('/proc/self/fd') if int(n) > 2]\n"
    "paths = {n: f'/proc/self/fd/{n}' for n in fds}\n"
    "fd = next(n for n in fds if os.path.lexists(paths[n]) and 'memfd' in os.readlink(paths[n]))\n"
)


@pytest.mark.parametrize(
    "garbage",
    [
        "b'garbage'",
        "b'ENT1' + b'\\xff' * 100",
        "b'ENT1\\x02\\x00\\x00\\x00{}'",
        'b\'ENT1\\x21\\x00\\x00\\x00{"header": {}, "sizes": [1, 9999]}\'',
        "os.urandom(100_000)",
    ],
)
def test_garbage_as_a_result_is_refused(runner: ScriptRunner, garbage: str) -> None:
    error = failure(runner, FIND + f"os.write(fd, {garbage})\nos._exit(0)")
    assert error.kind == "result"


def test_a_boundless_result_is_not_read(runner: ScriptRunner) -> None:
    error = failure(
        runner, FIND + "try: os.ftruncate(fd, 1 << 50)\nexcept OSError: os.ftruncate(fd, 5 << 20)\nos._exit(0)"
    )
    assert error.kind == "result"


def test_a_closed_way_back_is_no_result(runner: ScriptRunner) -> None:
    assert failure(runner, "os.closerange(0, 1000)\nreturn 1").kind == "killed"


def test_forged_kinds_are_refused(runner: ScriptRunner) -> None:
    text = '{"header": {"error": "other", "message": "m", "traceback": ""}, "sizes": []}'
    body = FIND + f"t = {text!r}.encode()\nos.write(fd, b'ENT1' + len(t).to_bytes(4, 'little') + t)\nos._exit(0)"
    assert failure(runner, body).kind == "result"


def test_closed_outputs_do_no_harm(runner: ScriptRunner) -> None:
    assert call(runner, "os.close(1); os.close(2)\nreturn 1").value == 1
    assert call(runner, "sys.stdout.close(); sys.stdout = None\nreturn 1").value == 1
