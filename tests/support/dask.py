"""A Dask cluster of two workers, as docs/scaling.md has an operator start it."""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

from tests.support.bound import bound
from tests.support.certificates import self_signed
from tests.support.ports import free_port
from tests.support.server import ENTREPOT

#: The commands of the page's section.
SCHEDULER, WORKER = re.findall(
    r"```sh\n(dask .*?)```", (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(), re.DOTALL
)


class Cluster:
    """A scheduler and two workers, each a process of its own, as an operator starts them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = self_signed(folder / "cluster.pem")
        for name in ("ca.pem", "cluster.key"):  # the file has all
            (folder / name).symlink_to(self.certificate)
        self.port = free_port()
        self.address = f"tls://127.0.0.1:{self.port}"
        self.scheduler = self.start_scheduler()
        self.workers = [self.start_worker(), self.start_worker()]

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        return self._start(f"{SCHEDULER} --host 127.0.0.1")

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self._start(f"{WORKER} --host 127.0.0.1 --no-nanny --local-directory {self._folder}")

    def _start(self, code: str) -> subprocess.Popen[bytes]:
        words = code.replace("\\\n", "").replace("dask.example", "127.0.0.1").replace("8786", str(self.port)).split()
        command = [*bound(), str(ENTREPOT.parent / words[0]), *words[1:]]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, start_new_session=True)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
