"""The warm template: a small process with NumPy, pandas and Arrow loaded, which forks a supervisor for each call.

It is never a fork of the server, and imports nothing of it; see `start` for what its only descriptor carries.
"""

import contextlib
import functools
import gc
import io
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from . import frames, libc
from .limits import Limits
from .supervisor import end_descendants, supervise

READY = b"ready"
Supervise = Callable[[list[int], Path, Limits], None]
# How much longer than its limit a supervisor may take, should the script have stopped it.
GRACE = 5.0


def start(descriptor: int, *, cells: bool, network: bool) -> None:
    """Serve the runner's socket until it is closed.

    Each packet is JSON with the folder to make and the limits, and brings descriptors: the socket to report on, the
    request, the empty file for the result, and the entrance of the call's control group if it has one.

    Parameters
    ----------
    cells
        Give each call a cell of its own.
    network
        Leave calls the network.
    """
    control = socket.socket(fileno=descriptor)
    if not cells and os.getuid() == 0 and (private := _private_folder()):
        sys.exit(f"{private} is closed to other users, and scripts are not run as root: open it, or install elsewhere")
    libc.adopt_orphans()
    libc.hide(True)
    _warm_up()
    gc.collect()
    gc.freeze()
    control.send(READY)
    _serve(control, functools.partial(supervise, cells=cells, network=network))


def _private_folder() -> Path | None:
    """Return a folder that keeps other users from the standard library or the installed packages."""
    for path in {Path(module).resolve().parent for module in (os.__file__, np.__file__)}:
        for folder in (path, *path.parents):
            if not folder.stat().st_mode & 0o001:
                return folder
    return None


def _warm_up() -> None:
    """Have everything imported that scripts and their results commonly need."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    content = b'{"a": {"1325376000000": 1}}'
    frame = pd.read_json(io.BytesIO(content))
    pd.read_csv(io.BytesIO(b"t,v\n2012-01-01,1\n"), index_col=0, parse_dates=True).resample("1h").mean()
    stream = frames.result_to_ipc(frame.tz_localize("Europe/Paris"), "parse")
    assert stream is not None
    frames.result_from_ipc(stream)
    frames.frame_from_ipc(frames.frame_to_ipc(frame))
    frames.values_from_ipc(frames.values_to_ipc(np.zeros(1)), "float64")


def _serve(control: socket.socket, supervise: Supervise) -> None:
    supervisors: dict[int, tuple[int, float]] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        handles = {handle: pid for pid, (handle, _) in supervisors.items()}
        wait = min((deadline for _, deadline in supervisors.values()), default=None)
        ready = [fd for fd, _ in poll.poll(None if wait is None else max(0, wait - time.monotonic()) * 1000 + 1)]
        late = [handle for handle, deadline in supervisors.values() if deadline < time.monotonic()]
        for handle in {*ready, *late} & handles.keys():
            poll.unregister(handle)
            _bury(handles[handle], handle, frozenset(supervisors) - {handles[handle]})
            del supervisors[handles[handle]]
        if control.fileno() in ready:
            packet, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 4)
            if not packet:
                return
            pid, wall = _fork_supervisor(control, supervise, packet, descriptors)
            if pid:
                handle = os.pidfd_open(pid)
                supervisors[pid] = handle, time.monotonic() + wall + GRACE
                poll.register(handle, select.POLLIN)


def _fork_supervisor(
    control: socket.socket, supervise: Supervise, packet: bytes, descriptors: list[int]
) -> tuple[int, float]:
    order = json.loads(packet)
    limits = Limits(**order["limits"])
    try:
        pid = os.fork()
    except OSError:  # the runner sees its socket closed before anything began
        pid = 0
    else:
        if pid == 0:
            try:
                control.close()
                supervise(descriptors, Path(order["folder"]), limits)
            except BaseException:  # noqa: BLE001 - must not return into the template's loop
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(0)
    for descriptor in descriptors:
        os.close(descriptor)
    return pid, limits.wall


def _bury(pid: int, handle: int, others: frozenset[int]) -> None:
    """End a supervisor that is over or late, and all that it left if its script killed it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(handle)
    end_descendants(None, keep=others)
