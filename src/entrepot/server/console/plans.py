"""What a change would have computed again, told before it is made: it is made, looked at, and undone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from entrepot.db.undone import undone
from entrepot.pipeline.runs.forecast import Before, Forecast
from entrepot.server.api.project_file.models import Again
from entrepot.server.console.form_page import refusal, status_of
from entrepot.server.console.native import attempted
from entrepot.server.console.page import render
from entrepot.server.endpoint import Call


@dataclass(frozen=True)
class Plan:
    """What a change would do: what is told of it, files that are read again, and series that are computed again."""

    refusal: str = ""
    said: Sequence[str] = ()
    files: Mapping[str, int] | None = None
    series: Sequence[Again] = ()


def shown(call: Call, project_id: str, change: Callable[[], Any], said: Sequence[str] = ()) -> Response:
    """Return what a change would do; what is wrong with it, where it would be refused."""
    before = Before.of(call.session, project_id)
    forecast = Forecast()
    with undone(call.session):
        _, error = attempted(call.session, change)
        if error is None:
            forecast = before.forecast(call.session)
        plan = Plan(refusal(error), said if error is None else (), forecast.files, Again.all_of(forecast))
    return render(call, "plan.html", status_of(error), plan=plan)
