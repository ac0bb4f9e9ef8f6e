"""What every benchmark needs: servers in folders of their own, one lean HTTP client for all, medians, tables."""

import contextlib
import http.client
import itertools
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 60
STOP_SECONDS = 60
SETTLE_SECONDS = 90
IDLE_SECONDS = 5
HOST = "127.0.0.1"

# A benchmark that is stopped stops what it started.
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


class Http:
    """A kept-alive connection to a server on this machine; the same client for all, so that its costs cancel out."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        self.port = port
        self.headers = dict(headers or {})
        self._connection = http.client.HTTPConnection(HOST, port, timeout=600)
        self._used = time.monotonic()

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        """Return the body of the answer, read to its end.

        Raises
        ------
        RuntimeError
            The answer was an error.
        """
        if time.monotonic() - self._used > IDLE_SECONDS:  # the server may have closed it
            self._connection.close()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, self.headers | named)
        response = self._connection.getresponse()
        content = response.read()
        self._used = time.monotonic()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path[:200]}: {response.status} {content[:500]!r}")
        return content

    def another(self) -> "Http":
        """Return a connection of its own to the same server."""
        return Http(self.port, self.headers)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextlib.contextmanager
def daemon(
    command: Sequence[str | Path], log: Path, ready: Callable[[], bool], environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Run a program for as long as the context lasts; yield its process id once it is ready.

    It is stopped by SIGTERM to its own process group, and killed when it does not end.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | dict(environment or {}),
        )
    try:
        eventually(lambda: _alive(process, log) and ready(), START_SECONDS)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _alive(process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is None:
        return True
    raise RuntimeError(f"ended with {process.returncode}:\n{log.read_text(errors='replace')[-3000:]}")


def eventually(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until the condition holds; raise TimeoutError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in {seconds} s")
        time.sleep(0.1)


def answers(port: int, path: str) -> bool:
    """Tell whether a server on this machine answers a path."""
    try:
        Http(port).send("GET", path)
    except (OSError, RuntimeError, http.client.HTTPException):
        return False
    return True


def cpu_seconds(session: int) -> float:
    """Return how long the processes of a session, which :func:`daemon` starts one of, have computed."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((process / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                total += sum(int((task / "schedstat").read_text().split()[0]) for task in (process / "task").iterdir())
    return total / 1e9


def peers_python(name: str) -> Path:
    """Return the Python of an environment with the peers of ``NAME.txt``, which is made when it is missing."""
    folder = Path(__file__).parents[1] / ".envs" / f"benchmark-{name.replace('_', '-')}"
    if not (folder / ".complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        needs = Path(__file__).with_name(f"{name}.txt")
        subprocess.run([folder / "bin" / "pip", "install", "-qq", "--require-hashes", "-r", needs], check=True)
        (folder / ".complete").touch()
    return folder / "bin" / "python"


def synced(path: Path) -> None:
    """Have a file on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def process_seconds(pid: int) -> float:
    """Return for how long a process has computed so far."""
    with contextlib.suppress(OSError):
        return (
            sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9
        )
    return 0.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def folder_bytes(folder: Path) -> int:
    """Return what the files below a folder take on the disk."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if file.is_file():
                total += file.stat().st_blocks * 512
    return total


def settled_bytes(folder: Path) -> int:
    """Return what a folder takes once it has stopped changing (compactions), or after a time that is enough."""
    deadline, sizes = time.monotonic() + SETTLE_SECONDS, [folder_bytes(folder)]
    while time.monotonic() < deadline and (len(sizes) < 8 or len(set(sizes[-8:])) > 1):
        time.sleep(1)
        sizes.append(folder_bytes(folder))
    return sizes[-1]


def timed(work: Callable[..., Any], *arguments: Any) -> float:
    """Return how many seconds a call took."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def side_by_side(work: Callable[[Any, Any], Any], workers: Sequence[Any], tasks: Sequence[Any]) -> float:
    """Return how many seconds it took the workers to do all tasks, each worker one after the other."""

    def run(number: int) -> None:
        for task in tasks[number :: len(workers)]:
            work(workers[number], task)

    with ThreadPoolExecutor(len(workers)) as pool:
        return timed(lambda: list(pool.map(run, range(len(workers)))))


@dataclass
class Line:
    """A line of a report: what was measured of several systems.

    Attributes
    ----------
    work, unit
        What was done, and the unit of the figures.
    figures
        By system; a system that cannot do it is missing.
    formats
        By system, what went over the wire.
    more_is_better
        Whether a greater figure is the better one.
    """

    work: str
    unit: str
    figures: dict[str, float]
    formats: dict[str, str]
    more_is_better: bool = False

    def ratio(self, ours: str, other: str) -> float | None:
        """Return how many times better than the other one our figure is."""
        if ours not in self.figures or other not in self.figures:
            return None
        quotient = self.figures[other] / self.figures[ours]
        return 1 / quotient if self.more_is_better else quotient


def median(figures: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(figures)


def percentile(figures: Sequence[float], percent: float) -> float:
    """Return a percentile, the nearest rank."""
    ordered = sorted(figures)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]


def table(lines: Sequence[Line], systems: Sequence[str], ours: str) -> str:
    """Return the lines as a Markdown table, losses first: figures, how many times better ours is, and the formats."""
    others = [name for name in systems if name != ours]
    groups: list[list[Line]] = []
    for line in lines:
        if line.work.startswith("…") and groups:  # of the line above
            groups[-1].append(line)
        else:
            groups.append([line])

    def worst(group: list[Line]) -> float:
        ratios = (line.ratio(ours, name) for line in group for name in others)
        return min((ratio for ratio in ratios if ratio is not None), default=math.inf)

    rows = [["work", "unit", *systems, *(f"{ours} : {name}" for name in others), "formats"]]
    for line in itertools.chain(*sorted(groups, key=worst)):
        figures = [_figure(line.figures.get(name)) for name in systems]
        ratios = [line.ratio(ours, name) for name in others]
        formats = "; ".join(f"{name}: {text}" for name, text in line.formats.items())
        rows.append([line.work, line.unit, *figures, *("" if r is None else f"{r:.2g}x" for r in ratios), formats])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
