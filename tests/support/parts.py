"""Parts of a server as processes, each on a folder of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import orjson

from tests.support.server import ServerProcess


class PartProcess(ServerProcess):
    """``entrepot serve --only KIND`` on a folder that nobody initialised; see :class:`ServerProcess`.

    Parameters
    ----------
    credentials
        What ``entrepot init`` printed elsewhere.
    """

    def __init__(
        self,
        data_dir: Path,
        options: Sequence[str],
        environment: Mapping[str, str],
        credentials: Mapping[str, str],
    ) -> None:
        self.data_dir = data_dir
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self._scheme, self._trusted = "http", True
        self._options = tuple(options)
        self._environment = dict(environment)
        self._process = None
        self._credentials = dict(credentials)
        self.login, self.password, self.token = (credentials[name] for name in ("login", "password", "token"))

    def _ready(self) -> bool:
        process = self._running()
        assert process.poll() is None, f"ended with {process.returncode} instead of starting"
        try:
            state = orjson.loads((self.data_dir / "run" / "serve.json").read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return False
        if state["pid"] != process.pid:
            return False
        self.http_port, self.ftp_port = int(state["http_port"] or 0), int(state["ftp_port"] or 0)
        self.url = f"http://{self.host}:{self.http_port}"
        try:
            return not self.http_port or httpx.get(f"{self.url}/health/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False
