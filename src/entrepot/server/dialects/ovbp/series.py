"""Series: listed, selected and exported."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from starlette.datastructures import QueryParams

from entrepot.errors import InvalidInput
from entrepot.pipeline.generators import catalog
from entrepot.pipeline.runs import exports
from entrepot.series.frequency import Frequency
from entrepot.series.models import Series
from entrepot.series.select import Selected, Selection, select
from entrepot.server.dialects.ovbp import parse, render, specs
from entrepot.server.dialects.ovbp.parse import Wrong
from entrepot.server.dialects.ovbp.render import Record
from entrepot.server.dialects.ovbp.table import Action, Resource
from entrepot.server.endpoint import Call
from entrepot.server.patience import budget_of

#: The options of a selection that are given in the query string. Those that end in None are read and change nothing:
#: they served live dashboards, or tags and unfiltered values, which are not kept.
_PARAMETERS = {
    "start": ("start", parse.moment),
    "end": ("end", parse.moment),
    "closed": ("closed", parse.text),
    "resample": ("resample", parse.text),
    "resample_rule": ("rule", parse.text),
    "convention": ("convention", parse.text),
    "dropna": ("dropna", parse.truth),
    "clock": ("clock", specs.CLOCK.read),
    "max_rows_nb": ("max_rows", parse.count),
    "start_mode": (None, parse.one_of("left", "right")),
    "utc_now": (None, parse.moment),
    "max_acceptable_delay": (None, lambda value: Frequency.parse(value, zero=True)),
    "with_tags": (None, parse.truth),
    "unfilter": (None, parse.truth),
}


def _selection(query: QueryParams) -> Selection:
    options: dict[str, Any] = {}
    problems = {}
    for name, (option, check) in _PARAMETERS.items():
        if (value := query.get(name)) is not None:
            try:
                read = check(value)
            except (Wrong, InvalidInput) as error:
                problems[name] = [str(error)]
            else:
                if option:
                    options[option] = read
    if problems:
        raise InvalidInput(fields=problems)
    with parse.renaming({option: name for name, (option, _) in _PARAMETERS.items() if option}):
        return Selection(**options)


def _points(selected: Selected, since: int | None = None) -> Record:
    """Render the points of a series: milliseconds of its clock as if they were UTC, and floats."""
    stamps, first = np.unique(selected.times // 1000, return_index=True)
    values = selected.values[first]
    if since is not None:
        stamps, values = stamps[stamps >= since], values[stamps >= since]
    return {"name": selected.series.name, "index": stamps, "data": np.asarray(values, np.float64)}


def _list(call: Call) -> list[Record]:
    page = parse.page(call.query)
    names = ("project_name", "generator_name", "name")
    asked = parse.filters(
        call.query,
        project_id="project",
        generator_id="generator",
        generator_kind="generator_model",
        **dict(zip(names, names, strict=True)),
    )
    found = catalog.list_series(call.session, call.principal, offset=page.offset, limit=page.limit, **asked)
    return [render.series(series) for series in found]


def _one(call: Call) -> Series:
    return catalog.get_series(call.session, call.principal, call.path["id"])


def _select(call: Call) -> Record:
    series = _one(call)
    budget = budget_of(call.services.settings, call.request)
    return _points(select(call.session, [series], _selection(call.query), budget)[0])


def _multi_select(call: Call) -> dict[str, Record]:
    """Answer in the order of the series' creation, whatever that of the request: so clients print their columns."""
    numbers = parse.created(call.fields, specs.MULTI_SELECT)["otsdb_pk"]
    series = catalog.find_series(call.session, call.principal, numbers=numbers)
    budget = budget_of(call.services.settings, call.request)
    selected = select(call.session, series, _selection(call.query), budget)
    since = _latest_start(selected) if call.query.get("start_mode") == "right" else None
    return {str(one.series.number): _points(one, since) for one in selected}


def _latest_start(selected: Iterable[Selected]) -> int | None:
    return max((int(one.times[0] // 1000) for one in selected if one.times.size), default=None)


def _export(call: Call) -> Record:
    fields = {name: value for name, value in parse.created(call.fields, specs.EXPORT).items() if value is not None}
    series = catalog.find_series(call.session, call.principal, ids=fields.pop("series"))
    publish = fields.pop("publish", None)
    with parse.naming(specs.EXPORT):
        return render.task(exports.start(call.session, call.principal, series, fields, publish))


RESOURCES = (
    Resource(
        "odata/series",
        _list,
        lambda call: render.series(_one(call), call.principal),
        actions=(
            Action("multi_select", ("POST",), _multi_select, detail=False, right="read", body="large"),
            Action("export", ("POST",), _export, False, "read", status=201, write=True, body="large"),
            Action("select", ("GET",), _select, right="read"),
        ),
    ),
)
