"""Rows that an analysis computes: what its script's ``rows(df)`` makes of all complete steps of its inputs.

A histogram or a power curve is of all data, not of an interval. So the function is called in every run, and what it
returns takes the place of what it returned before, row by row, matched by ``name``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.identity import Principal, Role
from entrepot.pipeline.analyses.windows import AnalysisSpec, Bounds, Input, build_frame, read_range
from entrepot.pipeline.configuration import get
from entrepot.pipeline.generators.finding import enqueue_run
from entrepot.pipeline.generators.reports import heard, note_old
from entrepot.pipeline.intervals import Interval, subtract_intervals
from entrepot.pipeline.models import Analysis
from entrepot.rows import places, result_sets, results
from entrepot.rows.checks import InvalidRows, no_such
from entrepot.series import store

#: What a row may say beside its vectors.
_FIELDS = frozenset({"name", "location", "description", "about", "extra"})
#: Steps of a frame that is given to a script whole.
MOST_STEPS = 5_000_000


def keep_in(session: Session, principal: Principal, analysis_id: str, result_set_id: int | None) -> Analysis:
    """Have an analysis' rows kept in a result set of its organization; with None, have it make no rows.

    Rows that it made in another one stay there.
    """
    analysis = get(session, principal, Analysis, analysis_id, "write")
    if result_set_id is not None:
        principal.require_scope("rows", "write")
        try:
            result_sets.get(session, replace(principal, organization_id=analysis.organization_id), result_set_id)
        except NotFound:
            raise InvalidInput.field("into", no_such(result_set_id)) from None
    if analysis.result_set_id != result_set_id:
        analysis.result_set_id = result_set_id
        session.flush()
        if analysis.active:
            enqueue_run(session, analysis)
    return analysis


def frame_of(
    session: Session,
    inputs: Iterable[tuple[Input, int]],
    spec: AnalysisSpec,
    bounds: Bounds,
    silent: Iterable[Interval] = (),
) -> pd.DataFrame | str | None:
    """Return what ``rows`` is called with: every complete step of the inputs (each with its series' key), but silence.

    Returns
    -------
    None when there is no step, and why not when there are too many.
    """
    spans = subtract_intervals([(bounds.rows_start, bounds.rows_stop)], silent)
    steps = sum(stop - start for start, stop in spans) // spec.input_step.longest
    if not spans:
        return None
    if steps > MOST_STEPS:
        return f"Rows are computed of {MOST_STEPS:,} steps at most, and these are {steps:,}: use a longer input_step."
    named, alone, parts = list(inputs), replace(spec, before=0, after=0), []
    for start, stop in spans:
        data = {}
        for each, series_number in named:
            points = store.read(session, series_number, *read_range(each, bounds, alone, start, stop))
            data[each.column] = (points.times, points.values)
        frame = build_frame([each for each, _ in named], data, alone, bounds, start, stop)
        parts.append(pd.DataFrame(frame.columns, pd.DatetimeIndex(frame.naive.astype("datetime64[us]"))))
    return pd.concat(parts) if len(parts) > 1 else parts[0]


def compute(context: jobs.JobContext, script: str, frame: pd.DataFrame, report: dict[str, Any]) -> list[Any]:
    """Return what the script's ``rows`` makes of the frame; the run's report gets what is old in it."""
    outcome = heard(context, partial(context.services["scripts"].call, script, "rows", [frame], expects="json"))
    note_old(report, outcome.notes)
    if not isinstance(outcome.value, list):
        raise jobs.Failed(f"rows() must return a list of rows, not a {type(outcome.value).__name__}.")
    return outcome.value


def store_rows(context: jobs.JobContext, session: Session, analysis: Analysis, payloads: list[Any]) -> dict[str, int]:
    """Create, update and delete rows, so that those that the analysis made are these, and return how many of each.

    A row may name its location, which is one of the site's.

    Raises
    ------
    jobs.Failed
        Names the row and the field at fault, or what is locked; nothing may be committed then.
    """
    organization, target = analysis.organization_id, analysis.result_set_id
    assert target is not None
    principal = Principal(context.job.user_id or "", analysis.name, organization, {organization: Role.WRITER})
    before = lineage.last_made(session, analysis.id, "row")
    try:
        rows = _completed(payloads, target, *places.around(session, principal, target))
        kept, summary = results.upsert_many(session, principal, rows, run_id=context.job.id)
        ours = {int(id_) for id_, detail in before.items() if detail.get("result_set") == target}
        gone = ours - {row["id"] for row in kept}
        results.remove(session, principal, gone)
    except InvalidRows as error:
        at, fields = min(error.rows.items())
        more = f" (and {len(error.rows) - 1} more rows)" if len(error.rows) > 1 else ""
        raise jobs.Failed(f"{InvalidInput(fields=fields).message} in row {_named(at, payloads[at])}{more}") from error
    except (InvalidInput, NotFound, Conflict) as error:
        raise jobs.Failed(error.message) from error
    created = sum(one["action"] == "created" for one in summary)
    return {"created": created, "updated": len(summary) - created, "deleted": len(gone)}


def _completed(payloads: list[Any], result_set_id: int, site_id: int, locations: Mapping[str, int]) -> list[Any]:
    """Return rows as the verbs of rows take them, with their result set, site and location as ids."""
    rows = []
    for at, payload in enumerate(payloads):
        if not isinstance(payload, dict):
            raise jobs.Failed(f"Row {at} is no dict, but a {type(payload).__name__}.")
        row = _with_columns(payload, at) | {"result_set": result_set_id, "site": site_id}
        location = row.get("location")
        if location is not None:
            if location not in locations:
                raise jobs.Failed(f"location: the site has no {location!r:.80}, in row {_named(at, payload)}")
            row["location"] = locations[location]
        rows.append(row)
    return rows


def _with_columns(payload: Mapping[str, Any], at: int) -> dict[str, Any]:
    """Return a row whose vectors, each under its name as its values and their unit, are columns.

    Raises
    ------
    jobs.Failed
        Something is neither a field of rows nor a vector.
    """
    vectors = {name: value for name, value in payload.items() if name not in _FIELDS}
    row = {name: value for name, value in payload.items() if name in _FIELDS}
    for number, (name, value) in enumerate(vectors.items(), 1):
        if not (
            isinstance(value, list) and len(value) == 2 and isinstance(value[0], list) and isinstance(value[1], str)
        ):
            raise jobs.Failed(f"{name}: a vector is a list of values and a unit, in row {_named(at, payload)}")
        if number > 3:
            raise jobs.Failed(f"{name}: a row has two or three vectors, in row {_named(at, payload)}")
        row |= {f"name{number}": name, f"unit{number}": value[1], f"values{number}": value[0]}
    return row


def _named(at: int, payload: Mapping[str, Any]) -> str:
    return f"{at}, {payload.get('name')!r:.80}"
