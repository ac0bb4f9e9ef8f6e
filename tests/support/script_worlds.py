"""Runs calls of scripts for tests that need another user, or a kernel that allows less: JSON lines in and out.

Started as ``python script_worlds.py [--forbid]``; `World` is its other end.
"""

import ctypes
import errno
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parents[2] / "src"
USER = 12345
#: Makes a Python that lies in root's own folder readable, for this process and those that it starts.
_OPEN = (
    'mount --make-rprivate / && mount --bind "$0" /mnt && mount -t tmpfs -o mode=755 none /root && mkdir -p "$0"'
    ' && mount --bind /mnt "$0" && umount /mnt && exec "$@"'
)


def opening_python() -> list[str]:
    """Return the words before a command in which everybody has to be able to read Python."""
    python = Path(sys.base_prefix).resolve()
    if os.getuid() or not python.is_relative_to("/root"):
        return []
    return ["unshare", "--mount", "sh", "-c", _OPEN, str(python)]


class World:
    """A runner of scripts in a process of its own.

    Parameters
    ----------
    ordinary
        Run it as a user that is not root.
    forbidding
        Let it make no namespaces, as containers do.
    temporary
        Its folder for temporary files, if not the system's.
    """

    def __init__(self, *, ordinary: bool, forbidding: bool, temporary: Path | None = None) -> None:
        words = opening_python() if ordinary or forbidding else []
        if ordinary and os.getuid() == 0:
            words = [*words, "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        words += [sys.executable, __file__, *(["--forbid"] if forbidding else [])]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "ENTREPOT_TOKEN": "the server's secret"}
        environment |= {} if temporary is None else {"TMPDIR": str(temporary)}
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, cwd="/"
        )
        self._lock = threading.Lock()
        self._answers: dict[int, dict[str, Any]] = {}
        self._arrived = threading.Condition()
        self._number = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.level: dict[str, Any] = self._answer(self._order({"level": True}))

    def call(self, body: str, *arguments: Any, **limits: Any) -> dict[str, Any]:
        """Call the body of a function `f`; return its ``value``, or ``kind`` and ``message`` of what went wrong."""
        return self._answer(self.send(body, *arguments, **limits))

    def send(self, body: str, *arguments: Any, **limits: Any) -> int:
        """Begin such a call, and wait for nothing."""
        text = "import os, sys, time\ndef f(*args):\n" + "\n".join(f"    {line}" for line in body.splitlines())
        return self._order({"source": text, "arguments": arguments, "limits": {"wall": 20, "cpu": 20, **limits}})

    def value(self, body: str, *arguments: Any, **limits: Any) -> Any:
        """Return what the body of a function `f` returns."""
        answer = self.call(body, *arguments, **limits)
        assert "value" in answer, answer
        return answer["value"]

    def close(self) -> None:
        """End it, once what it does is done."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self._let_go()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._let_go()

    def _let_go(self) -> None:
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _order(self, order: dict[str, Any]) -> int:
        assert self.process.stdin is not None
        with self._lock:
            self._number += 1
            number = self._number
            self.process.stdin.write(json.dumps({**order, "number": number}) + "\n")
            self.process.stdin.flush()
        return number

    def _answer(self, number: int) -> dict[str, Any]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: number in self._answers, 60), "no answer came"
            return self._answers.pop(number)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer = json.loads(line)
            with self._arrived:
                self._answers[answer.pop("number")] = answer
                self._arrived.notify_all()


def forbid_namespaces() -> None:
    """Refuse this process and its children unshare(), as the filters of containers do."""
    from entrepot.scripts import libc, seccomp

    number = {"x86_64": 272, "aarch64": 97}[os.uname().machine]
    words = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | errno.EPERM), (0x06, 0, 0, 0x7FFF0000)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *word) for word in words))
    header = ctypes.create_string_buffer(struct.pack("@HxxxxxxP", len(words), ctypes.addressof(text)))
    libc.gain_nothing()
    libc.prctl(22, 2, ctypes.addressof(header))
    assert seccomp.supported()


def main(words: Sequence[str]) -> None:
    """Do what comes on standard input until it is closed."""
    from entrepot.scripts import Limits, ScriptError, ScriptRunner, level

    if "--forbid" in words:
        forbid_namespaces()
    lock = threading.Lock()

    def answer(order: dict[str, Any]) -> None:
        if "level" in order:
            said = asdict(level()) | {"template": runner.pid}
        else:
            limits = Limits(**order["limits"])
            try:
                done = runner.call(order["source"], "f", order["arguments"], expects="json", limits=limits)
                said = {"value": done.value, "output": done.output}
            except ScriptError as error:
                said = {"kind": error.kind, "message": error.message, "output": error.output}
        with lock:
            sys.stdout.write(json.dumps({**said, "number": order["number"]}) + "\n")
            sys.stdout.flush()

    with ScriptRunner() as runner:
        runner.start()
        for line in sys.stdin:
            threading.Thread(target=answer, args=(json.loads(line),)).start()


if __name__ == "__main__":
    main(sys.argv[1:])
