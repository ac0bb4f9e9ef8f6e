"""What both backends have in common: finding the one that can be reached, and asking it."""

import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx

from entrepot.client._http import Connection
from entrepot.client._quiet import quiet
from entrepot.client.workflow.exceptions import failed

WORKSPACE = Path.home() / ".config" / "workflow" / "workspace.yml"
_TOKENS = ("WORKFLOW_HTTP_TOKEN", "WORKFLOW_TOKEN", "GITHUB_TOKEN", "GITHUB_PAT")
_REACH_SECONDS = 5.0
_IDS_AT_ONCE = 1000


class _Connection(Connection):
    def send(self, *arguments: Any, **options: Any) -> httpx.Response:
        """Return an answer; raises what code written for the published client catches."""
        try:
            return super().send(*arguments, **options)
        except httpx.HTTPError as error:
            raise failed(error) from error


class Backend:
    """A client of one backend.

    Parameters
    ----------
    baseurl
        Its address, or several, of which the first that can be reached is taken; by default the variable
        ``WORKFLOW_HTTP_BASEURL``, else what the workspace says.
    timeout
        Seconds until a request without an answer is given up.
    token
        Access token; by default the first set of ``WORKFLOW_HTTP_TOKEN``, ``WORKFLOW_TOKEN``, ``GITHUB_TOKEN`` and
        ``GITHUB_PAT``.

    Raises
    ------
    AttributeError
        None of the addresses can be reached.
    """

    name = ""

    def __init__(
        self, baseurl: str | Sequence[str] | None = None, timeout: float = 15.0, token: str | None = None
    ) -> None:
        candidates = baseurl or os.environ.get("WORKFLOW_HTTP_BASEURL") or baseurls(workspace()).get(self.name)
        self.baseurl = _reachable([candidates] if isinstance(candidates, str) else list(candidates or ()))
        self.timeout = timeout
        self._token = token or default_token()
        headers = {"x-access-token": self._token} if self._token else {}
        # As documented, only deposits to a bucket are given up: the others may take as long as they need.
        self._connection = _Connection(
            self.baseurl, headers={"user-agent": "entrepot-workflow-client", **headers}, timeout=None
        )

    def info(self) -> dict[str, Any]:
        """Get the version of the backend.

        Returns
        -------
        dict
            ``client``: address, timeout and token (hidden) of this client; ``server``: what the server says.
        """
        hidden = "**********" if self._token else None
        client = {"baseurl": self.baseurl, "timeout": self.timeout, "token": hidden}
        return {"client": client, "server": self._connection.json("GET", "/version")}

    def _search(
        self, query: dict[str, Any], projection: dict[str, bool], skip: int, limit: int | None
    ) -> list[dict[str, Any]]:
        body = {"query": query, "projection": projection, "skip": skip, "limit": limit}
        found: list[dict[str, Any]] = self._connection.json("POST", "/view", body=body)
        return found


def default_token() -> str | None:
    """Return the access token that the environment holds."""
    return next((os.environ[name] for name in _TOKENS if os.environ.get(name)), None)


def workspace(path: Path | None = None) -> dict[str, Any]:
    """Return what a workspace file says; nothing when there is none.

    Raises
    ------
    ValueError
        It is YAML, not JSON, and PyYAML is not installed.
    """
    path = path or WORKSPACE
    if not path.is_file():
        return {}
    text = path.read_text()
    try:
        said = json.loads(text)
    except ValueError:
        try:
            yaml = import_module("yaml")
        except ImportError:
            raise ValueError(f"{path} is YAML: install PyYAML to read it, or set ENTREPOT_URL.") from None
        said = yaml.safe_load(text)
    return said if isinstance(said, dict) else {}


def baseurls(said: dict[str, Any]) -> dict[str, Any]:
    """Return the addresses of a workspace by backend; those of ``ENTREPOT_URL`` where it names none."""
    server = os.environ.get("ENTREPOT_URL", "").rstrip("/")
    ours = {name: f"{server}/workflow/{name}" for name in ("buckets", "results")} if server else {}
    return {**ours, **((said.get("http") or {}).get("baseurls") or {})}


def in_parts(ids: list[str]) -> list[list[str]]:
    """Split ids that stand in an address: httpx takes addresses of 64 KiB."""
    return [ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE)]


def confirmed(message: str) -> bool:
    """Ask on the terminal whether to go on; only ``yes`` will do."""
    print(message)  # noqa: T201 - a question to the user
    return input('Type "yes" to confirm [no]: ').strip().lower() == "yes"


def _reachable(candidates: list[str]) -> str:
    for url in candidates:
        try:
            with quiet():
                if not httpx.head(f"{url}/version", timeout=_REACH_SECONDS).is_error:
                    return url
        except (httpx.HTTPError, httpx.InvalidURL):
            continue
    raise AttributeError(f"Unable to validate any baseurl: {candidates}")
