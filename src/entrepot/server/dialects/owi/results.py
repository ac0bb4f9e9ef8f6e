"""Analyses and their rows."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.rows import result_sets, results
from entrepot.rows.checks import InvalidRows
from entrepot.rows.filters import RESULT_SETS, ROWS
from entrepot.rows.vectors import unpack
from entrepot.server.almost_json import NoNumbers, Path
from entrepot.server.dialects.owi import render
from entrepot.server.dialects.owi.errors import of_one
from entrepot.server.dialects.owi.listing import listed
from entrepot.server.dialects.owi.names import ANALYSIS, ROW
from entrepot.server.endpoint import Call, Endpoint, Json

Record = dict[str, Any]
#: What is told of each row of a create-or-update.
_SUMMARY = {"result_set": "analysis", "name": "short_description", "id": "result_id"}
_ANALYSIS, _RESULT = "/results/routes/analysis", "/results/routes/result"


def _many(call: Call) -> list[Any]:
    try:
        rows = call.json
    except NoNumbers as error:
        if isinstance(error.content, list):
            raise InvalidRows(_by_row(error), len(error.content)) from None
        raise
    if not isinstance(rows, list):
        raise InvalidInput.field("non_field_errors", f'Expected a list of items but got type "{type(rows).__name__}".')
    return rows


def _one(call: Call) -> Any:
    try:
        return call.json
    except NoNumbers as error:
        raise InvalidInput(fields=_by_field([(path, spelling) for path, spelling in error.places if path])) from None


def _by_row(error: NoNumbers) -> dict[int, dict[str, list[str]]]:
    rows: dict[int, list[tuple[Path, str]]] = {}
    for (at, *path), spelling in error.places:
        rows.setdefault(int(at), []).append((tuple(path) or ("non_field_errors",), spelling))
    return {at: _by_field(places) for at, places in rows.items()}


def _by_field(places: Iterable[tuple[Path, str]]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for (name, *rest), spelling in places:
        where = f"Item {'.'.join(map(str, rest))}: " if rest else ""
        fields.setdefault(str(name), []).append(f"{where}{spelling} is no number; send null for a gap.")
    return fields


def _row(call: Call, stored: Mapping[str, Any]) -> Record:
    """Return a row; the published client, which says no more of itself than its library, reads gaps as NaN.

    It does so where it reads rows; what its writes are answered, it takes as strict JSON.
    """
    request, headers = call.request, call.request.headers
    published = headers.get("user-agent", "").startswith("python-requests/") and headers.get("accept", "*/*") == "*/*"
    published = published and request.method == "GET"
    return render.row(stored, render.bare if published else unpack)


def _list_analyses(call: Call) -> Response:
    return listed(call, RESULT_SETS, ANALYSIS, partial(map, render.analysis), ["id"])


def _create_analysis(call: Call) -> Record:
    return render.analysis(result_sets.create(call.session, call.principal, ANALYSIS.received(call.json)))


def _get_analysis(call: Call) -> Record:
    return render.analysis(result_sets.get(call.session, call.principal, int(call.path["id"])))


def _patch_analysis(call: Call) -> Record:
    return render.analysis(
        result_sets.patch(call.session, call.principal, int(call.path["id"]), ANALYSIS.received(call.json))
    )


def _remove_analysis(call: Call) -> Json:
    result_sets.remove(call.session, call.principal, int(call.path["id"]))
    return Json({})


def _list_results(call: Call) -> Response:
    return listed(call, ROWS, ROW, partial(map, partial(_row, call)), ["name", "id"])


@of_one
def _create_result(call: Call) -> Record:
    return _row(call, results.create(call.session, call.principal, ROW.received(_one(call))))


def _create_results(call: Call) -> list[Record]:
    made = results.create_many(call.session, call.principal, [*map(ROW.received, _many(call))])
    return [_row(call, row) for row in made]


def _upsert_results(call: Call) -> Record:
    """Create or update rows; with ``dry_run``, only say what that would do."""
    dry_run = call.query.get("dry_run", "false").lower() in ("true", "1")
    trial = call.session.begin_nested()
    rows, summary = results.upsert_many(call.session, call.principal, [*map(ROW.received, _many(call))])
    summary = [{_SUMMARY.get(name, name): value for name, value in one.items()} for one in summary]
    if dry_run:
        trial.rollback()
        summary = [one | ({"result_id": None} if one["action"] == "created" else {}) for one in summary]
    return {"data": [] if dry_run else [_row(call, row) for row in rows], "summary": summary}


def _get_result(call: Call) -> Record:
    return _row(call, results.get(call.session, call.principal, int(call.path["id"])))


@of_one
def _patch_result(call: Call) -> Record:
    return _row(call, results.patch(call.session, call.principal, int(call.path["id"]), ROW.received(_one(call))))


def _remove_result(call: Call) -> Json:
    results.remove(call.session, call.principal, [int(call.path["id"])])
    return Json({})


ENDPOINTS = (
    Endpoint("GET", _ANALYSIS, _list_analyses, "rows", "read"),
    Endpoint("POST", _ANALYSIS, ANALYSIS.spoken(_create_analysis), "rows", "write", status=201, body="large"),
    Endpoint("GET", f"{_ANALYSIS}/{{id:int}}", _get_analysis, "rows", "read"),
    Endpoint("PATCH", f"{_ANALYSIS}/{{id:int}}", ANALYSIS.spoken(_patch_analysis), "rows", "write", body="large"),
    Endpoint("DELETE", f"{_ANALYSIS}/{{id:int}}", _remove_analysis, "rows", "admin"),
    Endpoint("GET", _RESULT, _list_results, "rows", "read"),
    Endpoint("POST", _RESULT, ROW.spoken(_create_result), "rows", "write", status=201, body="large"),
    Endpoint("POST", f"{_RESULT}/bulk", ROW.spoken(_create_results), "rows", "write", status=201, body="large"),
    Endpoint("PUT", f"{_RESULT}/bulk", ROW.spoken(_upsert_results), "rows", "write", body="large"),
    Endpoint("GET", f"{_RESULT}/{{id:int}}", _get_result, "rows", "read"),
    Endpoint("PATCH", f"{_RESULT}/{{id:int}}", ROW.spoken(_patch_result), "rows", "write", body="large"),
    Endpoint("DELETE", f"{_RESULT}/{{id:int}}", _remove_result, "rows", "write"),
)
