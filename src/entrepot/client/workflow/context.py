"""The context: clients of the backends that a workspace names."""

import logging
from collections.abc import Sequence
from pathlib import Path

from entrepot.client.workflow.backend import WORKSPACE, Backend, baseurls, workspace
from entrepot.client.workflow.buckets import Buckets
from entrepot.client.workflow.exceptions import invalid
from entrepot.client.workflow.fields import number, within
from entrepot.client.workflow.results import Results

_log = logging.getLogger(__name__)
_CLIENTS: dict[str, type[Backend]] = {"buckets": Buckets, "results": Results}


class HTTPContext:
    """Clients of the Workflow backends.

    Parameters
    ----------
    workspace
        The workspace file; by default ``~/.config/workflow/workspace.yml``. Where it names no address, those of the
        Entrepot server in the variable ``ENTREPOT_URL`` are taken.
    timeout
        Seconds until a deposit without an answer is given up: 0.5 to 60.
    token
        Access token; by default what the environment holds.
    backends
        The backends to make clients of. One that cannot be reached is logged, and stays None.

    Attributes
    ----------
    buckets, results
        The clients.

    Raises
    ------
    ValueError
        The timeout is out of bounds.
    """

    def __init__(
        self,
        workspace: str | Path = WORKSPACE,
        timeout: float = 15.0,
        token: str | None = None,
        backends: Sequence[str] = ("buckets", "results"),
    ) -> None:
        try:
            self.timeout = within(number, 0.5, 60.0)(timeout)
        except ValueError as error:
            raise invalid("HTTPContext", {"timeout": (f"{error} seconds", timeout)}) from None
        self.workspace, self.token = Path(workspace), token
        self.backends = list(backends)
        # As documented: None when it cannot be reached, and typed as if it always could.
        self.buckets: Buckets = None  # type: ignore[assignment]
        self.results: Results = None  # type: ignore[assignment]
        addresses = baseurls(_read(self.workspace))
        for name in self.backends:
            if name in _CLIENTS and addresses.get(name):
                try:
                    setattr(self, name, _CLIENTS[name](addresses[name], self.timeout, token))
                except AttributeError as error:
                    _log.error("failed to create %s client: %s", name, error)


_read = workspace
