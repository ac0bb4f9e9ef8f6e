"""Analyses and rows over HTTP."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlparse

import httpx
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from entrepot.client._http import Connection
from entrepot.client.owi.exceptions import APIConnectionError, DataProcessingError, InvalidParameterError

Answer = dict[str, Any]
_DEFAULT_ROOT = "http://127.0.0.1:8000/owi/api/v1"


class ResultsAPI:
    """Analyses and their rows on a server.

    Parameters
    ----------
    api_subdir
        Where results are below the address.
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
        api_subdir: str = "/results/routes/",
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

    def list_analyses(self, name: str | None = None, **kwargs: Any) -> Answer:
        """Return the analyses that filters in Django's words let pass: ``data`` (a table), ``exists``, ``response``."""
        return self._list("analysis", kwargs | ({} if name is None else {"name": name}))

    def get_analysis(self, **kwargs: Any) -> Answer:
        """Return the one analysis that filters let pass: ``data``, ``exists``, ``id``, ``response``.

        Raises
        ------
        InvalidParameterError
            There is more than one.
        """
        return self._single("analysis", kwargs)

    def list_results(self, **kwargs: Any) -> Answer:
        """Return the rows that filters let pass, by short description; `analysis` is the id of theirs."""
        filters = dict(kwargs)
        if "analysis" in filters and "analysis__id" not in filters:
            filters["analysis__id"] = filters.pop("analysis")
        return self._list("result", filters)

    def get_results_raw(self, **kwargs: Any) -> Answer:
        """Return the one row that filters let pass; see :meth:`get_analysis`."""
        return self._single("result", kwargs)

    def create_analysis(self, payload: Mapping[str, Any]) -> Answer:
        """Create an analysis and return ``data``, ``exists``, ``id`` and ``response``.

        A ``source`` that is no web address is dropped, and a ``timestamp`` must be a datetime.
        """
        fields = {"location": None, **payload}
        if "model_definition" not in fields and fields.get("model_definition_id") is not None:
            fields["model_definition"] = fields["model_definition_id"]
        if fields.get("timestamp") is not None:
            fields["timestamp"] = fields["timestamp"].isoformat()
        if isinstance(source := fields.get("source"), str) and urlparse(source).scheme not in ("http", "https"):
            fields["source"] = None
        return self._one(self.send("POST", self._subdir + "analysis/", fields))

    def create_result(self, payload: Mapping[str, Any]) -> Answer:
        """Create one row; see :meth:`create_analysis` for what is returned."""
        return self._one(self.send("POST", self._subdir + "result/", dict(payload)))

    def update_result(self, result_id: int, payload: Mapping[str, Any]) -> Answer:
        """Change fields of a row; None clears one."""
        answer = self._one(self.send("PATCH", f"{self._subdir}result/{int(result_id)}/", dict(payload)))
        return answer | ({"id": result_id} if answer["id"] is None else {})

    def create_results_bulk(self, payloads: Sequence[Mapping[str, Any]]) -> Answer:
        """Create rows in one request, all or none: ``data`` (in the order given), ``exists``, ``response``."""
        if not payloads:
            return {"data": pd.DataFrame(), "exists": False, "response": None}
        response = _with_bar(lambda: self.send("POST", self._subdir + "result/bulk/", list(map(dict, payloads))))
        data = pd.DataFrame(response.json())
        return {"data": data, "exists": not data.empty, "response": response}

    def create_or_update_results_bulk(self, payloads: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> Answer:
        """Create rows, or change those that their analysis has, by ``short_description``, in one request, all or none.

        Parameters
        ----------
        dry_run
            Let the server check everything and say what it would do, but change nothing.

        Returns
        -------
        dict
            ``data``, ``exists``, ``response`` and ``summary``: for each payload its ``analysis``,
            ``short_description``, ``result_id`` and ``action`` (``created`` or ``updated``).

        Raises
        ------
        InvalidParameterError
            A payload has no analysis or short description, or one that several rows have.
        """
        if not payloads:
            return {"data": pd.DataFrame(), "exists": False, "response": None, "summary": []}
        for name, article in (("analysis", "an"), ("short_description", "a")):
            if any(payload.get(name) is None for payload in payloads):
                raise InvalidParameterError(
                    f"bulk create or update requires {article} `{name}` value for each payload."
                )
        path = "result/bulk/?dry_run=true" if dry_run else "result/bulk/"
        try:
            response = _with_bar(lambda: self.send("PUT", self._subdir + path, list(map(dict, payloads))))
        except APIConnectionError as error:
            if reason := _ambiguity(error.response):
                raise InvalidParameterError(reason) from error
            raise
        answer = response.json()
        data = pd.DataFrame(answer["data"])
        return {"data": data, "exists": not data.empty, "response": response, "summary": answer["summary"]}

    def get_locations(self) -> pd.DataFrame:
        """Return all locations, with ``id``, ``title``, ``northing`` (latitude) and ``easting`` (longitude)."""
        columns = ["id", "title", "projectsite_name", "northing", "easting", "elevation"]
        answer = self._call("GET", "/locations/assetlocations")
        return pd.DataFrame(answer.json(), columns=columns)

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
        response = self._call("GET", f"{self._subdir}{path}", params=_parameters(filters))
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
        data = pd.DataFrame([response.json()])
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


def _with_bar(send: Callable[[], httpx.Response]) -> httpx.Response:
    with tqdm(total=1, desc="Uploading result batch", unit="request") as progress:
        response = send()
        progress.update(1)
    return response


def _ambiguity(response: httpx.Response | None) -> str | None:
    """Return what a server says that refuses to choose between rows."""
    body = response.json() if response is not None and response.status_code == httpx.codes.BAD_REQUEST else None
    reasons = body.get("short_description") if isinstance(body, dict) else None
    return None if reasons is None else f"bulk create or update is ambiguous. {' '.join(reasons)}"
