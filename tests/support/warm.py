"""Commands of Entrepot in processes of their own that need not import it again: forked from one that did.

Starting Python and importing a server takes seconds of a processor, and tests start hundreds. What is forked has an
environment, a session and outputs of its own, as what an operator starts has; tests of starting itself start it anew.
"""

import atexit
import contextlib
import functools
import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from entrepot.scripts import libc

#: An `entrepot` for shells: asks for a fork that has its folder, environment and streams, and ends as that one does.
_PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys
way = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
way.connect({address!r})
told, tells = os.pipe()
body = os.memfd_create("asked")
asked = dict(arguments=sys.argv[1:], environment=dict(os.environ), folder=os.getcwd())
os.write(body, json.dumps(asked).encode())
socket.send_fds(way, [b"."], [body, 0, 1, 2, tells])
os.close(tells)
lines = open(told)
pid = int(lines.readline())
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(pid, number))
code = int(lines.readline())
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
#: What the loader reads when a process starts: what differs in these is no command for us.
_LOADED = ("LD_PRELOAD", "FAKETIME", "FAKETIME_TIMESTAMP_FILE")


class Child:
    """A command that runs, or ran; as ``subprocess.Popen`` has it.

    Attributes
    ----------
    pid
        Of its process, and of its process group.
    returncode
        How it ended, negative by a signal; None as long as nobody saw that it did.
    """

    def __init__(self, told: int) -> None:
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._line())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, or None."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = int(self._line())
            self._told.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, as soon as it did."""
        if self.returncode is None and not select.select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it without warning."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            read = self._told.read(1)
            if not read:
                raise ChildProcessError("What forks commands has ended.")
            line += read
        return line


def can(environment: Mapping[str, str]) -> bool:
    """Tell whether a command with this environment can be forked: nothing of it is read before Python begins."""
    return all(environment.get(name) == os.environ.get(name) for name in _LOADED)


def start(arguments: Sequence[str | Path], environment: Mapping[str, str], output: IO[bytes]) -> Child:
    """Start ``entrepot`` with these arguments, both outputs going to one file, in a session of its own."""
    return _start(arguments, environment, output.fileno(), output.fileno())


def run(arguments: Sequence[str | Path], environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run ``entrepot`` with these arguments to its end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _start(arguments, environment, out.fileno(), err.fileno()).wait()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())


def program() -> Path:
    """Return the path of an ``entrepot`` that is forked, whoever starts it, as long as this process runs."""
    return _parent()[1] / "entrepot"


def _start(arguments: Sequence[str | Path], environment: Mapping[str, str], out: int, err: int) -> Child:
    told, tells = os.pipe()
    asked = {"arguments": [str(one) for one in arguments], "environment": dict(environment), "folder": str(Path.cwd())}
    with tempfile.TemporaryFile() as body, Path(os.devnull).open("rb") as nothing:
        body.write(json.dumps(asked).encode())
        body.flush()
        socket.send_fds(_parent()[0], [b"."], [body.fileno(), nothing.fileno(), out, err, tells])
        os.close(tells)
        return Child(told)


@functools.cache
def _parent() -> tuple[socket.socket, Path]:
    """Return the way to the process that forks, which ends with this one, and the folder of its own."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    root = Path(__file__).parents[2]
    folder = Path(tempfile.mkdtemp(prefix="entrepot-warm-"))
    atexit.register(shutil.rmtree, folder)
    address = str(folder / "socket")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(address)
    listening.listen()
    (folder / "entrepot").write_text(_PROGRAM.format(python=sys.executable, address=address))
    (folder / "entrepot").chmod(0o700)
    command = [sys.executable, "-m", "tests.support.warm", str(its.fileno()), str(listening.fileno())]
    process = subprocess.Popen(command, cwd=root, pass_fds=[its.fileno(), listening.fileno()], stdin=subprocess.DEVNULL)
    its.close()
    listening.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours, folder


class _Forks:
    """The process that forks: for each message a child, of which it tells the id and how it ended."""

    def __init__(self, asked: socket.socket, listening: socket.socket) -> None:
        self._asked = asked
        self._listening = listening
        self._tells: dict[int, int] = {}

    def serve(self) -> None:
        """Fork as often as is asked, until nobody can ask any more."""
        woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        asked, listening = self._asked.fileno(), self._listening.fileno()
        while True:
            ready, _, _ = select.select([asked, listening, woken], [], [])
            if woken in ready:
                os.read(woken, 4096)
                self._reap()
            if listening in ready:
                way, _ = self._listening.accept()
                with way:
                    message, descriptors, _, _ = socket.recv_fds(way, 1, 5)
                if message:  # from whoever was not killed before
                    self._fork(descriptors, [woken, wakes])
            if asked in ready:
                message, descriptors, _, _ = socket.recv_fds(self._asked, 1, 5)
                if not message:
                    return
                self._fork(descriptors, [woken, wakes])

    def _fork(self, descriptors: list[int], own: list[int]) -> None:
        body, *streams, tells = descriptors
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            others = [tells, self._asked.detach(), self._listening.detach(), *own, *self._tells.values()]
            _become(body, streams, others)
        for one in (body, *streams):
            os.close(one)
        self._tells[pid] = tells
        os.write(tells, b"%d\n" % pid)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                tells = self._tells.pop(ended[0])
                with contextlib.suppress(BrokenPipeError):
                    os.write(tells, b"%d\n" % os.waitstatus_to_exitcode(ended[1]))
                os.close(tells)


def _become(body: int, streams: list[int], others: list[int]) -> None:
    """Become the command; does not return."""
    code: object = 1
    try:
        os.setsid()
        libc.die_with_parent()  # a run of the tests that is stopped leaves nothing behind: see tests.support.bound
        os.lseek(body, 0, os.SEEK_SET)
        with os.fdopen(body, "rb") as file:
            asked = json.loads(file.read())
        for number, given in enumerate(streams):
            os.dup2(given, number)
        for one in (*others, *streams):
            os.close(one)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        time.tzset()
        tempfile.tempdir = None
        sys.argv = ["entrepot", *asked["arguments"]]
        Path("/proc/self/comm").write_text(sys.argv[0])
        from entrepot.__main__ import main

        main()
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        atexit._run_exitfuncs()
        os._exit(0 if code is None else code if isinstance(code, int) else 1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks is told, and ends us
    gc.disable()
    import typer.main

    import entrepot.cli
    import entrepot.server.run.app
    import entrepot.server.run.serve
    from entrepot import units
    from entrepot.scripts import level
    from entrepot.series.zones import standard_time
    from entrepot.server.run.process import preload

    preload(["web", "ftp", "scheduler", "worker"])
    units.prepare()
    for zone in ("UTC", "Europe/Paris"):
        standard_time(zone)
    typer.main.get_command = functools.cache(typer.main.get_command)
    typer.main.get_command(entrepot.cli.app)
    level()  # tried once a process: this machine's answer holds for all

    assert threading.active_count() == 1, "a fork has one thread"
    gc.collect()
    gc.freeze()
    gc.enable()
    _Forks(*(socket.socket(fileno=int(number)) for number in sys.argv[1:3])).serve()
