"""Analyses and rows over HTTP."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlparse

import httpx
import pandas as pd

from entrepot.client.owi.base import API, Answer
from entrepot.client.owi.exceptions import APIConnectionError, InvalidParameterError


class ResultsAPI(API):
    """Analyses and their rows on a server; made like every :class:`~entrepot.client.owi.base.API`."""

    def __init__(self, api_subdir: str = "/results/routes/", **options: Any) -> None:
        super().__init__(api_subdir, **options)

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


def _with_bar(send: Callable[[], httpx.Response]) -> httpx.Response:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return send()
    with tqdm(total=1, desc="Uploading result batch", unit="request") as progress:
        response = send()
        progress.update(1)
    return response


def _ambiguity(response: httpx.Response | None) -> str | None:
    """Return what a server says that refuses to choose between rows."""
    body = response.json() if response is not None and response.status_code == httpx.codes.BAD_REQUEST else None
    reasons = body.get("short_description") if isinstance(body, dict) else None
    return None if reasons is None else f"bulk create or update is ambiguous. {' '.join(reasons)}"
