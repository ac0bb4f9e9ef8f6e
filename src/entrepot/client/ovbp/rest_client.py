"""The verbs of the protocol over HTTP."""

import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from entrepot.client._quiet import Client
from entrepot.client.ovbp.exceptions import HttpError
from entrepot.client.ovbp.json import json_dumps, json_loads

# A select of a million points takes its time; a server that does not even accept a connection does not come back.
_TIMEOUT = httpx.Timeout(30.0, read=600.0)


class RestClient:
    """A connection to a server, with its credentials.

    Parameters
    ----------
    url
        Where the interface begins, such as ``https://entrepot.example.org/ovbp/api/v2``.
    login, password
        Sent with each request (HTTP Basic).
    verify_ssl
        Whether the server's certificate is checked; or the path of a file with the authorities to trust.
    token
        An API key of Entrepot, in place of login and password.

    Attributes
    ----------
    session : httpx.Client
        What sends the requests.
    """

    def __init__(
        self, url: str, login: str, password: str, verify_ssl: bool | str | Path = True, *, token: str | None = None
    ) -> None:
        self.base_url = url.strip("/")
        self.verify_ssl = verify_ssl
        verify = ssl.create_default_context(cafile=verify_ssl) if isinstance(verify_ssl, str | Path) else verify_ssl
        self.session = Client(verify=verify, timeout=_TIMEOUT)
        if token is None:
            self.session.auth = httpx.BasicAuth(login, password)
        else:
            self.session.headers["Authorization"] = f"Token {token}"

    def list(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """Return a page of a collection, as the server answers it: an object whose ``data`` is an array."""
        return _value(self._request("GET", path, params=params))

    def retrieve(self, path: str, resource_id: str) -> Any:
        """Return the data of a record."""
        return _value(self._request("GET", path, resource_id))

    def create(self, path: str, data: Any) -> Any:
        """Create a record and return its data."""
        return _value(self._request("POST", path, json=data))

    def partial_update(self, path: str, resource_id: str, data: Any) -> Any:
        """Change some keys of a record and return its data."""
        return _value(self._request("PATCH", path, resource_id, json=data))

    def update(self, path: str, resource_id: str, data: Any) -> Any:
        """Replace a record and return its data."""
        return _value(self._request("PUT", path, resource_id, json=data))

    def detail_action(
        self,
        path: str,
        resource_id: str,
        http_method: str,
        action_name: str,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        return_json: bool = True,
        send_json: bool = True,
    ) -> Any:
        """Do something with a record.

        Parameters
        ----------
        path, resource_id
            Which record.
        http_method, action_name
            How the action is called.
        params, data
            Query and body.
        return_json
            Whether the answer is JSON; otherwise its bytes are returned.
        send_json
            Whether the body is sent as JSON; otherwise bytes, text or form fields are sent as they are.

        Returns
        -------
        Any
            The answer; None where it has no content (204).
        """
        return self._action(f"{resource_id}/{action_name}", path, http_method, params, data, return_json, send_json)

    def list_action(
        self,
        path: str,
        http_method: str,
        action_name: str,
        params: Mapping[str, Any] | None = None,
        data: Any = None,
        return_json: bool = True,
        send_json: bool = True,
    ) -> Any:
        """Do something with a collection; arguments and answer are those of :meth:`detail_action`."""
        return self._action(action_name, path, http_method, params, data, return_json, send_json)

    def destroy(self, path: str, resource_id: str, params: Mapping[str, Any] | None = None) -> Any:
        """Delete a record; return None, or what the server has to say about it."""
        response = self._request("DELETE", path, resource_id, params=params)
        return None if response.status_code == httpx.codes.NO_CONTENT else _value(response)

    def wait_for_on(self, timeout: float = 10, freq: float = 1) -> None:
        """Wait until the server is up: it answers, and not with 503.

        Parameters
        ----------
        timeout
            Seconds until this raises TimeoutError.
        freq
            Seconds between two looks.
        """
        if timeout <= 0:
            raise ValueError("timeout must be positive")
        end = time.monotonic() + timeout
        while not self._is_on():
            if time.monotonic() >= end:
                raise TimeoutError(f"{self.base_url} did not come up within {timeout} s")
            time.sleep(freq)

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    def _is_on(self) -> bool:
        try:
            response = self._send("GET", "oteams/projects/", params={"empty": True})
        except httpx.TransportError:
            return False
        return response.status_code != httpx.codes.SERVICE_UNAVAILABLE

    def _action(
        self,
        place: str,
        path: str,
        http_method: str,
        params: Mapping[str, Any] | None,
        data: Any,
        return_json: bool,
        send_json: bool,
    ) -> Any:
        body = {"json" if send_json else "raw": data}
        response = self._request(http_method.upper(), path, place, params=params, **body)
        if response.status_code == httpx.codes.NO_CONTENT:
            return None
        return _value(response) if return_json else response.content

    def _request(self, method: str, *path: str, **options: Any) -> httpx.Response:
        response = self._send(method, f"{'/'.join(path)}/", **options)
        if not response.is_success:
            raise HttpError(response.text, response.status_code)
        return response

    def _send(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, json: Any = None, raw: Any = None
    ) -> httpx.Response:
        options: dict[str, Any] = {"params": _query(params or {})}
        if json is not None:
            options |= {"content": json_dumps(json).encode(), "headers": {"Content-Type": "application/json"}}
        elif isinstance(raw, Mapping):
            options["data"] = raw
        elif raw is not None:
            options["content"] = raw
        return self.session.request(method, f"{self.base_url}/{path}", **options)


def _value(response: httpx.Response) -> Any:
    return json_loads(response.content)


def _query(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return query parameters as this protocol writes them: Python's text of each value, lists as repeated keys."""
    return {
        name: [str(item) for item in value] if isinstance(value, list | tuple | set) else str(value)
        for name, value in params.items()
        if value is not None
    }
