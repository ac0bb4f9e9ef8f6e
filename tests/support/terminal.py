"""Commands as somebody types them, who asks a server in this process."""

import shlex
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from entrepot.cli import app
from entrepot.client import _http
from tests.support.interface import Api

_URL = "http://results.example"


class Terminal:
    """Types commands; every address that they ask is noted in ``asked``."""

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        self.api, self.asked = api, list[str]()
        self.environment = {"ENTREPOT_URL": _URL, "ENTREPOT_TOKEN": api.token, "XDG_CONFIG_HOME": str(home)}
        original, transport = httpx.Client, api.client._transport

        def note(request: Any) -> None:
            self.asked.append(request.url.path)

        def client(**options: Any) -> Any:
            made = original(**{**options, "transport": transport})
            made.event_hooks = {"request": [note]}
            return made

        monkeypatch.setattr(_http, "Client", client)
        for name in ("ENTREPOT_DATA_DIR", "ENTREPOT_PROJECT"):
            monkeypatch.delenv(name, raising=False)

    def run(self, command: str, *more: object, code: int = 0) -> Result:
        """Type a command, whose words may be followed by others; it must end so."""
        with capture_logs():  # the server's, which would stand among what the command says
            done = CliRunner().invoke(app, [*shlex.split(command), *map(str, more)], env=self.environment)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    def json(self, command: str, *more: object) -> Any:
        """Return what a command prints as JSON."""
        return orjson.loads(self.run(command, *more, "--json").stdout)

    def refused(self, command: str, *more: object, code: int = 1) -> str:
        """Return what a command says that must fail."""
        return self.run(command, *more, code=code).stderr
