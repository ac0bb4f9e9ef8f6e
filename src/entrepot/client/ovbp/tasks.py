"""Tasks: runs, clears and exports that the server does in its own time."""

import sys
import time
from typing import Any, Final

from tqdm.auto import tqdm

from entrepot.client.ovbp.exceptions import TaskDidNotFinishSuccessfully
from entrepot.client.ovbp.records import BaseModel

PENDING: Final = "pending"
REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"
FINISHED: Final = "finished"
FAILED: Final = "failed"
SERVER_ERROR: Final = "server_error"
RUNNING: Final = "running"
NOT_FOUND: Final = "not_found"

_FIRST_LOOK_SECONDS = 0.1


class Task(BaseModel):
    """Something that the server does; ``task.base["status"]`` says how far it is."""

    def wait_for_completion(
        self, period: float = 3000, raise_if_problem: bool = True, *, progress: bool | None = None
    ) -> str:
        """Wait until the task has ended.

        Parameters
        ----------
        period
            The most milliseconds between two looks at it; short tasks are looked at sooner.
        raise_if_problem
            Whether a task that neither finished nor was refused raises.
        progress
            Whether to show how far it is on standard error; None: where that is a terminal or a notebook.

        Returns
        -------
        str
            How it ended: ``finished``; ``refused``, when there was nothing to do or an equal task already waits;
            ``failed``, ``cancelled``, ``server_error`` or ``not_found``.

        Raises
        ------
        TaskDidNotFinishSuccessfully
            It ended as none of the first two, and `raise_if_problem` is true.
        """
        shown = progress if progress is not None else sys.stderr.isatty() or "ipykernel" in sys.modules
        pause, most = _FIRST_LOOK_SECONDS, period / 1000
        with tqdm(desc=f"{self.endpoint.path} {self.id}", disable=not shown) as bar:
            while self.base["status"] in (PENDING, RUNNING):
                time.sleep(min(pause, most))
                pause *= 1.5
                self.reload()
                _show(bar, self.base)
        status: str = self.base["status"]
        if raise_if_problem and status not in (FINISHED, REFUSED):
            raise TaskDidNotFinishSuccessfully(self.id, status, self.base.get("message"))
        return status


def _show(bar: Any, base: dict[str, Any]) -> None:
    progress = base.get("progress") or {}
    bar.total = progress.get("total") or None
    bar.n = progress.get("done") or 0
    bar.set_postfix_str(base["status"])
