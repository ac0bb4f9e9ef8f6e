"""What a plot shows of a series: the extremes of each pixel, for plots of any number of points."""

from typing import Any, Final

import numpy as np
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.pipeline.generators import catalog
from entrepot.series.clock_names import read_clock
from entrepot.series.frequency import Frequency
from entrepot.series.looking import PERIOD, Look
from entrepot.series.stepping import AGGREGATES
from entrepot.server.api.parameters import instant_of, known_parameters, read_as
from entrepot.server.api.points import convert, require_unit
from entrepot.server.endpoint import Call, Endpoint, Json
from entrepot.server.patience import budget_of

USUAL, MOST = 1000, 10_000
#: What :func:`look_of` reads of an address.
LOOK: Final = ("step", "aggregate", "clock", "before")


def read_envelope(call: Call) -> Response:
    """Return the lowest and the highest value of each of so many ``pixels`` between ``from`` and ``to``.

    By default, that is the whole series. Pixels without points are left out; they are as wide as each other, and there
    may be somewhat fewer, the first of which begins somewhat before ``from``. Where there are no more points than
    pixels, they are returned themselves (``exact``), with ``min`` and ``max`` equal. However many points there are,
    and however they are cut into pixels, none lies outside of what is told of its pixel. With ``unit``, values are
    converted.

    With ``step``, the points are those that an ``aggregate`` makes of each step, by the calendar of ``clock``; a step
    is whole, whatever the window cuts of it. With ``before`` (``1Y``, ``4W``, or ``period``: as long as the window is),
    what lay so long before the window is told, with stamps as if it were of the window, to be drawn over it;
    ``offset`` says by how much they were moved.
    """
    known_parameters(call, "from", "to", "pixels", "unit", *LOOK)
    look = look_of(call)
    start, stop, pixels = instant_of(call, "from"), instant_of(call, "to"), _pixels(call)
    series = catalog.get_series(call.session, call.principal, call.path["series_id"])
    start = (series.first or 0) if start is None else start
    stop = max(start + 1, (series.last or 0) + 1) if stop is None else stop
    if stop <= start:
        raise InvalidInput.field("to", "This is not after `from`.")
    check = budget_of(call.services.settings).check
    found = look.envelope(call.session, series, start, stop, pixels, check)
    unit = call.query.get("unit", series.unit)
    if unit != series.unit:
        require_unit(series, counts=look.step is not None and look.how == "count")
    ends = [convert(ends, series.unit, unit) if unit != series.unit else ends for ends in (found.low, found.high)]
    step = look.step or (None if series.step is None else Frequency.parse(series.step))
    told: dict[str, Any] = {"id": series.id, "name": series.name, "unit": unit}
    told |= {"from": start, "to": stop, "offset": look.offset(start, stop), "count": found.count}
    told |= {"exact": found.width == 0, "step": None if step is None else step.longest}
    return Json(told | {"time": found.times, "min": np.minimum(*ends), "max": np.maximum(*ends)})


def look_of(call: Call) -> Look:
    """Return the steps, and the earlier time, that the address asks for; what is empty there is not asked for."""
    how: Any = call.query.get("aggregate") or "mean"
    if how not in AGGREGATES:
        raise InvalidInput.field("aggregate", f"One of {', '.join(AGGREGATES)}.")
    before = call.query.get("before", "").strip()
    if before and before != PERIOD:
        read_as("before", before, Frequency.parse)
    step, clock = call.query.get("step", "").strip(), call.query.get("clock", "").strip()
    return Look(
        read_as("step", step, Frequency.parse) if step else None, how,
        read_as("clock", clock, read_clock) if clock else None, before,
    )  # fmt: skip


def _pixels(call: Call) -> int:
    text = call.query.get("pixels", str(USUAL))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST):
        raise InvalidInput.field("pixels", f"From 1 to {MOST}.")
    return int(text)


ENDPOINTS = [Endpoint("GET", "/api/v1/series/{series_id}/envelope", read_envelope, area="series", right="read")]
