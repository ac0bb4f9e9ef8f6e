"""What the clients of the door's parts share: address, credentials, and what a request is answered."""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import pandas as pd

from entrepot.client._http import Connection
from entrepot.client.owi.exceptions import APIConnectionError, DataProcessingError, InvalidParameterError

Answer = dict[str, Any]
_DEFAULT_ROOT = "http://127.0.0.1:8000/owi/api/v1"


class API:
    """A part of the server's interface.

    Parameters
    ----------
    api_subdir
        Where it is below the address.
    api_root
        The server's address, such as ``https://results.example.org/owi/api/v1``.
    token
        An API key's token.
    uname, password
        A login and its password, in place of a token.
    header
        ``{"Authorization": "Token ..."}``, in place of either.

    Raises
    ------
    InvalidParameterError
        There are no credentials.
    """

    def __init__(
        self,
        api_subdir: str = "/",
        *,
        api_root: str = _DEFAULT_ROOT,
        token: str | None = None,
        uname: str | None = None,
        password: str | None = None,
        header: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_api_root = api_root.rstrip("/")
        self.api_root = self.base_api_root + api_subdir
        self._subdir = api_subdir
        if header is not None:
            self.header: dict[str, str] | None = _authorization(header)
        else:
            self.header = {"Authorization": f"Token {token}"} if token else None
        auth = (uname, password) if uname and password else None
        if self.header is None and auth is None:
            raise InvalidParameterError("Either header, token or user name and password must be defined.")
        self._connection = Connection(
            self.base_api_root,
            headers=self.header,
            auth=None if self.header else auth,
            timeout=None,
            transport=transport,
        )

    def ping(self) -> str:
        """Return ``ok``, without asking the server."""
        return "ok"

    def send(self, method: str, path: str, payload: Any = None) -> httpx.Response:
        """Send a request, with JSON if any, to a path below the server's address: ``/locations/projectsites/``."""
        if payload is None:
            return self._call(method, path)
        try:
            content = json.dumps(payload, allow_nan=False, default=_plain).encode()
        except ValueError as error:  # JSON has no NaN, and whoever means a gap says None
            raise InvalidParameterError(_no_number(payload) or str(error)) from None
        return self._call(method, path, content=content, once=True)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _list(self, path: str, filters: Mapping[str, Any]) -> Answer:
        place = path if path.startswith("/") else f"{self._subdir}{path}"
        response = self._call("GET", place, params=_parameters(filters))
        try:
            data = pd.DataFrame(response.json())
        except ValueError as error:
            raise DataProcessingError("Failed to decode JSON from API response") from error
        return {"data": data, "exists": not data.empty, "response": response}

    def _single(self, path: str, filters: Mapping[str, Any]) -> Answer:
        answer = self._list(path, filters)
        data = answer["data"]
        if len(data) > 1:
            raise InvalidParameterError("More than one record was returned, check search criteria.")
        return answer | {"id": None if data.empty else data["id"].iloc[0]}

    def _one(self, response: httpx.Response) -> Answer:
        made = response.json()
        data = pd.DataFrame(made if isinstance(made, list) else [made])
        return {
            "data": data,
            "exists": not data.empty,
            "id": data["id"].iloc[0] if "id" in data else None,
            "response": response,
        }

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._connection.send(method, path, **options)
        except httpx.HTTPStatusError as error:
            answer = error.response
            message = f"Error {answer.status_code}.\n{answer.reason_phrase}\n{answer.text}"
            raise APIConnectionError(message, answer) from None
        except httpx.TransportError as error:
            raise APIConnectionError(f"{type(error).__name__}: {error}") from error


def _authorization(header: Mapping[str, str]) -> dict[str, str]:
    if "Authorization" not in header:
        raise InvalidParameterError("The header must contain the 'Authorization' key with the value 'Token ...'.")
    value = header["Authorization"]
    return {"Authorization": f"Token {value[5:].strip() if value[:5].lower() == 'token' else value}"}


def _parameters(filters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is sent of filters: None is no filter, of a list each item."""
    pairs = []
    for name, value in filters.items():
        items = value if isinstance(value, (list, tuple, set)) else [value]
        pairs += [(name, _written(item)) for item in items if item is not None]
    return pairs


def _written(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _no_number(payload: Any) -> str | None:
    """Return where the first value is that is no number."""
    for at, row in enumerate(payload if isinstance(payload, list) else [payload]):
        for name, value in row.items() if isinstance(row, Mapping) else ():
            items = value if isinstance(value, (list, tuple, np.ndarray, pd.Series)) else [value]
            for index, item in enumerate(items):
                if isinstance(item, float) and not math.isfinite(item):
                    return f"Row {at}, {name}, item {index}: {item} is no number; give None for a gap."
    return None


def _plain(value: Any) -> Any:
    """Return the plain Python form of NumPy's numbers and arrays, and of dates."""
    for method in ("tolist", "isoformat"):
        if convert := getattr(value, method, None):
            return convert()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON.")
